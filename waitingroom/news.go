package waitingroom

import (
	"maps"
	"slices"
	"time"

	"boxoffice"
)

// settleDelay is how long the end of a place that a payment used up may stay without an
// event while nobody waits for its slot: a sale out would cost one commit of the room for
// each payment. Its row has already ended.
const settleDelay = time.Second

// heard is what the room knows of the schedule's journal. It is durable there: events of
// the room do not make it, and it is never undone.
type heard struct {
	version   int64 // the room knows everything up to it; 0: nothing
	available int
	soldOut   bool
	holds     map[uint64]time.Time // the live ones; there are no more than seats

	// owed are the places that payments used up and that no event of the room has ended
	// yet. Their ends count all the same.
	owed map[uint64]struct{}
	// settled are those that an event has ended: if they are heard of again, they are not
	// owed again.
	settled        map[uint64]struct{}
	settledVersion int64     // while something is owed: at this version nothing was
	owedSince      time.Time // when NextWake first saw that; zero: not yet
}

func (h *heard) owes(sequence uint64) bool {
	_, owed := h.owed[sequence]
	return owed
}

// Hear takes in what the schedule's journal says, in any order and any number of times. It
// reports false if something is missing between [Room.KnownVersion] and the news, which the
// caller then has to look up: complete news are about what is live, and may not say which
// places were used up in between.
func (r *Room) Hear(news boxoffice.ScheduleNews) (ok bool) {
	for _, p := range news.Places {
		// Complete news about places that are not live here are new only to a room that knows
		// nothing: others learned of them when they were restored, or before, or look them up.
		_, live := r.find(p.Sequence)
		if p.Completed && (live || news.After > 0 || r.heard.version == 0) {
			r.hearCompleted(p.Sequence)
		}
	}
	switch {
	case news.After > r.heard.version,
		news.After == 0 && 0 < r.heard.version && r.heard.version < news.Version:
		return false
	case news.Version < r.heard.version:
		return true
	}
	r.heard.version, r.heard.available, r.heard.soldOut = news.Version, news.AvailableSeats, news.SoldOut
	if news.After == 0 {
		for sequence := range r.heard.holds {
			r.hearHold(sequence, time.Time{})
		}
	}
	for _, p := range news.Places {
		r.hearHold(p.Sequence, p.HeldUntil)
	}
	return true
}

// HearRow takes in the row of a place that the journal would not let expire
// ([boxoffice.RefusedPlaceHeld]): it has a hold, or was used up by a payment.
func (r *Room) HearRow(row boxoffice.PlaceRow) {
	if row.Status == boxoffice.PlaceCompleted {
		r.hearCompleted(row.Sequence)
	}
	r.hearHold(row.Sequence, row.HeldUntil)
}

// KnownVersion returns the version of the schedule's journal up to which the room knows
// everything; 0: it knows nothing.
func (r *Room) KnownVersion() int64 { return r.heard.version }

func (r *Room) hearCompleted(sequence uint64) {
	h := &r.heard
	if _, settled := h.settled[sequence]; settled || h.owes(sequence) {
		return
	}
	if len(h.owed) == 0 {
		h.settledVersion, h.owedSince = h.version, time.Time{}
		h.owed = make(map[uint64]struct{})
	}
	h.owed[sequence] = struct{}{}
}

func (r *Room) hearHold(sequence uint64, until time.Time) {
	switch {
	case until.IsZero():
		delete(r.heard.holds, sequence)
	case r.heard.holds == nil:
		r.heard.holds = map[uint64]time.Time{sequence: until}
	default:
		r.heard.holds[sequence] = until
	}
	if p := r.admitted.places[sequence]; p != nil && !p.heldUntil.Equal(until) {
		p.heldUntil = until
		r.admitted.changed(p)
	}
}

// Settle returns the events that are owed: the ends of places that payments used up. They
// come first in a batch, so that whoever paid can join again in it. It does not change
// the room.
func (r *Room) Settle(now time.Time) []boxoffice.Event {
	if !r.Owes() {
		return nil
	}
	return placesEnded(now, boxoffice.PlaceCompleted, slices.Sorted(maps.Keys(r.heard.owed))...)
}

// Owes reports whether Settle has events to return.
func (r *Room) Owes() bool { return len(r.heard.owed) > 0 }

// settle notes that an event has ended a place that a payment used up, and reports whether
// that event was owed.
func (h *heard) settle(sequence uint64) (owed bool) {
	owed = h.owes(sequence)
	delete(h.owed, sequence)
	if h.settled == nil {
		h.settled = make(map[uint64]struct{})
	}
	h.settled[sequence] = struct{}{}
	return owed
}

// unsettle undoes settle.
func (h *heard) unsettle(sequence uint64, owed bool) {
	delete(h.settled, sequence)
	if owed {
		h.owed[sequence] = struct{}{}
	}
}

// completeVersion returns the version up to which the room's events include the end of
// every place that a payment used up.
func (h *heard) completeVersion() int64 {
	if len(h.owed) > 0 {
		return h.settledVersion
	}
	return h.version
}
