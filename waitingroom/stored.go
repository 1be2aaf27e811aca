package waitingroom

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// storedState is the stored form of a waiting room, version 1: settings and counters.
// Places are stored as rows of their own.
type storedState struct {
	Version        int       `json:"v"`
	SalesOpenAt    time.Time `json:"salesOpenAt"`
	SalesCloseAt   time.Time `json:"salesCloseAt"`
	Capacity       int       `json:"capacity"`
	AdmitPerSecond int       `json:"admitPerSecond"`
	Paused         bool      `json:"paused"`
	NextSequence   uint64    `json:"nextSequence"`
	// ScheduleVersion is a version of the schedule's journal: events have ended all places
	// that payments used up until then. Old snapshots do not have it.
	ScheduleVersion int64 `json:"scheduleVersion,omitempty"`
}

// PlaceRecord is one live place as Postgres keeps it; a waiting room is restored from
// these rows.
type PlaceRecord struct {
	Sequence    uint64
	UserID      uuid.UUID
	OperationID uuid.UUID             // of the join; zero if unknown
	Status      boxoffice.PlaceStatus // waiting or admitted
	JoinedAt    time.Time
	AdmittedAt  time.Time // zero while waiting
	EndsAt      time.Time // end of the admission, without holds; zero while waiting
	Claimed     bool
	HeldUntil   time.Time // zero without a live hold
}

// Snapshot encodes settings and counters. It is small enough to go with every commit.
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

		ScheduleVersion: r.heard.completeVersion(),
	})
	if err != nil {
		return nil, fmt.Errorf("encode snapshot: %w", err)
	}
	return data, nil
}

// Restore rebuilds a waiting room from its newest snapshot and the events after it (or all
// of its events if the snapshot is nil), which hold settings and counters. Its places are
// put back by [Room.RestorePlace], the admissions of those that have ended by
// [Room.RestoreAdmission].
//
// The result is then the room that applying all of its events makes, with the holds of the
// rows, except that holders who were not seen yet may have more time to be seen. Before
// anything is decided it has to [Room.Hear] what the schedule's journal says after
// [Room.KnownVersion].
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
	r.heard.version = stored.ScheduleVersion
	r.settings = settings{
		salesOpenAt:    stored.SalesOpenAt,
		salesCloseAt:   stored.SalesCloseAt,
		capacity:       stored.Capacity,
		admitPerSecond: stored.AdmitPerSecond,
		paused:         stored.Paused,
	}
	return nil
}

// Replay rebuilds a waiting room, places included, from all of its events. It differs from
// the room that decided them only in what that one heard.
func Replay(limits Limits, events []boxoffice.Event) (*Room, error) {
	r := New(limits)
	for i, e := range events {
		if err := r.apply(e); err != nil {
			return nil, fmt.Errorf("apply event %d of %d: %w", i+1, len(events), err)
		}
	}
	return r, nil
}

// RestorePlace restores a live place from its row. Waiting places come in order of
// sequence, and all before anything else happens in the room.
func (r *Room) RestorePlace(row PlaceRecord) error {
	if row.Sequence == 0 || row.Sequence >= r.next {
		return fmt.Errorf("place %d never joined: the next is %d", row.Sequence, r.next)
	}
	place := linePlace{
		sequence: row.Sequence, userID: row.UserID, operationID: row.OperationID, joinedMS: row.JoinedAt.UnixMilli(),
	}
	if r.admitted.places[row.Sequence] != nil {
		return fmt.Errorf("place %d was put back twice", row.Sequence)
	}
	if err := r.addUser(row.UserID, row.Sequence); err != nil {
		return err
	}
	switch row.Status {
	case boxoffice.PlaceWaiting:
		if last := r.line.last(); row.Sequence <= last {
			return fmt.Errorf("place %d follows %d", row.Sequence, last)
		}
		r.line.push(place)
	case boxoffice.PlaceAdmitted:
		if _, waits := r.line.find(row.Sequence); waits {
			return fmt.Errorf("place %d was put back twice", row.Sequence)
		}
		r.RestoreAdmission(row.AdmittedAt)
		r.hearHold(row.Sequence, row.HeldUntil)
		r.letIn(&admittedPlace{
			linePlace:  place,
			admittedAt: row.AdmittedAt,
			askedBy:    r.askedAtMost(row.AdmittedAt),
			endsAt:     row.EndsAt,
			claimed:    row.Claimed,
		})
	default:
		return fmt.Errorf("place %d is %q, which is not live", row.Sequence, row.Status)
	}
	return nil
}

// RestoreAdmission notes when a place that is no longer live was admitted, in any order.
// The admissions of the last second are needed to keep the limit per second; those of the
// last [RateWindow] keep the estimates as they were.
func (r *Room) RestoreAdmission(at time.Time) {
	r.log.note(at, 1)
	r.askedBy = latest(r.askedBy, r.askedAtMost(at))
}

// askedAtMost returns the time by which all who waited at a time have asked again, however
// many they were: rows do not record how long the line has been.
func (r *Room) askedAtMost(at time.Time) time.Time {
	joined := int(min(r.next-1, math.MaxInt32))
	return at.Add(r.longestPause(joined))
}

// DecodeEvent reads the data of an event that [boxoffice.EncodeEvent] wrote. A type or
// version that it does not know is an error: guessing what happened is worse than stopping.
func DecodeEvent(eventType string, data []byte) (boxoffice.EventData, error) {
	switch eventType {
	case Opened{}.EventType():
		return boxoffice.DecodeEventData[Opened](data)
	case Configured{}.EventType():
		return boxoffice.DecodeEventData[Configured](data)
	case Joined{}.EventType():
		return boxoffice.DecodeEventData[Joined](data)
	case Admitted{}.EventType():
		return boxoffice.DecodeEventData[Admitted](data)
	case Claimed{}.EventType():
		return boxoffice.DecodeEventData[Claimed](data)
	case Ended{}.EventType():
		return boxoffice.DecodeEventData[Ended](data)
	default:
		return nil, fmt.Errorf("a waiting room has no event %q", eventType)
	}
}
