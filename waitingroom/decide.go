package waitingroom

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// RoomCommand is one of [Join], [Touch], [Leave], [Complete] and [boxoffice.Configure].
type Command any

// queueFullRetryAfter is when a join is worth another try.
const queueFullRetryAfter = 5 * time.Second

// Decide tells what comes of a command at now: events, none if nothing is to change, or
// a refusal. It does not change the room.
//
// What ExpireDue(now) gives has to be durable and applied before. A place that is over
// nonetheless is refused as such, and its user's join as unavailable: the next try finds
// it ended.
//
// Every command can be sent again: it does nothing more than it did.
func (r *Room) Decide(cmd Command, now time.Time) ([]boxoffice.Event, *boxoffice.Error) {
	switch c := cmd.(type) {
	case Join:
		return r.decideJoin(c, now)
	case Touch:
		return r.decideTouch(c, now)
	case Leave:
		return r.decideLeave(c, now)
	case Complete:
		if r.admitted.places[c.Sequence] == nil {
			return nil, nil
		}
		return placesEnded(now, boxoffice.PlaceCompleted, c.Sequence), nil
	case boxoffice.Configure:
		return r.decideConfigure(c, now)
	default:
		panic(fmt.Sprintf("boxoffice: %T is no command of a waiting room", cmd))
	}
}

func (r *Room) decideJoin(c Join, now time.Time) ([]boxoffice.Event, *boxoffice.Error) {
	sequence, live := r.users[c.UserID]
	if p := r.admitted.places[sequence]; live && p != nil {
		if p.over(now) {
			return nil, boxoffice.Unavailable(fmt.Errorf("place %d is over and not yet ended", sequence))
		}
		return nil, nil
	}
	if !r.onSale(now) {
		return nil, r.salesClosed(now)
	}
	if live {
		return nil, nil
	}
	if r.seats.soldOut {
		return nil, boxoffice.Errorf(boxoffice.CodeSoldOut, "every seat of this schedule is sold")
	}
	// Those whom the end of this batch lets in do not wait.
	if r.line.count >= r.limits.MaxWaiting && r.line.count-r.admissible(now) >= r.limits.MaxWaiting {
		refusal := boxoffice.Errorf(boxoffice.CodeQueueFull, "the waiting room is full")
		refusal.RetryAfter = queueFullRetryAfter
		return nil, refusal
	}
	return []boxoffice.Event{{At: now, Data: Joined{First: r.next, UserIDs: []uuid.UUID{c.UserID}}}}, nil
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
	userID, live := r.userOf(c.Sequence)
	switch {
	case !live:
		return nil, nil
	case userID != c.UserID:
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

// MaxAdmissions bounds one [WaitingRoom.Admit], so that a hundred thousand slots that
// open at once do not make one giant commit. It is at least the joins of one batch: who
// finds free capacity and nobody ahead is answered as admitted.
const MaxAdmissions = 4096

// Admit lets in, in order, whom the limits let in at now, MaxAdmissions at most: at the
// end of every batch and when NextWake says so. Places from claimedFrom on are being answered right now and
// count as claimed.
func (r *Room) Admit(now time.Time, claimedFrom uint64) []boxoffice.Event {
	count := r.admissible(now)
	if count == 0 {
		return nil
	}
	sequences := make([]uint64, 0, count)
	claimed := 0
	for p := range r.line.all() {
		sequences = append(sequences, p.sequence)
		if p.sequence >= claimedFrom {
			claimed++
		}
		if len(sequences) == count {
			break
		}
	}
	endsAt := now.Add(r.limits.AdmissionTTL)
	var events []boxoffice.Event
	if unclaimed := sequences[:count-claimed]; len(unclaimed) > 0 {
		events = append(events, boxoffice.Event{At: now, Data: Admitted{Sequences: unclaimed, EndsAt: endsAt}})
	}
	if claimed > 0 {
		events = append(events, boxoffice.Event{At: now, Data: Admitted{
			Sequences: sequences[count-claimed:], EndsAt: endsAt, Claimed: true,
		}})
	}
	return events
}

// admissible is how many of those who wait the limits let in at now.
func (r *Room) admissible(now time.Time) int {
	if r.settings.paused || r.seats.soldOut || !r.onSale(now) {
		return 0
	}
	free := r.settings.capacity - len(r.admitted.places)
	return max(0, min(free, r.line.count, MaxAdmissions, r.log.allowed(now, r.settings.admitPerSecond)))
}

// ExpireDue ends the admitted places that are over at now. Their rows may know better (a
// hold that nobody told of), so the journal can refuse this event: commit it alone,
// and apply it once it is durable; after a refusal tell NoteRow and ask again.
func (r *Room) ExpireDue(now time.Time) []boxoffice.Event {
	due := r.admitted.due(now)
	if len(due) == 0 {
		return nil
	}
	return placesEnded(now, boxoffice.PlaceExpired, due...)
}

// NextWake is when there is something to do or to tell next, not before now: a place is
// over, somebody can be admitted, sales close on those who wait. Zero if nothing.
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
	if r.line.count > 0 && now.Before(r.settings.salesCloseAt) {
		consider(r.settings.salesCloseAt)
		if r.onSale(now) && !r.settings.paused && !r.seats.soldOut && len(r.admitted.places) < r.settings.capacity {
			consider(r.log.nextSlot(now, r.settings.admitPerSecond))
		}
	}
	return next
}

func (r *Room) onSale(now time.Time) bool {
	return !now.Before(r.settings.salesOpenAt) && now.Before(r.settings.salesCloseAt)
}

func (r *Room) salesClosed(now time.Time) *boxoffice.Error {
	return boxoffice.Terms{SalesOpenAt: r.settings.salesOpenAt, SalesCloseAt: r.settings.salesCloseAt}.SalesClosed(now)
}

// userOf finds the user of a live place.
func (r *Room) userOf(sequence uint64) (uuid.UUID, bool) {
	if p := r.admitted.places[sequence]; p != nil {
		return p.userID, true
	}
	p, ok := r.line.get(sequence)
	return p.userID, ok
}

// checkPlace refuses a place that is not the user's or has ended. Waiting ends with the
// sales.
func (r *Room) checkPlace(userID uuid.UUID, sequence uint64, now time.Time) *boxoffice.Error {
	owner, live := r.userOf(sequence)
	if live && owner != userID {
		return notYourPlace()
	}
	p := r.admitted.places[sequence]
	if !live || p != nil && p.over(now) || p == nil && !now.Before(r.settings.salesCloseAt) {
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
