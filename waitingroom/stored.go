package waitingroom

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// roomSnapshot is the stored form of a waiting room, version 1: settings and counters.
// Its places are rows of their own.
type storedState struct {
	Version        int       `json:"v"`
	SalesOpenAt    time.Time `json:"salesOpenAt"`
	SalesCloseAt   time.Time `json:"salesCloseAt"`
	Capacity       int       `json:"capacity"`
	AdmitPerSecond int       `json:"admitPerSecond"`
	Paused         bool      `json:"paused"`
	NextSequence   uint64    `json:"nextSequence"`
}

// Snapshot encodes settings and counters, which is little: it can go with every commit.
func (r *Room) Snapshot() ([]byte, error) {
	if !r.opened {
		return nil, fmt.Errorf("snapshot of a waiting room before its first event")
	}
	data, err := json.Marshal(storedState{
		Version:        boxoffice.StoredVersion,
		SalesOpenAt:    r.settings.salesOpenAt,
		SalesCloseAt:   r.settings.salesCloseAt,
		Capacity:       r.settings.capacity,
		AdmitPerSecond: r.settings.admitPerSecond,
		Paused:         r.settings.paused,
		NextSequence:   r.next,
	})
	if err != nil {
		return nil, fmt.Errorf("encode snapshot: %w", err)
	}
	return data, nil
}

// RestoreWaitingRoom rebuilds a waiting room from its newest snapshot and the events
// after it (or all of its events if the snapshot is nil), which tell settings and
// counters. Its places are put back by [WaitingRoom.RestorePlace], the admissions of
// those that have ended by [WaitingRoom.RestoreAdmission].
//
// The result is then the room that applying all of its events gives, with the holds that
// the rows tell of; what the schedule's seats are is for [WaitingRoom.NoteSeats].
func Restore(limits Limits, snapshot []byte, events []boxoffice.Event) (*Room, error) {
	r := New(limits)
	if snapshot != nil {
		if err := r.load(snapshot); err != nil {
			return nil, fmt.Errorf("load snapshot: %w", err)
		}
	}
	for i, e := range events {
		if err := r.applyToSettings(e); err != nil {
			return nil, fmt.Errorf("apply event %d of %d: %w", i+1, len(events), err)
		}
	}
	if !r.opened {
		return nil, fmt.Errorf("waiting room has neither snapshot nor events")
	}
	return r, nil
}

func (r *Room) load(snapshot []byte) error {
	var stored storedState
	if err := boxoffice.DecodeStored(snapshot, &stored); err != nil {
		return err
	}
	if stored.NextSequence == 0 {
		return fmt.Errorf("sequences start at 1")
	}
	r.opened = true
	r.next = stored.NextSequence
	r.settings = settings{
		salesOpenAt:    stored.SalesOpenAt,
		salesCloseAt:   stored.SalesCloseAt,
		capacity:       stored.Capacity,
		admitPerSecond: stored.AdmitPerSecond,
		paused:         stored.Paused,
	}
	return nil
}

// ExpectPlaces makes room for so many places that are to be put back.
func (r *Room) ExpectPlaces(count int) {
	if len(r.users) == 0 {
		r.users = make(map[uuid.UUID]uint64, count)
	}
}

// RestorePlace puts a live place back, as its row tells of it. Places come in order of
// sequence, before anything else happens in the room.
func (r *Room) RestorePlace(place PlaceRecord) error {
	if place.Sequence <= r.restored || place.Sequence >= r.next {
		return fmt.Errorf("place %d follows %d, with %d to come next", place.Sequence, r.restored, r.next)
	}
	r.restored = place.Sequence
	switch place.Status {
	case boxoffice.PlaceWaiting:
		return r.addWaiting(linePlace{
			sequence: place.Sequence, userID: place.UserID, joinedMS: place.JoinedAt.UnixMilli(),
		})
	case boxoffice.PlaceAdmitted:
		if err := r.addUser(place.UserID, place.Sequence); err != nil {
			return err
		}
		r.admitted.add(&admittedPlace{
			sequence:   place.Sequence,
			userID:     place.UserID,
			joinedMS:   place.JoinedAt.UnixMilli(),
			admittedAt: place.AdmittedAt,
			endsAt:     place.EndsAt,
			claimed:    place.Claimed,
			heldUntil:  place.HeldUntil,
		})
		r.log.note(place.AdmittedAt, 1)
		return nil
	default:
		return fmt.Errorf("place %d is %q, which is not live", place.Sequence, place.Status)
	}
}

// RestoreAdmission tells when a place that is no longer live was admitted, in any order:
// the admissions of the last second are needed to keep the limit per second; those of
// the last [RateWindow] keep the estimates as they were.
func (r *Room) RestoreAdmission(at time.Time) { r.log.note(at, 1) }
