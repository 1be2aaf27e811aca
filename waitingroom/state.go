package waitingroom

import (
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// Limits are the settings of a node that its waiting rooms follow.
type Limits struct {
	AdmissionTTL time.Duration // how long an admitted place is good for
	ClaimTTL     time.Duration // how soon its holder must be seen after being admitted
	MaxWaiting   int           // past it a join is refused with queue-full
}

// Room is the line in front of one schedule and the places that it admitted. It is not safe
// for concurrent use, and too large to copy: decisions are applied as they are made, and
// undone if need be.
//
// A waiting place costs some 120 bytes, an admitted one some 350.
type Room struct {
	// ScheduleID is only shown. Whoever creates the room sets it.
	ScheduleID int64

	limits   Limits
	settings settings
	opened   bool
	next     uint64 // the sequence of the next join

	// users maps each user to their live place.
	users    map[uuid.UUID]uint64
	line     line
	admitted admittedPlaces
	log      admissionLog
	// askedBy is the time by which all who waited before the last change have asked again,
	// if they follow the interval that they were given.
	askedBy time.Time

	heard heard
	undo  undoLog
}

// settings is what events say of a room apart from its places.
type settings struct {
	salesOpenAt    time.Time
	salesCloseAt   time.Time
	capacity       int
	admitPerSecond int
	paused         bool
}

// New returns a waiting room before its first event.
func New(limits Limits) *Room {
	return &Room{
		limits:   limits,
		next:     1,
		admitted: admittedPlaces{claimTTL: limits.ClaimTTL},
		heard:    heard{available: boxoffice.SeatCount},
	}
}

// NextSequence returns the sequence number that the next join gets.
func (r *Room) NextSequence() uint64 { return r.next }

// PlaceOf returns the live place of a user, and the operation of the join that made it:
// zero if that is unknown.
func (r *Room) PlaceOf(userID uuid.UUID) (sequence uint64, operationID uuid.UUID, ok bool) {
	sequence, ok = r.users[userID]
	if !ok || r.heard.owes(sequence) {
		return 0, uuid.Nil, false
	}
	place, _ := r.find(sequence)
	return sequence, place.operationID, true
}

// find returns a live place, waiting or admitted.
func (r *Room) find(sequence uint64) (linePlace, bool) {
	if p := r.admitted.places[sequence]; p != nil {
		return p.linePlace, true
	}
	return r.line.get(sequence)
}

func (r *Room) onSale(now time.Time) bool {
	return !now.Before(r.settings.salesOpenAt) && now.Before(r.settings.salesCloseAt)
}

func (r *Room) salesClosed(now time.Time) *boxoffice.Error {
	return boxoffice.Terms{SalesOpenAt: r.settings.salesOpenAt, SalesCloseAt: r.settings.salesCloseAt}.SalesClosed(now)
}

// askedAgain returns the time by which all who wait now, which are so many, or have waited
// before have asked again, if they follow the interval that they were given.
func (r *Room) askedAgain(now time.Time, waiting int) time.Time {
	return latest(r.askedBy, now.Add(r.longestPause(waiting)))
}

// longestPause returns how long the last of so many who wait may wait before asking again: those
// who follow Retry-After are told it in whole seconds, rounded up.
func (r *Room) longestPause(waiting int) time.Duration {
	longest := pollAfter(waiting, r.limits.maxPollAfter(waiting))
	return (longest + time.Second - 1).Truncate(time.Second)
}
