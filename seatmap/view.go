package seatmap

import (
	"slices"
	"time"

	"boxoffice"
)

// SeatMap returns the seats at now. A hold that is due already counts as a change, so that
// maps of different content never share a version.
func (s *Seats) SeatMap(now time.Time) boxoffice.SeatMap {
	m := s.freeSeats()
	for _, c := range s.claims {
		switch {
		case c.due(now):
			m.Version++
		case c.held(now):
			m.Statuses[c.seatNumber-1] = boxoffice.SeatHeld
		default:
			m.Statuses[c.seatNumber-1] = boxoffice.SeatSold
		}
	}
	return m
}

// While returns the seats to show at now while a draft of them is being written: a hold that
// the draft pays for does not end meanwhile. Other holds do, however long that takes.
func (s *Seats) While(draft *Seats, now time.Time) *Seats {
	if draft == s {
		return s
	}
	shown := s
	for i, c := range s.claims {
		if !c.due(now) {
			continue
		}
		if paid := draft.claimOf(c.reservationID); paid == nil || !paid.confirmed() {
			continue
		}
		if shown == s {
			copied := *s
			copied.claims = slices.Clone(s.claims)
			shown = &copied
		}
		lasting := *c
		lasting.expiresAt = now.Add(1)
		shown.claims[i] = &lasting
	}
	return shown
}

// freeSeats returns the seat map as it would be without claims.
func (s *Seats) freeSeats() boxoffice.SeatMap {
	return boxoffice.SeatMap{ScheduleID: s.terms.ScheduleID, Version: s.changes, Prices: &s.terms.Prices}
}

// Available returns the number of free seats at now.
func (s *Seats) Available(now time.Time) int {
	count := boxoffice.SeatCount
	for _, c := range s.claims {
		if c.live(now) {
			count--
		}
	}
	return count
}

// Held returns the number of held seats at now.
func (s *Seats) Held(now time.Time) int {
	count := 0
	for _, c := range s.claims {
		if c.held(now) {
			count++
		}
	}
	return count
}

// AvailableSeats returns the numbers of the free seats at now, in order; it is never nil.
func (s *Seats) AvailableSeats(now time.Time) []int {
	numbers := make([]int, 0, boxoffice.SeatCount)
	claims := s.claims
	for number := 1; number <= boxoffice.SeatCount; number++ {
		free := true
		if len(claims) > 0 && claims[0].seatNumber == number {
			free, claims = !claims[0].live(now), claims[1:]
		}
		if free {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// SoldOut reports whether every seat is confirmed.
func (s *Seats) SoldOut() bool {
	for _, c := range s.claims {
		if !c.confirmed() {
			return false
		}
	}
	return len(s.claims) == boxoffice.SeatCount
}

func (s *Seats) reservation(c *claim) *boxoffice.Reservation {
	return &boxoffice.Reservation{
		ID:         c.reservationID,
		ConcertID:  s.terms.ConcertID,
		ScheduleID: s.terms.ScheduleID,
		SeatNumber: c.seatNumber,
		UserID:     c.userID,
		Status:     boxoffice.ReservationHeld,
		Price:      c.price,
		CreatedAt:  c.createdAt,
		ExpiresAt:  c.expiresAt,
	}
}

func (s *Seats) payment(c *claim) *boxoffice.Payment {
	return &boxoffice.Payment{
		ID:            c.paymentID,
		ReservationID: c.reservationID,
		ConcertID:     s.terms.ConcertID,
		ScheduleID:    s.terms.ScheduleID,
		SeatNumber:    c.seatNumber,
		UserID:        c.userID,
		Amount:        c.price,
		Status:        boxoffice.PaymentCompleted,
		StartsAt:      s.terms.StartsAt,
		EndsAt:        s.terms.EndsAt,
		PaidAt:        c.paidAt,
	}
}

// News returns everything that the waiting room has to know, as of a version of the
// schedule's journal.
func (s *Seats) News(version int64, now time.Time) boxoffice.ScheduleNews {
	news := s.NewsOf(nil, 0, version, now)
	for _, sequence := range s.spent {
		news.Places = append(news.Places, boxoffice.PlaceNews{Sequence: sequence, Completed: true})
	}
	for _, c := range s.claims {
		if !c.confirmed() {
			news.Places = append(news.Places, boxoffice.PlaceNews{Sequence: c.sequence, HeldUntil: c.expiresAt})
		}
	}
	return news
}

// NewsOf returns what the waiting room has to know of events that led from one version of
// the schedule's journal to another, at which s is.
func (s *Seats) NewsOf(events []boxoffice.Event, after, version int64, now time.Time) boxoffice.ScheduleNews {
	news := boxoffice.ScheduleNews{
		After: after, Version: version, AvailableSeats: s.Available(now), SoldOut: s.SoldOut(),
	}
	for _, e := range events {
		switch d := e.Data.(type) {
		case Held:
			news.Places = append(news.Places, boxoffice.PlaceNews{Sequence: d.Sequence, HeldUntil: d.ExpiresAt})
		case Released:
			news.Places = append(news.Places, boxoffice.PlaceNews{Sequence: d.Sequence})
		case Expired:
			news.Places = append(news.Places, boxoffice.PlaceNews{Sequence: d.Sequence})
		case Confirmed:
			news.Places = append(news.Places, boxoffice.PlaceNews{Sequence: d.Sequence, Completed: true})
		}
	}
	return news
}
