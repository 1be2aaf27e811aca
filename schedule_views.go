package boxoffice

import "time"

// SeatMap shows the seats at now. A hold that is due counts as one change already, so
// that maps of different content never share a version.
func (s *Schedule) SeatMap(now time.Time) SeatMap {
	m := SeatMap{ScheduleID: s.Terms.ScheduleID, Version: s.changes}
	for i, c := range s.seats {
		seat := Seat{Status: SeatAvailable, Price: s.Terms.Prices[i]}
		switch {
		case c.due(now):
			m.Version++
		case c.held(now):
			seat.Status = SeatHeld
		case c != nil:
			seat.Status = SeatSold
		}
		m.Seats[i] = seat
	}
	return m
}

// Available counts the free seats at now.
func (s *Schedule) Available(now time.Time) int {
	count := 0
	for _, c := range s.seats {
		if !c.live(now) {
			count++
		}
	}
	return count
}

// AvailableSeats lists the numbers of the free seats at now, in order; it is never nil.
func (s *Schedule) AvailableSeats(now time.Time) []int {
	numbers := make([]int, 0, SeatCount)
	for i, c := range s.seats {
		if !c.live(now) {
			numbers = append(numbers, i+1)
		}
	}
	return numbers
}

// SoldOut tells whether every seat is confirmed.
func (s *Schedule) SoldOut() bool {
	for _, c := range s.seats {
		if c == nil || !c.confirmed() {
			return false
		}
	}
	return true
}

// NextWake is when the next hold is over, past times included; zero without holds.
func (s *Schedule) NextWake() time.Time {
	var next time.Time
	for _, c := range s.seats {
		if c != nil && !c.confirmed() && (next.IsZero() || c.expiresAt.Before(next)) {
			next = c.expiresAt
		}
	}
	return next
}

// outcomeOf is the answer to the operation that caused an event. It has to be asked
// before the event is applied.
func (s *Schedule) outcomeOf(e Event) Outcome {
	outcome := Outcome{At: e.At}
	switch d := e.Data.(type) {
	case SeatWasHeld:
		outcome.Created = true
		outcome.Reservation = &Reservation{
			ID:         d.ReservationID,
			ConcertID:  s.Terms.ConcertID,
			ScheduleID: s.Terms.ScheduleID,
			SeatNumber: d.SeatNumber,
			UserID:     d.UserID,
			Status:     ReservationHeld,
			Price:      d.Price,
			CreatedAt:  e.At,
			ExpiresAt:  d.ExpiresAt,
		}
	case SeatWasConfirmed:
		outcome.Created = true
		outcome.Payment = &Payment{
			ID:            d.PaymentID,
			ReservationID: d.ReservationID,
			ConcertID:     s.Terms.ConcertID,
			ScheduleID:    s.Terms.ScheduleID,
			SeatNumber:    d.SeatNumber,
			UserID:        d.UserID,
			Amount:        d.Amount,
			Status:        PaymentCompleted,
			StartsAt:      s.Terms.StartsAt,
			EndsAt:        s.Terms.EndsAt,
			PaidAt:        e.At,
		}
	case SaleWasCancelled:
		outcome.Created = true
		outcome.Payment = &Payment{
			ID:             d.PaymentID,
			ReservationID:  d.ReservationID,
			ConcertID:      s.Terms.ConcertID,
			ScheduleID:     s.Terms.ScheduleID,
			SeatNumber:     d.SeatNumber,
			UserID:         d.UserID,
			Amount:         d.Amount,
			Status:         PaymentCancelled,
			StartsAt:       s.Terms.StartsAt,
			EndsAt:         s.Terms.EndsAt,
			RefundedAmount: d.Amount,
			CancelledAt:    e.At,
		}
		if c := s.claimOf(d.ReservationID); c != nil {
			outcome.Payment.PaidAt = c.paidAt
		}
	}
	return outcome
}

func (s *Schedule) reservation(c *claim, status ReservationStatus) *Reservation {
	return &Reservation{
		ID:         c.reservationID,
		ConcertID:  s.Terms.ConcertID,
		ScheduleID: s.Terms.ScheduleID,
		SeatNumber: c.seatNumber,
		UserID:     c.userID,
		Status:     status,
		Price:      c.price,
		CreatedAt:  c.createdAt,
		ExpiresAt:  c.expiresAt,
	}
}
