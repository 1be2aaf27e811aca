package seatmap

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// storedSeats is the stored form of the state, version 1. It holds what events say and
// nothing else: the same events give the same bytes. Releases before 0.2 also stored the
// answers to recent operations, as "remembered"; those are ignored.
type storedSeats struct {
	Version int                `json:"v"`
	Terms   boxoffice.Terms    `json:"terms"`
	Changes int64              `json:"changes"`
	Claims  []storedClaim      `json:"claims"`
	Spent   []uint64           `json:"spent"`
	Left    []storedEndedPlace `json:"left,omitempty"`
	At      time.Time          `json:"at,omitzero"` // of the last event
}

type storedClaim struct {
	SeatNumber    int       `json:"seatNumber"`
	ReservationID uuid.UUID `json:"reservationId"`
	OperationID   uuid.UUID `json:"operationId,omitzero"`
	UserID        uuid.UUID `json:"userId"`
	Sequence      uint64    `json:"sequence"`
	Price         int64     `json:"price"`
	CreatedAt     time.Time `json:"createdAt"`
	ExpiresAt     time.Time `json:"expiresAt"`
	PaymentID     uuid.UUID `json:"paymentId,omitzero"`
	PaidAt        time.Time `json:"paidAt,omitzero"`
}

type storedEndedPlace struct {
	Sequence uint64    `json:"sequence"`
	EndsAt   time.Time `json:"endsAt"`
}

// Snapshot encodes the state that the events made.
func (s *Seats) Snapshot() ([]byte, error) {
	if s.terms == nil {
		return nil, fmt.Errorf("snapshot of a schedule before its first event")
	}
	stored := storedSeats{
		Version: boxoffice.StoredVersion,
		Terms:   *s.terms,
		Changes: s.changes,
		Spent:   s.spent,
		At:      s.at,
	}
	for _, c := range s.claims {
		stored.Claims = append(stored.Claims, storedClaim{
			SeatNumber:    c.seatNumber,
			ReservationID: c.reservationID,
			OperationID:   c.operationID,
			UserID:        c.userID,
			Sequence:      c.sequence,
			Price:         c.price,
			CreatedAt:     c.createdAt,
			ExpiresAt:     c.expiresAt,
			PaymentID:     c.paymentID,
			PaidAt:        c.paidAt,
		})
	}
	for _, place := range s.left.since(s.at) {
		stored.Left = append(stored.Left, storedEndedPlace(place))
	}
	data, err := json.Marshal(stored)
	if err != nil {
		return nil, fmt.Errorf("encode snapshot: %w", err)
	}
	return data, nil
}

// Restore rebuilds the state from its newest snapshot and the events after it, or from all
// events if the snapshot is nil. It fails on a stored form that it does not know or that
// contradicts itself; if the snapshot is bad, all the events may still be enough.
func Restore(snapshot []byte, events []boxoffice.Event) (*Seats, error) {
	s := new(Seats)
	if snapshot != nil {
		if err := s.load(snapshot); err != nil {
			return nil, fmt.Errorf("load snapshot: %w", err)
		}
	}
	for i, e := range events {
		if err := s.apply(e); err != nil {
			return nil, fmt.Errorf("apply event %d of %d: %w", i+1, len(events), err)
		}
	}
	if s.terms == nil {
		return nil, fmt.Errorf("schedule has neither snapshot nor events")
	}
	return s, nil
}

func (s *Seats) load(snapshot []byte) error {
	var stored storedSeats
	if err := boxoffice.DecodeStored(snapshot, &stored); err != nil {
		return err
	}
	terms := stored.Terms // a pointer into stored would keep all of it
	s.terms, s.changes, s.at = &terms, stored.Changes, stored.At
	for _, c := range stored.Claims {
		err := s.claimSeat(&claim{
			reservationID: c.ReservationID,
			operationID:   c.OperationID,
			userID:        c.UserID,
			sequence:      c.Sequence,
			seatNumber:    c.SeatNumber,
			price:         c.Price,
			createdAt:     c.CreatedAt,
			expiresAt:     c.ExpiresAt,
			paymentID:     c.PaymentID,
			paidAt:        c.PaidAt,
		})
		if err != nil {
			return err
		}
	}
	s.spent = stored.Spent[max(0, len(stored.Spent)-maxSpent):]
	for _, place := range stored.Left {
		s.left.add(place.Sequence, place.EndsAt)
	}
	return nil
}

// DecodeEvent reads the data of an event that [boxoffice.EncodeEvent] wrote. A type or
// version that it does not know is an error: guessing what happened is worse than
// stopping.
func DecodeEvent(eventType string, data []byte) (boxoffice.EventData, error) {
	switch eventType {
	case Opened{}.EventType():
		return boxoffice.DecodeEventData[Opened](data)
	case Held{}.EventType():
		return boxoffice.DecodeEventData[Held](data)
	case Released{}.EventType():
		return boxoffice.DecodeEventData[Released](data)
	case Expired{}.EventType():
		return boxoffice.DecodeEventData[Expired](data)
	case Confirmed{}.EventType():
		return boxoffice.DecodeEventData[Confirmed](data)
	case Cancelled{}.EventType():
		return boxoffice.DecodeEventData[Cancelled](data)
	case PlaceEnded{}.EventType():
		return boxoffice.DecodeEventData[PlaceEnded](data)
	default:
		return nil, fmt.Errorf("a seat map has no event %q", eventType)
	}
}
