package seatmap

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// Commands of [Seats].
type (
	// Hold keeps a seat for the admitted user. ReservationID is what it gets if new.
	Hold struct {
		boxoffice.Operation
		boxoffice.Admission
		ReservationID uuid.UUID
		SeatNumber    int           // 1–SeatCount
		TTL           time.Duration // how long the hold lasts
	}
	// Release frees a held seat.
	Release struct {
		boxoffice.Operation
		ReservationID uuid.UUID
		UserID        uuid.UUID
	}
	// Pay buys a held seat. PaymentID is what the payment gets if new.
	Pay struct {
		boxoffice.Operation
		PaymentID     uuid.UUID
		ReservationID uuid.UUID
		UserID        uuid.UUID
	}
	// Cancel refunds a payment and frees its seat.
	Cancel struct {
		boxoffice.Operation
		PaymentID uuid.UUID
		UserID    uuid.UUID
	}
	// EndPlace releases what the place's holder holds unpaid, and refuses the place's
	// token from then on: its holder leaves the line.
	EndPlace struct {
		boxoffice.Operation
		UserID uuid.UUID
		boxoffice.EndedPlace
	}
)

// Command is one of [Hold], [Release], [Pay], [Cancel] and [EndPlace].
type Command interface{ Op() boxoffice.Operation }

// Decide returns the result of a command at now: its events, in order, and the answer. It
// does not change the state. A refusal has no events.
//
// Every command can be sent again under the same operation: a hold that it already made is
// answered as it was then, and a command with an idempotency key that was used before is
// answered by the journal, which refuses the key (see [boxoffice.RefusedKey]). The journal
// also fills in the balance of a new payment or cancellation.
func (s *Seats) Decide(cmd Command, now time.Time) ([]boxoffice.Event, boxoffice.Outcome) {
	var events []boxoffice.Event
	var refusal *boxoffice.Error
	outcome := boxoffice.Outcome{At: now}
	switch c := cmd.(type) {
	case Hold:
		return s.decideHold(c, now)
	case Release:
		events, refusal = s.decideRelease(c, now)
	case Pay:
		events, outcome.Payment, refusal = s.decidePay(c, now)
	case Cancel:
		events, outcome.Payment, refusal = s.decideCancel(c, now)
	case EndPlace:
		events = s.decideEndPlace(c, now)
	default:
		panic(fmt.Sprintf("seatmap: %T is no command of a seat map", cmd))
	}
	outcome.Created, outcome.Refusal = outcome.Payment != nil, refusal
	return events, outcome
}

