package seatmap

import (
	"time"

	"boxoffice"
)

// SeatMap shows the seats at now. A hold that is due counts as one change already, so
// that maps of different content never share a version.
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

// freeSeats gives the seat map as it would be without claims.
func (s *Seats) freeSeats() boxoffice.SeatMap {
	prices := s.terms.common.Value().prices
	return boxoffice.SeatMap{ScheduleID: s.terms.scheduleID, Version: s.changes, Prices: &prices}
}

// Available counts the free seats at now.
func (s *Seats) Available(now time.Time) int {
	count := boxoffice.SeatCount
	for _, c := range s.claims {
		if c.live(now) {
			count--
		}
	}
	return count
}

// Held counts the seats that are held at now.
func (s *Seats) Held(now time.Time) int {
	count := 0
	for _, c := range s.claims {
		if c.held(now) {
			count++
		}
	}
	return count
}

// AvailableSeats lists the numbers of the free seats at now, in order; it is never nil.
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

// SoldOut tells whether every seat is confirmed.
func (s *Seats) SoldOut() bool {
	for _, c := range s.claims {
		if !c.confirmed() {
			return false
		}
	}
	return len(s.claims) == boxoffice.SeatCount
}

// NextWake is when the next hold is over, past times included; zero without holds.
func (s *Seats) NextWake() time.Time {
	var next time.Time
	for _, c := range s.claims {
		if !c.confirmed() && (next.IsZero() || c.expiresAt.Before(next)) {
			next = c.expiresAt
		}
	}
	return next
}

// outcome is the answer to the operation that had an effect.
func (s *Seats) outcome(done effect) boxoffice.Outcome {
	outcome := boxoffice.Outcome{At: done.at, Created: done.claim != nil}
	switch c := done.claim; {
	case c == nil:
	case c.confirmed():
		outcome.Payment = &boxoffice.Payment{
			ID:            c.paymentID,
			ReservationID: c.reservationID,
			ConcertID:     s.terms.common.Value().concertID,
			ScheduleID:    s.terms.scheduleID,
			SeatNumber:    c.seatNumber,
			UserID:        c.userID,
			Amount:        c.price,
			Status:        boxoffice.PaymentCompleted,
			StartsAt:      s.terms.startsAt,
			EndsAt:        s.terms.endsAt,
			PaidAt:        c.paidAt,
		}
		if done.cancelled {
			outcome.Payment.Status = boxoffice.PaymentCancelled
			outcome.Payment.RefundedAmount, outcome.Payment.CancelledAt = c.price, done.at
		}
	default:
		outcome.Reservation = s.reservation(c, boxoffice.ReservationHeld)
	}
	return outcome
}

func (s *Seats) reservation(c *claim, status boxoffice.ReservationStatus) *boxoffice.Reservation {
	return &boxoffice.Reservation{
		ID:         c.reservationID,
		ConcertID:  s.terms.common.Value().concertID,
		ScheduleID: s.terms.scheduleID,
		SeatNumber: c.seatNumber,
		UserID:     c.userID,
		Status:     status,
		Price:      c.price,
		CreatedAt:  c.createdAt,
		ExpiresAt:  c.expiresAt,
	}
}
