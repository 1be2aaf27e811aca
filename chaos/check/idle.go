package check

import (
	"slices"
	"time"

	"boxoffice"
	"boxoffice/seatmap"
)

// LongestIdle returns the longest time between two times in which each waiting room let nobody
// in although somebody waited whom it could have let in: it had room, counting what payments
// had freed, was not sold out, and had no limit per second.
func LongestIdle(e Evidence, scheduleIDs []int64, from, to time.Duration) []Outage {
	f := collectFacts(e)
	var idle []Outage
	for _, id := range scheduleIDs {
		longest := Outage{ScheduleID: id, From: from}
		for _, o := range newIdling(e, f, id).all() {
			o.From, o.Length = max(o.From, from), min(o.From+o.Length, to)-max(o.From, from)
			if o.Length > longest.Length {
				longest = o
			}
		}
		idle = append(idle, longest)
	}
	return idle
}

// idling replays a schedule and its waiting room together.
type idling struct {
	evidence Evidence
	room     *room
	rows     []EventRow // of both, in order of time
	sold     int
	paid     map[uint64]bool // places that payments used up, and that no event of the room has ended
}

func newIdling(e Evidence, f facts, id int64) *idling {
	rows := append(slices.Clone(f.rooms[id]), f.seats[id]...)
	slices.SortStableFunc(rows, func(a, b EventRow) int { return a.At.Compare(b.At) })
	return &idling{evidence: e, room: newRoom(id, e, f, Limits{}), rows: rows, paid: make(map[uint64]bool)}
}

// all returns each time that the room was idle. One that never ended lasts for ever.
func (i *idling) all() []Outage {
	var all []Outage
	since := Never
	for _, row := range i.rows {
		i.apply(row)
		at := i.evidence.Since(row.At)
		switch {
		case i.lets() && since == Never:
			since = at
		case !i.lets() && since != Never:
			all = append(all, Outage{i.room.scheduleID, since, at - since})
			since = Never
		}
	}
	if since != Never {
		all = append(all, Outage{i.room.scheduleID, since, Never - since})
	}
	return all
}

func (i *idling) apply(row EventRow) {
	switch d := row.Data.(type) {
	case seatmap.Confirmed:
		i.sold++
		if p := i.room.places[d.Sequence]; p != nil && p.ended == Never {
			i.paid[d.Sequence] = true
		}
	case seatmap.Cancelled:
		i.sold--
	default:
		if row.Grain.Kind == boxoffice.KindGatekeeper {
			i.room.apply(row)
		}
	}
	for sequence := range i.paid {
		if i.room.places[sequence].ended != Never {
			delete(i.paid, sequence)
		}
	}
}

// lets reports whether the room could let somebody in.
func (i *idling) lets() bool {
	r := i.room
	return len(r.waiting) > 0 && r.perSecond == 0 && !r.paused && i.sold < boxoffice.SeatCount &&
		r.admitted-len(i.paid) < r.capacity
}
