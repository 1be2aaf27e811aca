package boxoffice

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// ScheduleCommand is one of [Hold], [Release], [Pay], [CancelSale] and [EndPlace].
type ScheduleCommand interface{ operation() Operation }

func (c Hold) operation() Operation       { return c.Operation }
func (c Release) operation() Operation    { return c.Operation }
func (c Pay) operation() Operation        { return c.Operation }
func (c CancelSale) operation() Operation { return c.Operation }
func (c EndPlace) operation() Operation   { return c.Operation }

// Decide tells what comes of a command at now: the events that make it so, in order,
// and the answer. It does not change the schedule. A refusal has no events.
//
// An operation that had its effect within the last minute is answered as it was then,
// without events. That answer of a payment or a cancellation lacks the balance: only
// the journal knows it, and tells it when it refuses the key (see [RefusedKey]).
//
// The balance of a new payment or cancellation is for the journal to fill in as well.
func (s *Schedule) Decide(cmd ScheduleCommand, now time.Time) ([]Event, Outcome) {
	op := cmd.operation()
	if outcome, ok := s.recall(op.ID, now); ok {
		return nil, outcome
	}
	var events []Event
	var outcome Outcome
	var refusal *Error
	switch c := cmd.(type) {
	case Hold:
		events, outcome, refusal = s.decideHold(c, now)
	case Release:
		events, refusal = s.decideRelease(c, now)
	case Pay:
		events, refusal = s.decidePay(c, now)
	case CancelSale:
		events, refusal = s.decideCancelSale(c, now)
	case EndPlace:
		events = s.decideEndPlace(c, now)
	default:
		panic(fmt.Sprintf("boxoffice: %T is no command of a schedule", cmd))
	}
	if refusal != nil {
		return nil, Outcome{At: now, Refusal: refusal}
	}
	if len(events) == 0 {
		outcome.At = now
		return nil, outcome
	}
	return events, s.outcome(s.effectOf(events[len(events)-1]))
}

// decideHold answers with an outcome only where there is no event.
func (s *Schedule) decideHold(c Hold, now time.Time) ([]Event, Outcome, *Error) {
	if refusal := s.CheckAdmission(c.Admission, now); refusal != nil {
		return nil, Outcome{}, refusal
	}
	own := s.claimBy(c.UserID)
	if own.held(now) && own.seatNumber == c.SeatNumber {
		return nil, Outcome{Reservation: s.reservation(own, ReservationHeld)}, nil
	}
	if own.live(now) {
		return nil, Outcome{}, Errorf(CodeAlreadyReserved, "you have seat %d of this schedule already", own.seatNumber)
	}
	if c.SeatNumber < 1 || c.SeatNumber > SeatCount {
		return nil, Outcome{}, Invalid("body.seatNumber", "must be from 1 to %d", SeatCount)
	}
	terms := s.terms.whole()
	if !terms.OnSale(now) {
		return nil, Outcome{}, terms.salesClosed(now)
	}
	current := s.claimOn(c.SeatNumber)
	if current.live(now) {
		refusal := Errorf(CodeSeatTaken, "seat %d is taken", c.SeatNumber)
		refusal.AvailableSeats = s.AvailableSeats(now)
		return nil, Outcome{}, refusal
	}
	var events []Event
	if current.due(now) {
		events = append(events, current.expired(now))
	}
	if own.due(now) && own != current {
		events = append(events, own.expired(now))
	}
	return append(events, Event{At: now, OperationID: c.ID, Data: SeatWasHeld{
		ReservationID: c.ReservationID,
		UserID:        c.UserID,
		Sequence:      c.Sequence,
		SeatNumber:    c.SeatNumber,
		Price:         terms.Prices[c.SeatNumber-1],
		ExpiresAt:     now.Add(c.TTL),
	}}), Outcome{}, nil
}

func (s *Schedule) decideRelease(c Release, now time.Time) ([]Event, *Error) {
	own := s.claimOf(c.ReservationID)
	switch {
	case own == nil || own.due(now):
		return nil, nil
	case own.userID != c.UserID:
		return nil, reservationNotFound()
	case own.confirmed():
		return nil, alreadyPaid()
	}
	return []Event{own.released(now, c.ID)}, nil
}

