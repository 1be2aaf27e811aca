package seatmap

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// Events of [Seats]. Facts are kept forever in the form that [boxoffice.EncodeEvent]
// returns.
type (
	// Opened is a schedule's first event.
	Opened struct {
		Terms boxoffice.Terms `json:"terms"`
	}
	// Held keeps a seat for a user until ExpiresAt.
	Held struct {
		ReservationID uuid.UUID `json:"reservationId"`
		UserID        uuid.UUID `json:"userId"`
		Sequence      uint64    `json:"sequence"` // the holder's place in line
		SeatNumber    int       `json:"seatNumber"`
		Price         int64     `json:"price"`
		ExpiresAt     time.Time `json:"expiresAt"`
	}
	// Released frees a held seat because its holder said so.
	Released struct {
		ReservationID uuid.UUID `json:"reservationId"`
		SeatNumber    int       `json:"seatNumber"`
		Sequence      uint64    `json:"sequence"`
	}
	// Expired frees a held seat because its time was over. At is when that was written
	// down; the seat was free from the hold's ExpiresAt on.
	Expired struct {
		ReservationID uuid.UUID `json:"reservationId"`
		SeatNumber    int       `json:"seatNumber"`
		Sequence      uint64    `json:"sequence"`
	}
	// Confirmed sells a held seat: points are taken, the place in line ends.
	Confirmed struct {
		PaymentID     uuid.UUID `json:"paymentId"`
		ReservationID uuid.UUID `json:"reservationId"`
		UserID        uuid.UUID `json:"userId"`
		Sequence      uint64    `json:"sequence"`
		SeatNumber    int       `json:"seatNumber"`
		Amount        int64     `json:"amount"`
	}
	// Cancelled refunds a sold seat and frees it.
	Cancelled struct {
		PaymentID     uuid.UUID `json:"paymentId"`
		ReservationID uuid.UUID `json:"reservationId"`
		UserID        uuid.UUID `json:"userId"`
		SeatNumber    int       `json:"seatNumber"`
		Amount        int64     `json:"amount"` // given back
	}
	// PlaceEnded refuses the token of a place from now on: it was left, or its row said
	// that it had ended. The place itself is the waiting room's.
	PlaceEnded struct {
		Sequence uint64    `json:"sequence"`
		EndsAt   time.Time `json:"endsAt"` // end of the admission, after which the token is refused anyway
	}
)

// EventType is its name in the journal.
func (Opened) EventType() string { return "schedule-opened" }

// EventType is its name in the journal.
func (Held) EventType() string { return "seat-held" }

// EventType is its name in the journal.
func (Released) EventType() string { return "seat-released" }

// EventType is its name in the journal.
func (Expired) EventType() string { return "hold-expired" }

// EventType is its name in the journal.
func (Confirmed) EventType() string { return "seat-confirmed" }

// EventType is its name in the journal.
func (Cancelled) EventType() string { return "sale-cancelled" }

// EventType is its name in the journal.
func (PlaceEnded) EventType() string { return "place-ended" }

// Apply changes the state by one event. An event that contradicts the state was not decided
// on it: Apply panics, because everything after it would be wrong.
func (s *Seats) Apply(e boxoffice.Event) {
	if err := s.apply(e); err != nil {
		panic(fmt.Sprintf("seatmap: schedule %d: %v", s.scheduleID(), err))
	}
}

func (s *Seats) scheduleID() int64 {
	if s.terms == nil {
		return 0
	}
	return s.terms.ScheduleID
}

func (s *Seats) apply(e boxoffice.Event) error {
	if opened, ok := e.Data.(Opened); ok {
		if s.terms != nil {
			return fmt.Errorf("opened twice")
		}
		s.terms, s.at = &opened.Terms, e.At
		return nil
	}
	if s.terms == nil {
		return fmt.Errorf("%T before it was opened", e.Data)
	}
	s.at = e.At
	if place, ok := e.Data.(PlaceEnded); ok {
		s.left.add(place.Sequence, place.EndsAt)
		return nil
	}
	if err := s.applyToSeat(e); err != nil {
		return err
	}
	s.changes++
	return nil
}

func (s *Seats) applyToSeat(e boxoffice.Event) error {
	switch d := e.Data.(type) {
	case Held:
		return s.claimSeat(claimOfHold(e, d))
	case Released:
		return s.free(d.SeatNumber, d.ReservationID, uuid.Nil)
	case Expired:
		if c := s.claimOf(d.ReservationID); c.held(e.At) {
			return fmt.Errorf("hold on seat %d expired at %v, before its time %v", d.SeatNumber, e.At, c.expiresAt)
		}
		return s.free(d.SeatNumber, d.ReservationID, uuid.Nil)
	case Confirmed:
		return s.applyConfirmed(d, e.At)
	case Cancelled:
		if d.PaymentID == uuid.Nil {
			return fmt.Errorf("cancelled a sale without payment")
		}
		return s.free(d.SeatNumber, d.ReservationID, d.PaymentID)
	default:
		return fmt.Errorf("%T is no event of a seat map", e.Data)
	}
}

// claimOfHold returns the claim that a hold makes.
func claimOfHold(e boxoffice.Event, d Held) *claim {
	return &claim{
		reservationID: d.ReservationID,
		operationID:   e.OperationID,
		userID:        d.UserID,
		sequence:      d.Sequence,
		seatNumber:    d.SeatNumber,
		price:         d.Price,
		createdAt:     e.At,
		expiresAt:     d.ExpiresAt,
	}
}

func (s *Seats) applyConfirmed(d Confirmed, at time.Time) error {
	c := s.claimOf(d.ReservationID)
	if !c.held(at) || c.seatNumber != d.SeatNumber || d.PaymentID == uuid.Nil {
		return fmt.Errorf("confirmed seat %d without a live hold", d.SeatNumber)
	}
	index, _ := s.findSeat(c.seatNumber)
	s.claims = slices.Clone(s.claims)
	s.claims[index] = c.sold(d.PaymentID, at)
	if s.spent = append(s.spent, d.Sequence); len(s.spent) > maxSpent {
		s.spent = s.spent[len(s.spent)-maxSpent:]
	}
	return nil
}

// sold returns the claim that a payment makes of a hold.
func (c *claim) sold(paymentID uuid.UUID, at time.Time) *claim {
	sold := *c
	sold.paymentID, sold.paidAt = paymentID, at
	return &sold
}
