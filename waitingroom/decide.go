package waitingroom

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// Commands of a [Room].
type (
	// Join takes a place at the end of the line, or returns the caller's live one.
	// [Room.PlaceOf] says which join it was that took it.
	Join struct {
		OperationID uuid.UUID
		UserID      uuid.UUID
	}
	// Touch says that the holder of a place was seen. It claims an admitted place that was
	// not claimed yet.
	Touch struct {
		UserID   uuid.UUID
		Sequence uint64
	}
	// Leave ends a place because its holder said so.
	Leave struct {
		UserID   uuid.UUID
		Sequence uint64
	}
)

// Command is one of [Join], [Touch], [Leave] and [boxoffice.Configure].
type Command any

// queueFullRetryAfter is when a join is worth another try.
const queueFullRetryAfter = 5 * time.Second

// Limits of one batch, so that a hundred thousand places that are admitted or end at once
// do not make one giant commit.
const (
	// MaxAdmissions bounds one [Room.Admit]. It is at least the number of joins in one
	// batch: a join that finds free capacity and nobody ahead is answered as admitted.
	MaxAdmissions = 4096
	// MaxExpiries bounds one [Room.Due].
	MaxExpiries = 4096
)

// Decide returns the result of a command at now: events, none if nothing changes, or a
// refusal. It does not change the room.
//
// Every command can be sent again: the repetition has no further effect.
func (r *Room) Decide(cmd Command, now time.Time) ([]boxoffice.Event, *boxoffice.Error) {
	switch c := cmd.(type) {
	case Join:
		return r.decideJoin(c, now)
	case Touch:
		return r.decideTouch(c, now)
	case Leave:
		return r.decideLeave(c, now)
	case boxoffice.Configure:
		return r.decideConfigure(c, now)
	default:
		panic(fmt.Sprintf("boxoffice: %T is no command of a waiting room", cmd))
	}
}

func (r *Room) decideJoin(c Join, now time.Time) ([]boxoffice.Event, *boxoffice.Error) {
	// A place that has ended without an event gets one here.
	var ended []boxoffice.Event
	sequence, live := r.users[c.UserID]
	if live {
		p := r.admitted.places[sequence]
		switch {
		case r.heard.owes(sequence):
			live, ended = false, placesEnded(now, boxoffice.PlaceCompleted, sequence)
		case p != nil && p.over(now):
			live, ended = false, placesEnded(now, boxoffice.PlaceExpired, sequence)
		case p != nil:
			return nil, nil
		}
	}
	if !r.onSale(now) {
		return nil, r.salesClosed(now)
	}
	if live {
		return nil, nil
	}
	if r.heard.soldOut {
		return nil, boxoffice.Errorf(boxoffice.CodeSoldOut, "every seat of this schedule is sold")
	}
	// Those who are let in at the end of this batch do not wait.
	if r.line.count >= r.limits.MaxWaiting && r.line.count-r.admissible(now) >= r.limits.MaxWaiting {
		refusal := boxoffice.Errorf(boxoffice.CodeQueueFull, "the waiting room is full")
		refusal.RetryAfter = queueFullRetryAfter
		return nil, refusal
	}
	ids := &[2]uuid.UUID{c.UserID, c.OperationID}
	events := []boxoffice.Event{{At: now, Data: Joined{First: r.next, UserIDs: ids[:1:1], OperationIDs: ids[1:]}}}
	if ended != nil {
		events = append(ended, events...)
	}
	return events, nil
}

func (r *Room) decideTouch(c Touch, now time.Time) ([]boxoffice.Event, *boxoffice.Error) {
	if refusal := r.checkPlace(c.UserID, c.Sequence, now); refusal != nil {
		return nil, refusal
	}
	if p := r.admitted.places[c.Sequence]; p != nil && !p.claimed {
		return []boxoffice.Event{{At: now, Data: Claimed{Sequences: []uint64{c.Sequence}}}}, nil
	}
	return nil, nil
}

func (r *Room) decideLeave(c Leave, now time.Time) ([]boxoffice.Event, *boxoffice.Error) {
	p, live := r.find(c.Sequence)
	switch {
	case !live || r.heard.owes(c.Sequence):
		return nil, nil
	case p.userID != c.UserID:
		return nil, notYourPlace()
	}
	return placesEnded(now, boxoffice.PlaceLeft, c.Sequence), nil
}

func (r *Room) decideConfigure(c boxoffice.Configure, now time.Time) ([]boxoffice.Event, *boxoffice.Error) {
	settings := r.settings
	if refusal := c.Validate(); refusal != nil {
		return nil, refusal
	}
	if c.Capacity != nil {
		settings.capacity = *c.Capacity
	}
	if c.AdmitPerSecond != nil {
		settings.admitPerSecond = *c.AdmitPerSecond
	}
	if c.Paused != nil {
		settings.paused = *c.Paused
	}
	if settings == r.settings {
		return nil, nil
	}
	return []boxoffice.Event{{At: now, Data: Configured{
		Capacity: settings.capacity, AdmitPerSecond: settings.admitPerSecond, Paused: settings.paused,
	}}}, nil
}

