package seatmap

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// ScheduleCommand is one of [Hold], [Release], [Pay], [CancelSale] and [EndPlace].
type Command interface{ operation() boxoffice.Operation }

func (c Hold) operation() boxoffice.Operation     { return c.Operation }
func (c Release) operation() boxoffice.Operation  { return c.Operation }
func (c Pay) operation() boxoffice.Operation      { return c.Operation }
func (c Cancel) operation() boxoffice.Operation   { return c.Operation }
func (c EndPlace) operation() boxoffice.Operation { return c.Operation }

// Decide tells what comes of a command at now: the events that make it so, in order,
// and the answer. It does not change the schedule. A refusal has no events.
//
// An operation that had its effect within the last minute is answered as it was then,
// without events. That answer of a payment or a cancellation lacks the balance: only
// the journal knows it, and tells it when it refuses the key (see [RefusedKey]).
//
// The balance of a new payment or cancellation is for the journal to fill in as well.
func (s *Seats) Decide(cmd Command, now time.Time) ([]boxoffice.Event, boxoffice.Outcome) {
	op := cmd.operation()
	if outcome, ok := s.recall(op.ID, now); ok {
		return nil, outcome
	}
	var events []boxoffice.Event
	var outcome boxoffice.Outcome
	var refusal *boxoffice.Error
	switch c := cmd.(type) {
	case Hold:
		events, outcome, refusal = s.decideHold(c, now)
	case Release:
		events, refusal = s.decideRelease(c, now)
	case Pay:
		events, refusal = s.decidePay(c, now)
	case Cancel:
		events, refusal = s.decideCancelSale(c, now)
	case EndPlace:
		events = s.decideEndPlace(c, now)
	default:
		panic(fmt.Sprintf("boxoffice: %T is no command of a schedule", cmd))
	}
	if refusal != nil {
		return nil, boxoffice.Outcome{At: now, Refusal: refusal}
	}
	if len(events) == 0 {
		outcome.At = now
		return nil, outcome
	}
	return events, s.outcome(s.effectOf(events[len(events)-1]))
}

// decideHold answers with an outcome only where there is no event.
func (s *Seats) decideHold(c Hold, now time.Time) ([]boxoffice.Event, boxoffice.Outcome, *boxoffice.Error) {
	if refusal := s.CheckAdmission(c.Admission, now); refusal != nil {
		return nil, boxoffice.Outcome{}, refusal
	}
	own := s.claimBy(c.UserID)
	if own.held(now) && own.seatNumber == c.SeatNumber {
		return nil, boxoffice.Outcome{Reservation: s.reservation(own, boxoffice.ReservationHeld)}, nil
	}
	if own.live(now) {
		return nil, boxoffice.Outcome{}, boxoffice.Errorf(boxoffice.CodeAlreadyReserved, "you have seat %d of this schedule already", own.seatNumber)
	}
	if c.SeatNumber < 1 || c.SeatNumber > boxoffice.SeatCount {
		return nil, boxoffice.Outcome{}, boxoffice.Invalid("body.seatNumber", "must be from 1 to %d", boxoffice.SeatCount)
	}
	terms := s.terms.whole()
	if !terms.OnSale(now) {
		return nil, boxoffice.Outcome{}, terms.SalesClosed(now)
	}
	current := s.claimOn(c.SeatNumber)
	if current.live(now) {
		refusal := boxoffice.Errorf(boxoffice.CodeSeatTaken, "seat %d is taken", c.SeatNumber)
		refusal.AvailableSeats = s.AvailableSeats(now)
		return nil, boxoffice.Outcome{}, refusal
	}
	var events []boxoffice.Event
	if current.due(now) {
		events = append(events, current.expired(now))
	}
	if own.due(now) && own != current {
		events = append(events, own.expired(now))
	}
	return append(events, boxoffice.Event{At: now, OperationID: c.ID, Data: Held{
		ReservationID: c.ReservationID,
		UserID:        c.UserID,
		Sequence:      c.Sequence,
		SeatNumber:    c.SeatNumber,
		Price:         terms.Prices[c.SeatNumber-1],
		ExpiresAt:     now.Add(c.TTL),
	}}), boxoffice.Outcome{}, nil
}

func (s *Seats) decideRelease(c Release, now time.Time) ([]boxoffice.Event, *boxoffice.Error) {
	own := s.claimOf(c.ReservationID)
	switch {
	case own == nil || own.due(now):
		return nil, nil
	case own.userID != c.UserID:
		return nil, reservationNotFound()
	case own.confirmed():
		return nil, alreadyPaid()
	}
	return []boxoffice.Event{own.released(now, c.ID)}, nil
}

