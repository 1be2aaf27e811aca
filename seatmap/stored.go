package seatmap

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// scheduleSnapshot is the stored form of a schedule's state, version 1. It holds what
// events say and nothing else: the same events give the same bytes.
type storedState struct {
	Version    int                  `json:"v"`
	Terms      boxoffice.Terms      `json:"terms"`
	Changes    int64                `json:"changes"`
	Claims     []claimSnapshot      `json:"claims"`
	Spent      []uint64             `json:"spent"`
	Remembered []rememberedSnapshot `json:"remembered"`
}

type claimSnapshot struct {
	SeatNumber    int       `json:"seatNumber"`
	ReservationID uuid.UUID `json:"reservationId"`
	UserID        uuid.UUID `json:"userId"`
	Sequence      uint64    `json:"sequence"`
	Price         int64     `json:"price"`
	CreatedAt     time.Time `json:"createdAt"`
	ExpiresAt     time.Time `json:"expiresAt"`
	PaymentID     uuid.UUID `json:"paymentId,omitzero"`
	PaidAt        time.Time `json:"paidAt,omitzero"`
}

type rememberedSnapshot struct {
	OperationID uuid.UUID       `json:"operationId"`
	Outcome     json.RawMessage `json:"outcome"`
}

// Snapshot encodes the state that the events made.
func (s *Seats) Snapshot() ([]byte, error) {
	if s.terms == nil {
		return nil, fmt.Errorf("snapshot of a schedule before its first event")
	}
	stored := storedState{
		Version: boxoffice.StoredVersion,
		Terms:   s.terms.whole(),
		Changes: s.changes,
		Spent:   s.spent,
	}
	for _, c := range s.claims {
		stored.Claims = append(stored.Claims, claimSnapshot{
			SeatNumber:    c.seatNumber,
			ReservationID: c.reservationID,
			UserID:        c.userID,
			Sequence:      c.sequence,
			Price:         c.price,
			CreatedAt:     c.createdAt,
			ExpiresAt:     c.expiresAt,
			PaymentID:     c.paymentID,
			PaidAt:        c.paidAt,
		})
	}
	for _, r := range s.remembered {
		outcome, err := boxoffice.EncodeOutcome(s.outcome(r.effect))
		if err != nil {
			return nil, fmt.Errorf("remembered operation %v: %w", r.id, err)
		}
		stored.Remembered = append(stored.Remembered, rememberedSnapshot{OperationID: r.id, Outcome: outcome})
	}
	data, err := json.Marshal(stored)
	if err != nil {
		return nil, fmt.Errorf("encode snapshot: %w", err)
	}
	return data, nil
}

// RestoreSchedule rebuilds a schedule from its newest snapshot and the events after it,
// or from all of its events if the snapshot is nil. What BarPlaces has to be told is up
// to the caller. It fails on a stored form that it does not know or that contradicts
// itself; with a bad snapshot, all the events may still do.
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
	var stored storedState
	if err := boxoffice.DecodeStored(snapshot, &stored); err != nil {
		return err
	}
	s.terms, s.changes = keepTerms(stored.Terms), stored.Changes
	for _, c := range stored.Claims {
		err := s.claimSeat(&claim{
			reservationID: c.ReservationID,
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
	for _, r := range stored.Remembered {
		outcome, err := boxoffice.DecodeOutcome(r.Outcome)
		if err != nil {
			return fmt.Errorf("remembered operation %v: %w", r.OperationID, err)
		}
		s.remembered = append(s.remembered, remembered{id: r.OperationID, effect: effectIn(outcome)})
	}
	s.remembered = s.remembered[max(0, len(s.remembered)-maxRemembered):]
	return nil
}

// effectIn reads an effect out of the answer that tells of it.
func effectIn(outcome boxoffice.Outcome) effect {
	done := effect{at: outcome.At}
	switch p, r := outcome.Payment, outcome.Reservation; {
	case p != nil:
		done.cancelled = p.Status == boxoffice.PaymentCancelled
		done.claim = &claim{
			reservationID: p.ReservationID,
			userID:        p.UserID,
			seatNumber:    p.SeatNumber,
			price:         p.Amount,
			paymentID:     p.ID,
			paidAt:        p.PaidAt,
		}
	case r != nil:
		done.claim = &claim{
			reservationID: r.ID,
			userID:        r.UserID,
			seatNumber:    r.SeatNumber,
			price:         r.Price,
			createdAt:     r.CreatedAt,
			expiresAt:     r.ExpiresAt,
		}
	}
	return done
}