func (s *Schedule) decidePay(c Pay, now time.Time) ([]Event, *Error) {
	own := s.claimOf(c.ReservationID)
	switch {
	case own == nil || own.due(now):
		return nil, Errorf(CodeHoldExpired, "the seat is no longer held; nothing was charged")
	case own.userID != c.UserID:
		return nil, reservationNotFound()
	case own.confirmed():
		return nil, alreadyPaid()
	}
	return []Event{{At: now, OperationID: c.ID, Data: SeatWasConfirmed{
		PaymentID:     c.PaymentID,
		ReservationID: own.reservationID,
		UserID:        own.userID,
		Sequence:      own.sequence,
		SeatNumber:    own.seatNumber,
		Amount:        own.price,
	}}}, nil
}

func (s *Schedule) decideCancelSale(c CancelSale, now time.Time) ([]Event, *Error) {
	own := s.findClaim(func(o *claim) bool { return o.confirmed() && o.paymentID == c.PaymentID })
	switch {
	case own == nil:
		return nil, Errorf(CodeAlreadyCancelled, "the payment was cancelled before")
	case own.userID != c.UserID:
		return nil, Errorf(CodePaymentNotFound, "there is no such payment")
	case !now.Before(s.terms.cancellationClosesAt):
		return nil, Errorf(CodeCancellationClosed, "payments cannot be cancelled from the day of the performance on")
	}
	return []Event{{At: now, OperationID: c.ID, Data: SaleWasCancelled{
		PaymentID:     own.paymentID,
		ReservationID: own.reservationID,
		UserID:        own.userID,
		SeatNumber:    own.seatNumber,
		Amount:        own.price,
	}}}, nil
}

func (s *Schedule) decideEndPlace(c EndPlace, now time.Time) []Event {
	own := s.claimBy(c.UserID)
	// A message that was long under way must not take what a newer place holds.
	if !own.held(now) || own.sequence != c.Sequence {
		return nil
	}
	return []Event{own.released(now, c.ID)}
}

// Expire gives a HoldExpired for every hold that is over at now, the longest over first.
func (s *Schedule) Expire(now time.Time) []Event {
	var due []*claim
	for _, c := range s.claims {
		if c.due(now) {
			due = append(due, c)
		}
	}
	slices.SortStableFunc(due, func(a, b *claim) int { return a.expiresAt.Compare(b.expiresAt) })
	var events []Event
	for _, c := range due {
		events = append(events, c.expired(now))
	}
	return events
}

// CheckAdmission is the guard: it refuses with queue-token-expired what a genuine queue
// token says once its place was used up or barred, and once its admission is over
// unless its user holds a seat that was taken with it.
func (s *Schedule) CheckAdmission(a Admission, now time.Time) *Error {
	if _, barred := s.barred[a.Sequence]; barred || slices.Contains(s.spent, a.Sequence) {
		return placeEnded()
	}
	if now.Before(a.EndsAt) {
		return nil
	}
	if own := s.claimBy(a.UserID); own.held(now) && own.sequence == a.Sequence {
		return nil
	}
	return admissionIsOver()
}

func admissionIsOver() *Error {
	return Errorf(CodeQueueTokenExpired, "this admission is over")
}

func (c *claim) expired(now time.Time) Event {
	return Event{At: now, Data: HoldExpired{
		ReservationID: c.reservationID, SeatNumber: c.seatNumber, Sequence: c.sequence,
	}}
}

func (c *claim) released(now time.Time, operationID uuid.UUID) Event {
	return Event{At: now, OperationID: operationID, Data: SeatWasReleased{
		ReservationID: c.reservationID, SeatNumber: c.seatNumber, Sequence: c.sequence,
	}}
}

func reservationNotFound() *Error {
	return Errorf(CodeReservationNotFound, "there is no such reservation")
}

func alreadyPaid() *Error {
	return Errorf(CodeAlreadyPaid, "the reservation is paid; cancel its payment instead")
}
