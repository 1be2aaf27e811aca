package waitingroom

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// Events of a [Room].
type (
	// Opened is a waiting room's first event.
	Opened struct {
		SalesOpenAt    time.Time `json:"salesOpenAt"`
		SalesCloseAt   time.Time `json:"salesCloseAt"`
		Capacity       int       `json:"capacity"`
		AdmitPerSecond int       `json:"admitPerSecond"`
	}
	// Configured replaces the room's settings.
	Configured struct {
		Capacity       int  `json:"capacity"`
		AdmitPerSecond int  `json:"admitPerSecond"`
		Paused         bool `json:"paused"`
	}
	// Joined puts users at the end of the line, in this order; the first gets sequence
	// number First, the next First+1 and so on. OperationIDs are those of the joins, one
	// for each user; old events have none.
	Joined struct {
		First        uint64      `json:"first"`
		UserIDs      []uuid.UUID `json:"userIds"`
		OperationIDs []uuid.UUID `json:"operationIds,omitempty"`
	}
	// Admitted lets places in. Claimed ones learn of it at once (a join that is admitted
	// immediately); the others must be seen within the claim TTL of AskedBy, the time by
	// which all of them ask again if they follow the interval that they were given. Old
	// events do not have it, and claimed ones do not need it.
	Admitted struct {
		Sequences []uint64  `json:"sequences"`
		EndsAt    time.Time `json:"endsAt"` // At plus the admission TTL
		AskedBy   time.Time `json:"askedBy,omitzero"`
		Claimed   bool      `json:"claimed,omitempty"`
	}
	// Claimed notes that the holders of admitted places were seen.
	Claimed struct {
		Sequences []uint64 `json:"sequences"`
	}
	// Ended ends places. The status says why; if a schedule completed a place first, its
	// row keeps that status. Places that have already ended are ignored.
	Ended struct {
		Sequences []uint64              `json:"sequences"`
		Status    boxoffice.PlaceStatus `json:"status"` // completed, expired or left
	}
)

// EventType is its name in the journal.
func (Opened) EventType() string { return "queue-opened" }

// EventType is its name in the journal.
func (Configured) EventType() string { return "queue-configured" }

// EventType is its name in the journal.
func (Joined) EventType() string { return "places-joined" }

// EventType is its name in the journal.
func (Admitted) EventType() string { return "places-admitted" }

// EventType is its name in the journal.
func (Claimed) EventType() string { return "places-claimed" }

// EventType is its name in the journal.
func (Ended) EventType() string { return "places-ended" }

// Apply changes the room by one event. What an event says of a place that has ended
// meanwhile is ignored. An event that contradicts the state was not decided on it: Apply
// panics, because everything after it would be wrong.
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
				r.undo.touch(p)
				r.admitted.changed(p)
				r.undo.note(change{kind: undoClaim, place: p})
			}
		}
	case Ended:
		r.applyEnded(d, e.At)
	}
	if !r.undo.open {
		r.line.compact()
	}
	return nil
}

// applyToSettings applies everything in an event but what it says of live places, which is
// left to the caller.
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
		if n := len(d.OperationIDs); n != 0 && n != len(d.UserIDs) {
			return fmt.Errorf("%d users joined by %d operations", len(d.UserIDs), n)
		}
		r.next += uint64(len(d.UserIDs))
	case Ended:
		if d.Status == boxoffice.PlaceCompleted {
			for _, sequence := range d.Sequences {
				r.undo.note(change{kind: undoSettle, n: sequence, owed: r.heard.settle(sequence)})
			}
		}
	case Admitted, Claimed:
	default:
		return fmt.Errorf("%T is no event of a waiting room", e.Data)
	}
	return nil
}

func (r *Room) applyJoined(d Joined, at time.Time) error {
	for i, userID := range d.UserIDs {
		p := linePlace{sequence: d.First + uint64(i), userID: userID, joinedMS: at.UnixMilli()}
		if len(d.OperationIDs) > 0 {
			p.operationID = d.OperationIDs[i]
		}
		if err := r.addUser(userID, p.sequence); err != nil {
			return err
		}
		r.line.push(p)
	}
	r.undo.note(change{kind: undoJoin, n: uint64(len(d.UserIDs))})
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
	if d.AskedBy.IsZero() {
		d.AskedBy = r.askedAgain(at, r.line.count)
	}
	r.askedBy = latest(r.askedBy, d.AskedBy)
	for _, sequence := range d.Sequences {
		slot, ok := r.line.takeOut(sequence)
		if !ok {
			continue
		}
		p := &admittedPlace{
			linePlace:  r.line.at(slot),
			admittedAt: at,
			askedBy:    d.AskedBy,
			endsAt:     d.EndsAt,
			claimed:    d.Claimed,
		}
		r.undo.touch(p)
		r.letIn(p)
		r.tookOut(change{kind: undoAdmit, at: slot, place: p})
	}
	if len(d.Sequences) > 0 {
		r.undo.saveLog(&r.log)
		r.log.note(at, len(d.Sequences))
	}
}

