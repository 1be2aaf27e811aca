package waitingroom

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// WaitingRoom is the line in front of one schedule and the places that it let in. It
// is not safe for concurrent use, and too large to copy: whoever drives it applies
// events as soon as they are decided, and throws it away when they turn out not to be
// durable. Only [WaitingRoom.ExpireDue] is different.
//
// A waiting place costs some 100 bytes, an admitted one some 300.
type Room struct {
	// ScheduleID is only shown; whoever makes a room sets it.
	ScheduleID int64

	limits   Limits
	settings settings
	opened   bool
	next     uint64 // the sequence of the next join
	restored uint64 // the sequence of the last place that was put back

	// users knows the live place of each user.
	users    map[uuid.UUID]uint64
	line     line
	admitted admittedPlaces
	log      admissionLog
	seats    knownSeats
}

// roomSettings are what events say of a room apart from its places.
type settings struct {
	salesOpenAt    time.Time
	salesCloseAt   time.Time
	capacity       int
	admitPerSecond int
	paused         bool
}

// knownSeats is what the schedule said last.
type knownSeats struct {
	version   int64
	available int
	soldOut   bool
}

// NewWaitingRoom makes a waiting room before its first event.
func New(limits Limits) *Room {
	return &Room{
		limits:   limits,
		next:     1,
		admitted: admittedPlaces{claimTTL: limits.ClaimTTL},
		seats:    knownSeats{version: -1, available: boxoffice.SeatCount},
	}
}

// Apply changes the state by one event. What an event says of a place that has ended
// meanwhile is passed over. An event that contradicts the state was not decided on it:
// Apply panics, for whatever comes next would be wrong.
func (r *Room) Apply(e boxoffice.Event) {
	if err := r.apply(e); err != nil {
		panic(fmt.Sprintf("boxoffice: waiting room %d: %v", r.ScheduleID, err))
	}
}

func (r *Room) apply(e boxoffice.Event) error {
	if err := r.applyToSettings(e); err != nil {
		return err
	}
	switch d := e.Data.(type) {
	case Joined:
		return r.applyJoined(d, e.At)
	case Admitted:
		r.applyAdmitted(d, e.At)
	case Claimed:
		for _, sequence := range d.Sequences {
			if p := r.admitted.places[sequence]; p != nil && !p.claimed {
				p.claimed = true
				r.admitted.changed(p)
			}
		}
	case Ended:
		for _, sequence := range d.Sequences {
			r.end(sequence)
		}
	}
	return nil
}

// applyToSettings applies what an event says of the room's settings and counters; the
// places are left to the caller.
func (r *Room) applyToSettings(e boxoffice.Event) error {
	if _, first := e.Data.(Opened); first == r.opened {
		return fmt.Errorf("%T when opened is %t", e.Data, r.opened)
	}
	switch d := e.Data.(type) {
	case Opened:
		r.opened = true
		r.settings = settings{
			salesOpenAt:    d.SalesOpenAt,
			salesCloseAt:   d.SalesCloseAt,
			capacity:       d.Capacity,
			admitPerSecond: d.AdmitPerSecond,
		}
	case Configured:
		r.settings.capacity, r.settings.admitPerSecond, r.settings.paused = d.Capacity, d.AdmitPerSecond, d.Paused
	case Joined:
		if d.First != r.next {
			return fmt.Errorf("place %d joined when the next was %d", d.First, r.next)
		}
		r.next += uint64(len(d.UserIDs))
	case Admitted, Claimed, Ended:
	default:
		return fmt.Errorf("%T is no event of a waiting room", e.Data)
	}
	return nil
}

func (r *Room) applyJoined(d Joined, at time.Time) error {
	for i, userID := range d.UserIDs {
		err := r.addWaiting(linePlace{sequence: d.First + uint64(i), userID: userID, joinedMS: at.UnixMilli()})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Room) addWaiting(p linePlace) error {
	if err := r.addUser(p.userID, p.sequence); err != nil {
		return err
	}
	r.line.push(p)
	return nil
}

func (r *Room) addUser(userID uuid.UUID, sequence uint64) error {
	if other, ok := r.users[userID]; ok {
		return fmt.Errorf("user %v has place %d and got %d", userID, other, sequence)
	}
	if r.users == nil {
		r.users = make(map[uuid.UUID]uint64)
	}
	r.users[userID] = sequence
	return nil
}

func (r *Room) applyAdmitted(d Admitted, at time.Time) {
	for _, sequence := range d.Sequences {
		p, ok := r.line.remove(sequence)
		if !ok {
			continue
		}
		r.admitted.add(&admittedPlace{
			sequence:   sequence,
			userID:     p.userID,
			joinedMS:   p.joinedMS,
			admittedAt: at,
			endsAt:     d.EndsAt,
			claimed:    d.Claimed,
		})
	}
	if len(d.Sequences) > 0 {
		r.log.note(at, len(d.Sequences))
	}
}

// end forgets a live place.
func (r *Room) end(sequence uint64) {
	if p, ok := r.line.remove(sequence); ok {
		delete(r.users, p.userID)
		return
	}
	if p := r.admitted.places[sequence]; p != nil {
		r.admitted.remove(p)
		delete(r.users, p.userID)
	}
}

// NoteRow takes in what Postgres or the schedule said of an admitted place: what it
// holds is remembered without an event, and if it has ended, that is the event that is
// due. What is said of other places is passed over.
func (r *Room) NoteRow(row boxoffice.PlaceRow, now time.Time) []boxoffice.Event {
	p := r.admitted.places[row.Sequence]
	if p == nil {
		return nil
	}
	switch row.Status {
	case boxoffice.PlaceCompleted, boxoffice.PlaceExpired, boxoffice.PlaceLeft:
		return []boxoffice.Event{{At: now, Data: Ended{Sequences: []uint64{row.Sequence}, Status: row.Status}}}
	case boxoffice.PlaceAdmitted:
		if !p.heldUntil.Equal(row.HeldUntil) {
			p.heldUntil = row.HeldUntil
			r.admitted.changed(p)
		}
	case boxoffice.PlaceWaiting: // places only move forward: that was read before it was admitted
	}
	return nil
}

// NoteSeats takes in what the schedule said of its seats at a version of its journal.
// What is older than what is known is passed over.
func (r *Room) NoteSeats(version int64, available int, soldOut bool) {
	if version >= r.seats.version {
		r.seats = knownSeats{version: version, available: available, soldOut: soldOut}
	}
}