func (s *Seats) decideHold(c Hold, now time.Time) ([]boxoffice.Event, boxoffice.Outcome) {
	refused := func(refusal *boxoffice.Error) ([]boxoffice.Event, boxoffice.Outcome) {
		return nil, boxoffice.Outcome{At: now, Refusal: refusal}
	}
	own := s.claimBy(c.UserID)
	if own.held(now) && c.ID != uuid.Nil && own.operationID == c.ID {
		return nil, boxoffice.Outcome{At: own.createdAt, Created: true, Reservation: s.reservation(own)}
	}
	if refusal := s.CheckAdmission(c.Admission, now); refusal != nil {
		return refused(refusal)
	}
	if own.held(now) && own.seatNumber == c.SeatNumber {
		return nil, boxoffice.Outcome{At: now, Reservation: s.reservation(own)}
	}
	if own.live(now) {
		return refused(boxoffice.Errorf(boxoffice.CodeAlreadyReserved, "you have seat %d of this schedule already", own.seatNumber))
	}
	if c.SeatNumber < 1 || c.SeatNumber > boxoffice.SeatCount {
		return refused(boxoffice.Invalid("body.seatNumber", "must be from 1 to %d", boxoffice.SeatCount))
	}
	if !s.terms.OnSale(now) {
		return refused(s.terms.SalesClosed(now))
	}
	current := s.claimOn(c.SeatNumber)
	if current.live(now) {
		refusal := boxoffice.Errorf(boxoffice.CodeSeatTaken, "seat %d is taken", c.SeatNumber)
		refusal.AvailableSeats = s.AvailableSeats(now)
		return refused(refusal)
	}
	var events []boxoffice.Event
	if current.due(now) {
		events = append(events, current.expired(now))
	}
	if own.due(now) && own != current {
		events = append(events, own.expired(now))
	}
	data := Held{
		ReservationID: c.ReservationID,
		UserID:        c.UserID,
		Sequence:      c.Sequence,
		SeatNumber:    c.SeatNumber,
		Price:         s.terms.Prices[c.SeatNumber-1],
		ExpiresAt:     now.Add(c.TTL),
	}
	held := boxoffice.Event{At: now, OperationID: c.ID, Data: data}
	return append(events, held), boxoffice.Outcome{At: now, Created: true, Reservation: s.reservation(claimOfHold(held, data))}
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

func (s *Seats) decidePay(c Pay, now time.Time) ([]boxoffice.Event, *boxoffice.Payment, *boxoffice.Error) {
	own := s.claimOf(c.ReservationID)
	switch {
	case own == nil || own.due(now):
		return nil, nil, boxoffice.Errorf(boxoffice.CodeHoldExpired, "the seat is no longer held; nothing was charged")
	case own.userID != c.UserID:
		return nil, nil, reservationNotFound()
	case own.confirmed():
		return nil, nil, alreadyPaid()
	}
	return []boxoffice.Event{{At: now, OperationID: c.ID, Data: Confirmed{
		PaymentID:     c.PaymentID,
		ReservationID: own.reservationID,
		UserID:        own.userID,
		Sequence:      own.sequence,
		SeatNumber:    own.seatNumber,
		Amount:        own.price,
	}}}, s.payment(own.sold(c.PaymentID, now)), nil
}

func (s *Seats) decideCancel(c Cancel, now time.Time) ([]boxoffice.Event, *boxoffice.Payment, *boxoffice.Error) {
	own := s.findClaim(func(o *claim) bool { return o.confirmed() && o.paymentID == c.PaymentID })
	switch {
	case own == nil:
		return nil, nil, boxoffice.Errorf(boxoffice.CodeAlreadyCancelled, "the payment was cancelled before")
	case own.userID != c.UserID:
		return nil, nil, boxoffice.Errorf(boxoffice.CodePaymentNotFound, "there is no such payment")
	case !now.Before(s.terms.CancellationClosesAt):
		return nil, nil, boxoffice.Errorf(boxoffice.CodeCancellationClosed, "payments cannot be cancelled from the day of the performance on")
	}
	payment := s.payment(own)
	payment.Status, payment.RefundedAmount, payment.CancelledAt = boxoffice.PaymentCancelled, own.price, now
	return []boxoffice.Event{{At: now, OperationID: c.ID, Data: Cancelled{
		PaymentID:     own.paymentID,
		ReservationID: own.reservationID,
		UserID:        own.userID,
		SeatNumber:    own.seatNumber,
		Amount:        own.price,
	}}}, payment, nil
}

func (s *Seats) decideEndPlace(c EndPlace, now time.Time) []boxoffice.Event {
	var events []boxoffice.Event
	// A message that arrives late must not release what a newer place holds.
	if own := s.claimBy(c.UserID); own.held(now) && own.sequence == c.Sequence {
		events = append(events, own.released(now, c.ID))
	}
	for _, e := range s.NotePlaces([]boxoffice.EndedPlace{c.EndedPlace}, now) {
		e.OperationID = c.ID
		events = append(events, e)
	}
	return events
}

// NotePlaces returns events for the places in ended whose end was not known yet.
func (s *Seats) NotePlaces(ended []boxoffice.EndedPlace, now time.Time) []boxoffice.Event {
	var events []boxoffice.Event
	for _, place := range ended {
		if now.Before(place.EndsAt) && !s.ended(place.Sequence) {
			events = append(events, boxoffice.Event{At: now, Data: PlaceEnded(place)})
		}
	}
	return events
}

// Due returns the events that end the holds that are over at now, the one that ended first
// first.
func (s *Seats) Due(now time.Time) []boxoffice.Event {
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

// NextDue returns when the next hold ends, which may be in the past; zero without holds.
func (s *Seats) NextDue() time.Time {
	var next time.Time
	for _, c := range s.claims {
		if !c.confirmed() && (next.IsZero() || c.expiresAt.Before(next)) {
			next = c.expiresAt
		}
	}
	return next
}

// CheckAdmission checks the admission of a genuine queue token. It fails with
// queue-token-expired once the place has ended, and once the admission is over, unless its
// user holds a seat that was taken with it.
func (s *Seats) CheckAdmission(a boxoffice.Admission, now time.Time) *boxoffice.Error {
	if s.ended(a.Sequence) {
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