// letIn adds an admitted place, with the hold that the room has heard of.
func (r *Room) letIn(p *admittedPlace) {
	p.heldUntil = r.heard.holds[p.sequence]
	r.admitted.add(p)
}

// tookOut notes that a place was taken out of the line. Its slot is dropped once that is
// final.
func (r *Room) tookOut(c change) {
	if !r.undo.open {
		r.line.drop(c.at)
	}
	r.undo.note(c)
}

func (r *Room) applyEnded(d Ended, at time.Time) {
	waited := r.line.count
	for _, sequence := range d.Sequences {
		if slot, ok := r.line.takeOut(sequence); ok {
			delete(r.users, r.line.at(slot).userID)
			r.tookOut(change{kind: undoLeave, at: slot})
		} else if p := r.admitted.places[sequence]; p != nil {
			r.admitted.remove(p)
			delete(r.users, p.userID)
			r.undo.note(change{kind: undoEnd, place: p})
		}
	}
	if r.line.count < waited {
		r.askedBy = r.askedAgain(at, waited)
	}
}

// AppendEvents appends events to dst and merges neighbours that say the same of several
// places at the same time, so that a batch of ten thousand joins is one event. Applying the
// result has the effect of applying dst and events. It never writes into the slices of the
// events that it is given.
func AppendEvents(dst []boxoffice.Event, events ...boxoffice.Event) []boxoffice.Event {
	for _, e := range events {
		if len(dst) > 0 {
			last := &dst[len(dst)-1]
			if last.At.Equal(e.At) && last.OperationID == e.OperationID {
				if merged, ok := mergePlaces(last.Data, e.Data); ok {
					last.Data = merged
					continue
				}
			}
		}
		e.Data = clipPlaces(e.Data)
		dst = append(dst, e)
	}
	return dst
}

// mergePlaces returns the one event that has the effect of a and then b, if there is one.
func mergePlaces(a, b boxoffice.EventData) (boxoffice.EventData, bool) {
	switch a := a.(type) {
	case Joined:
		b, ok := b.(Joined)
		ok = ok && a.First+uint64(len(a.UserIDs)) == b.First && (len(a.OperationIDs) == 0) == (len(b.OperationIDs) == 0)
		if ok {
			a.UserIDs = append(a.UserIDs, b.UserIDs...)
			a.OperationIDs = append(a.OperationIDs, b.OperationIDs...)
		}
		return a, ok
	case Admitted:
		b, ok := b.(Admitted)
		if ok = ok && a.EndsAt.Equal(b.EndsAt) && a.AskedBy.Equal(b.AskedBy) && a.Claimed == b.Claimed; ok {
			a.Sequences = append(a.Sequences, b.Sequences...)
		}
		return a, ok
	case Claimed:
		b, ok := b.(Claimed)
		if ok {
			a.Sequences = append(a.Sequences, b.Sequences...)
		}
		return a, ok
	case Ended:
		b, ok := b.(Ended)
		if ok = ok && a.Status == b.Status; ok {
			a.Sequences = append(a.Sequences, b.Sequences...)
		}
		return a, ok
	default:
		return nil, false
	}
}

// clipPlaces makes the next append to an event's slices copy them.
func clipPlaces(data boxoffice.EventData) boxoffice.EventData {
	switch d := data.(type) {
	case Joined:
		d.UserIDs, d.OperationIDs = slices.Clip(d.UserIDs), slices.Clip(d.OperationIDs)
		return d
	case Admitted:
		d.Sequences = slices.Clip(d.Sequences)
		return d
	case Claimed:
		d.Sequences = slices.Clip(d.Sequences)
		return d
	case Ended:
		d.Sequences = slices.Clip(d.Sequences)
		return d
	default:
		return data
	}
}
