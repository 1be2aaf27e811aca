package boxoffice

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// roomSnapshot is the stored form of a waiting room, version 1: settings and counters.
// Its places are rows of their own.
type roomSnapshot struct {
	Version        int       `json:"v"`
	SalesOpenAt    time.Time `json:"salesOpenAt"`
	SalesCloseAt   time.Time `json:"salesCloseAt"`
	Capacity       int       `json:"capacity"`
	AdmitPerSecond int       `json:"admitPerSecond"`
	Paused         bool      `json:"paused"`
	NextSequence   uint64    `json:"nextSequence"`
}

// Snapshot encodes settings and counters, which is little: it can go with every commit.
func (r *WaitingRoom) Snapshot() ([]byte, error) {
	if !r.opened {
		return nil, fmt.Errorf("snapshot of a waiting room before its first event")
	}
	data, err := json.Marshal(roomSnapshot{
		Version:        storedVersion,
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
// counters, and from its live places in order of sequence. recentAdmissions are the
// times at which places that are no longer live were admitted, in any order: those of
// the last second are needed to keep the limit per second; the others of the last
// [RateWindow] keep the estimates as they were.
//
// The result is the room that applying all of its events gives, with the holds that the
// rows tell of; what the schedule's seats are is for [WaitingRoom.NoteSeats].
func RestoreWaitingRoom(
	limits RoomLimits, snapshot []byte, events []Event, places []PlaceRecord, recentAdmissions []time.Time,
) (*WaitingRoom, error) {
	r := NewWaitingRoom(limits)
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
	r.users = make(map[uuid.UUID]uint64, len(places))
	admissions := slices.Clone(recentAdmissions)
	var last uint64
	for _, place := range places {
		if place.Sequence <= last || place.Sequence >= r.next {
			return nil, fmt.Errorf("place %d follows %d, with %d to come next", place.Sequence, last, r.next)
		}
		last = place.Sequence
		if err := r.restorePlace(place); err != nil {
			return nil, err
		}
		if place.Status == PlaceAdmitted {
			admissions = append(admissions, place.AdmittedAt)
		}
	}
	slices.SortFunc(admissions, time.Time.Compare)
	for _, at := range admissions {
		r.log.note(at, 1)
	}
	return r, nil
}

func (r *WaitingRoom) load(snapshot []byte) error {
	var stored roomSnapshot
	if err := decodeStored(snapshot, &stored); err != nil {
		return err
	}
	if stored.NextSequence == 0 {
		return fmt.Errorf("sequences start at 1")
	}
	r.opened = true
	r.next = stored.NextSequence
	r.settings = roomSettings{
		salesOpenAt:    stored.SalesOpenAt,
		salesCloseAt:   stored.SalesCloseAt,
		capacity:       stored.Capacity,
		admitPerSecond: stored.AdmitPerSecond,
		paused:         stored.Paused,
	}
	return nil
}

func (r *WaitingRoom) restorePlace(place PlaceRecord) error {
	switch place.Status {
	case PlaceWaiting:
		return r.addWaiting(linePlace{
			sequence: place.Sequence, userID: place.UserID, joinedMS: place.JoinedAt.UnixMilli(),
		})
	case PlaceAdmitted:
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
		return nil
	default:
		return fmt.Errorf("place %d is %q, which is not live", place.Sequence, place.Status)
	}
}
