package check

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"boxoffice"
	"boxoffice/waitingroom"
)

// rateSpan is the span of time that admitPerSecond limits.
const rateSpan = time.Second

// room replays the events of one waiting room with nothing but the rules of the
// contract: strict order, capacity, rate, nobody twice.
type room struct {
	scheduleID int64
	evidence   Evidence
	limits     Limits

	closesAt   time.Time // sales
	capacity   int
	perSecond  int
	paused     bool
	next       uint64
	waiting    []uint64 // in order of joining
	live       map[uuid.UUID]uint64
	places     map[uint64]*roomPlace
	admitted   int
	admissions []time.Time // of all, in order

	states     []roomState // after each event
	facts      facts
	violations []Violation
}

// roomState is what a room shows of itself after an event.
type roomState struct {
	at                  time.Duration
	waiting, admitted   int
	capacity, perSecond int
	paused              bool
}

// roomPlace is the life of one place, on the history's clock; Never: not (yet).
type roomPlace struct {
	userID   uuid.UUID
	joined   time.Duration
	admitted time.Duration
	endsAt   time.Duration // end of the admission
	claimed  bool
	ended    time.Duration
	// The numbers of the events, from 0, that made it, let it in and ended it; -1: none.
	joinedBy, admittedBy, endedBy int
}

// replayRooms replays every waiting room.
func replayRooms(e Evidence, f facts, limits Limits) (map[int64]*room, []Violation) {
	rooms := make(map[int64]*room, len(f.rooms))
	var violations []Violation
	for id, events := range f.rooms {
		r := newRoom(id, e, f, limits)
		for _, row := range events {
			r.apply(row)
		}
		rooms[id] = r
		violations = append(violations, r.violations...)
	}
	return rooms, violations
}

func newRoom(id int64, e Evidence, f facts, limits Limits) *room {
	return &room{
		scheduleID: id, evidence: e, limits: limits, facts: f, next: 1,
		live: make(map[uuid.UUID]uint64), places: make(map[uint64]*roomPlace),
	}
}

func (r *room) violate(row EventRow, format string, args ...any) {
	r.violations = append(r.violations, Violation{
		Check:  "waiting room",
		Detail: fmt.Sprintf("schedule %d, event %d: ", r.scheduleID, row.Version) + fmt.Sprintf(format, args...),
	})
}

func (r *room) apply(row EventRow) {
	switch d := row.Data.(type) {
	case waitingroom.Opened:
		r.closesAt, r.capacity, r.perSecond = d.SalesCloseAt, d.Capacity, d.AdmitPerSecond
	case waitingroom.Configured:
		r.capacity, r.perSecond, r.paused = d.Capacity, d.AdmitPerSecond, d.Paused
	case waitingroom.Joined:
		r.join(row, d)
	case waitingroom.Admitted:
		for _, sequence := range d.Sequences {
			r.admit(row, sequence, d)
		}
		r.checkLimits(row, len(d.Sequences))
	case waitingroom.Claimed:
		for _, sequence := range d.Sequences {
			if p := r.places[sequence]; p != nil {
				p.claimed = true
			}
		}
	case waitingroom.Ended:
		for _, sequence := range d.Sequences {
			r.end(row, sequence, d.Status)
		}
	}
	r.states = append(r.states, roomState{
		at: r.evidence.Since(row.At), waiting: len(r.waiting), admitted: r.admitted,
		capacity: r.capacity, perSecond: r.perSecond, paused: r.paused,
	})
}

func (r *room) join(row EventRow, d waitingroom.Joined) {
	if d.First != r.next {
		r.violate(row, "place %d joined where the next was %d", d.First, r.next)
	}
	for i, userID := range d.UserIDs {
		sequence := d.First + uint64(i)
		if other, ok := r.live[userID]; ok {
			r.violate(row, "user %s joined as %d with live place %d", userID, sequence, other)
		}
		r.live[userID] = sequence
		r.waiting = append(r.waiting, sequence)
		r.places[sequence] = &roomPlace{
			userID: userID, joined: r.evidence.Since(row.At), admitted: Never, ended: Never,
			joinedBy: len(r.states), admittedBy: -1, endedBy: -1,
		}
	}
	r.next = d.First + uint64(len(d.UserIDs))
}