func (s *Seats) decidePay(c Pay, now time.Time) ([]boxoffice.Event, *boxoffice.Error) {
	own := s.claimOf(c.ReservationID)
	switch {
	case own == nil || own.due(now):
		return nil, boxoffice.Errorf(boxoffice.CodeHoldExpired, "the seat is no longer held; nothing was charged")
	case own.userID != c.UserID:
		return nil, reservationNotFound()
	case own.confirmed():
		return nil, alreadyPaid()
	}
	return []boxoffice.Event{{At: now, OperationID: c.ID, Data: Confirmed{
		PaymentID:     c.PaymentID,
		ReservationID: own.reservationID,
		UserID:        own.userID,
		Sequence:      own.sequence,
		SeatNumber:    own.seatNumber,
		Amount:        own.price,
	}}}, nil
}

func (s *Seats) decideCancelSale(c Cancel, now time.Time) ([]boxoffice.Event, *boxoffice.Error) {
	own := s.findClaim(func(o *claim) bool { return o.confirmed() && o.paymentID == c.PaymentID })
	switch {
	case own == nil:
		return nil, boxoffice.Errorf(boxoffice.CodeAlreadyCancelled, "the payment was cancelled before")
	case own.userID != c.UserID:
		return nil, boxoffice.Errorf(boxoffice.CodePaymentNotFound, "there is no such payment")
	case !now.Before(s.terms.cancellationClosesAt):
		return nil, boxoffice.Errorf(boxoffice.CodeCancellationClosed, "payments cannot be cancelled from the day of the performance on")
	}
	return []boxoffice.Event{{At: now, OperationID: c.ID, Data: Cancelled{
		PaymentID:     own.paymentID,
		ReservationID: own.reservationID,
		UserID:        own.userID,
		SeatNumber:    own.seatNumber,
		Amount:        own.price,
	}}}, nil
}

func (s *Seats) decideEndPlace(c EndPlace, now time.Time) []boxoffice.Event {
	own := s.claimBy(c.UserID)
	// A message that was long under way must not take what a newer place holds.
	if !own.held(now) || own.sequence != c.Sequence {
		return nil
	}
	return []boxoffice.Event{own.released(now, c.ID)}
}

// Expire gives a HoldExpired for every hold that is over at now, the longest over first.
func (s *Seats) Expire(now time.Time) []boxoffice.Event {
	var due []*claim
	for _, c := range s.claims {
		if c.due(now) {
			due = append(due, c)
		}
	}
	slices.SortStableFunc(due, func(a, b *claim) int { return a.expiresAt.Compare(b.expiresAt) })
	var events []boxoffice.Event
	for _, c := range due {
		events = append(events, c.expired(now))
	}
	return events
}

// CheckAdmission is the guard: it refuses with queue-token-expired what a genuine queue
// token says once its place was used up or barred, and once its admission is over
// unless its user holds a seat that was taken with it.
func (s *Seats) CheckAdmission(a boxoffice.Admission, now time.Time) *boxoffice.Error {
	if _, barred := s.barred[a.Sequence]; barred || slices.Contains(s.spent, a.Sequence) {
		return boxoffice.PlaceEnded()
	}
	if now.Before(a.EndsAt) {
		return nil
	}
	if own := s.claimBy(a.UserID); own.held(now) && own.sequence == a.Sequence {
		return nil
	}
	return admissionIsOver()
}

func admissionIsOver() *boxoffice.Error {
	return boxoffice.Errorf(boxoffice.CodeQueueTokenExpired, "this admission is over")
}

func (c *claim) expired(now time.Time) boxoffice.Event {
	return boxoffice.Event{At: now, Data: Expired{
		ReservationID: c.reservationID, SeatNumber: c.seatNumber, Sequence: c.sequence,
	}}
}

func (c *claim) released(now time.Time, operationID uuid.UUID) boxoffice.Event {
	return boxoffice.Event{At: now, OperationID: operationID, Data: Released{
		ReservationID: c.reservationID, SeatNumber: c.seatNumber, Sequence: c.sequence,
	}}
}

func reservationNotFound() *boxoffice.Error {
	return boxoffice.Errorf(boxoffice.CodeReservationNotFound, "there is no such reservation")
}

func alreadyPaid() *boxoffice.Error {
	return boxoffice.Errorf(boxoffice.CodeAlreadyPaid, "the reservation is paid; cancel its payment instead")
}