// Admit returns the events that let in, in order, as many as the limits allow at now,
// MaxAdmissions at most. It is for the end of every batch, and for when NextWake says so.
// Places from claimedFrom on are being answered right now and count as claimed. It does not
// change the room.
func (r *Room) Admit(now time.Time, claimedFrom uint64) []boxoffice.Event {
	count := r.admissible(now)
	if count == 0 {
		return nil
	}
	sequences := make([]uint64, 0, count)
	for sequence := range r.line.all() {
		sequences = append(sequences, sequence)
		if len(sequences) == count {
			break
		}
	}
	endsAt := now.Add(r.limits.AdmissionTTL)
	unclaimed, _ := slices.BinarySearch(sequences, claimedFrom)
	var events []boxoffice.Event
	if unclaimed > 0 {
		events = append(events, boxoffice.Event{At: now, Data: Admitted{
			Sequences: sequences[:unclaimed], EndsAt: endsAt, AskedBy: r.askedAgain(now, r.line.count),
		}})
	}
	if unclaimed < count {
		events = append(events, boxoffice.Event{At: now, Data: Admitted{
			Sequences: sequences[unclaimed:], EndsAt: endsAt, Claimed: true,
		}})
	}
	return events
}

// admissible returns how many of the waiting places the limits admit at now.
func (r *Room) admissible(now time.Time) int {
	if r.settings.paused || r.heard.soldOut || !r.onSale(now) {
		return 0
	}
	free := r.settings.capacity - len(r.admitted.places)
	return max(0, min(free, r.line.count, MaxAdmissions, r.log.allowed(now, r.settings.admitPerSecond)))
}

// Due returns the events that time has made due at now, of MaxExpiries places at most: it
// ends the admitted places that are over, and once sales are closed those who wait. The row
// of an admitted place may have a hold that the room has not heard of: the journal then
// refuses the batch. Due does not change the room.
func (r *Room) Due(now time.Time) []boxoffice.Event {
	due := r.admitted.due(now, MaxExpiries+len(r.heard.owed))
	due = slices.DeleteFunc(due, r.heard.owes)
	due = due[:min(len(due), MaxExpiries)]
	if !now.Before(r.settings.salesCloseAt) {
		for sequence := range r.line.all() {
			if len(due) == MaxExpiries {
				break
			}
			due = append(due, sequence)
		}
	}
	if len(due) == 0 {
		return nil
	}
	return placesEnded(now, boxoffice.PlaceExpired, due...)
}

// NextWake returns when there is something to do or to report next, not before now: a place
// is over, somebody can be admitted, sales close on those who wait, or events are owed.
// Zero if there is nothing.
func (r *Room) NextWake(now time.Time) time.Time {
	var next time.Time
	consider := func(t time.Time) {
		if t = latest(t, now); next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if len(r.admitted.heap) > 0 {
		consider(time.UnixMilli(r.admitted.heap[0].deadlineMS).UTC())
	}
	if r.line.count > 0 {
		consider(r.settings.salesCloseAt)
		if r.onSale(now) && !r.settings.paused && !r.heard.soldOut && len(r.admitted.places) < r.settings.capacity {
			consider(r.log.nextSlot(now, r.settings.admitPerSecond))
		}
	}
	if r.Owes() {
		if r.heard.owedSince.IsZero() {
			r.heard.owedSince = now
		}
		if r.line.count > 0 {
			consider(now)
		}
		consider(r.heard.owedSince.Add(settleDelay))
	}
	return next
}

// checkPlace refuses a place that is not the user's or has ended. Waiting ends with the
// sales.
func (r *Room) checkPlace(userID uuid.UUID, sequence uint64, now time.Time) *boxoffice.Error {
	place, live := r.find(sequence)
	if live && place.userID != userID {
		return notYourPlace()
	}
	p := r.admitted.places[sequence]
	if !live || r.heard.owes(sequence) ||
		p != nil && p.over(now) || p == nil && !now.Before(r.settings.salesCloseAt) {
		return boxoffice.PlaceEnded()
	}
	return nil
}

func notYourPlace() *boxoffice.Error {
	return boxoffice.Errorf(boxoffice.CodeQueueTokenInvalid, "this place in line is not yours")
}

func placesEnded(now time.Time, status boxoffice.PlaceStatus, sequences ...uint64) []boxoffice.Event {
	return []boxoffice.Event{{At: now, Data: Ended{Sequences: sequences, Status: status}}}
}