func (r *room) admit(row EventRow, sequence uint64, d waitingroom.Admitted) {
	p := r.places[sequence]
	switch {
	case p == nil:
		r.violate(row, "place %d was admitted and never joined", sequence)
		return
	case p.admitted != Never:
		r.violate(row, "place %d was admitted twice", sequence)
		return
	case p.ended != Never:
		r.violate(row, "place %d was admitted after it ended", sequence)
		return
	case r.paused:
		r.violate(row, "place %d was admitted while the queue was paused", sequence)
	case r.waiting[0] != sequence:
		r.violate(row, "place %d was admitted before %d", sequence, r.waiting[0])
	}
	r.stopWaiting(sequence)
	p.admitted, p.endsAt, p.claimed = r.evidence.Since(row.At), r.evidence.Since(d.EndsAt), d.Claimed
	p.admittedBy = len(r.states)
	r.admitted++
	r.admissions = append(r.admissions, row.At)
}

// checkLimits looks at the two limits right after some were admitted.
func (r *room) checkLimits(row EventRow, count int) {
	if count > 0 && r.admitted > r.capacity {
		r.violate(row, "%d are admitted with a capacity of %d", r.admitted, r.capacity)
	}
	if r.perSecond == 0 {
		return
	}
	recent := 0
	for i := len(r.admissions) - 1; i >= 0 && row.At.Sub(r.admissions[i]) < rateSpan; i-- {
		recent++
	}
	if recent > r.perSecond {
		r.violate(row, "%d were admitted within a second, with a limit of %d", recent, r.perSecond)
	}
}

func (r *room) end(row EventRow, sequence uint64, status boxoffice.PlaceStatus) {
	p := r.places[sequence]
	if p == nil {
		r.violate(row, "place %d ended and never joined", sequence)
		return
	}
	if p.ended != Never {
		return // who ended it first is recorded
	}
	at := r.evidence.Since(row.At)
	if p.admitted == Never {
		closed := status == boxoffice.PlaceExpired && !row.At.Before(r.closesAt)
		if status != boxoffice.PlaceLeft && !closed {
			r.violate(row, "place %d waits and became %s", sequence, status)
		}
		r.stopWaiting(sequence)
	} else {
		r.admitted--
		if status == boxoffice.PlaceExpired {
			r.checkExpiry(row, sequence, p)
		}
	}
	p.ended, p.endedBy = at, len(r.states)
	delete(r.live, p.userID)
}

// checkExpiry: an admission ends when its time is over and it has no live hold.
func (r *room) checkExpiry(row EventRow, sequence uint64, p *roomPlace) {
	at := r.evidence.Since(row.At)
	if at < p.endsAt && (p.claimed || at < p.admitted+r.limits.ClaimTTL) {
		r.violate(row, "place %d expired %s before its time", sequence, p.endsAt-at)
	}
	for id, h := range r.facts.held {
		if h.scheduleID != r.scheduleID || h.sequence != sequence {
			continue
		}
		over := h.expires
		for _, ended := range []map[uuid.UUID]fact{r.facts.released, r.facts.expired, r.facts.cancelled} {
			if what, ok := ended[id]; ok {
				over = min(over, what.at)
			}
		}
		if what, ok := r.facts.confirmed[id]; ok {
			over = min(over, what.at)
		}
		if h.at+r.limits.Epsilon < at && at < over-r.limits.Epsilon {
			r.violate(row, "place %d expired while reservation %s was held", sequence, id)
		}
	}
}

func (r *room) stopWaiting(sequence uint64) {
	for i, other := range r.waiting {
		if other == sequence {
			r.waiting = append(r.waiting[:i:i], r.waiting[i+1:]...)
			return
		}
	}
}
