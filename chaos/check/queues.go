package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"boxoffice"
	"boxoffice/chaos/history"
)

// checkQueues: what everybody may see of a waiting room was so at one moment, and not before
// what anybody was told of longer ago than an answer may be old. What a room shows of the
// seats it has heard from its schedule, which may take as long once more.
func checkQueues(e Evidence, f facts, effects []Effect, rooms map[int64]*room, limits Limits) []Violation {
	seats := seatHistories(e, f, limits)
	acknowledge(seats, f, effects)
	told := toldOfRooms(e, rooms)
	var violations []Violation
	for _, op := range e.Operations {
		id := op.Request.ScheduleID
		if op.Kind != history.Queue || op.Result != history.OK || rooms[id] == nil {
			continue
		}
		h := seats[id]
		if h == nil {
			h = newSeatHistory()
		}
		for _, problem := range []string{
			rooms[id].checkQueue(op, told[id], limits), h.checkQueue(op, limits),
		} {
			if problem != "" {
				violations = append(violations, Violation{
					Check: "queue", Detail: fmt.Sprintf("schedule %d shows %+v: %s", id, *op.Answer.Queue, problem),
					Operations: []int{op.Number},
				})
			}
		}
	}
	return violations
}

// toldOfRooms collects which events of each waiting room somebody was told of.
func toldOfRooms(e Evidence, rooms map[int64]*room) map[int64][]ackedChange {
	told := make(map[int64][]ackedChange)
	note := func(op history.Operation, place history.Token, event func(*roomPlace) int) {
		if r := rooms[place.ScheduleID]; r != nil && r.places[place.Sequence] != nil {
			if change := event(r.places[place.Sequence]); change >= 0 {
				told[place.ScheduleID] = append(told[place.ScheduleID], ackedChange{op.Return, change, op.Node})
			}
		}
	}
	for _, op := range e.Operations {
		if op.Result != history.OK {
			continue
		}
		switch op.Kind {
		case history.Join, history.Place:
			note(op, op.Answer.Place, func(p *roomPlace) int { return p.joinedBy })
			if op.Answer.Place.Admitted() {
				note(op, op.Answer.Place, func(p *roomPlace) int { return p.admittedBy })
			}
		case history.Leave:
			note(op, op.Request.Place, func(p *roomPlace) int { return p.endedBy })
		}
	}
	for _, changes := range told {
		slices.SortFunc(changes, func(a, b ackedChange) int { return cmp.Compare(a.at, b.at) })
	}
	return told
}

// checkQueue looks for the moment at which a room was as it is shown.
func (r *room) checkQueue(op history.Operation, told []ackedChange, limits Limits) string {
	shown := op.Answer.Queue
	least := newest(told, op.Call-limits.Staleness-limits.Epsilon)
	for i := least; i < len(r.states) && r.states[i].at <= op.Return+limits.Epsilon; i++ {
		s := r.states[i]
		if s.waiting == shown.Waiting && s.admitted == shown.Admitted &&
			s.capacity == shown.Capacity && s.perSecond == shown.AdmitPerSecond {
			return ""
		}
	}
	return fmt.Sprintf("it was never so from event %d on", least+1)
}

// checkQueue looks for a moment with as many free seats as a room shows, and one at which the
// house was as sold out as it says.
func (h *seatHistory) checkQueue(op history.Operation, limits Limits) string {
	shown := op.Answer.Queue
	least := newest(h.acked, op.Call-2*limits.Staleness-limits.Epsilon)
	soldOut := shown.State == string(boxoffice.QueueSoldOut)
	foundSeats, foundState := false, false
	for i := least; i < len(h.maps); i++ {
		s := h.maps[i]
		free, overdue := strings.Count(s.letters, "a"), 0
		for seat := range s.letters {
			if s.letters[seat] == 'h' && s.expires[seat] <= op.Return+limits.Epsilon {
				overdue++
			}
		}
		foundSeats = foundSeats || free <= shown.AvailableSeats && shown.AvailableSeats <= free+overdue
		foundState = foundState || soldOut == (strings.Count(s.letters, "s") == boxoffice.SeatCount)
	}
	switch {
	case !foundSeats:
		return fmt.Sprintf("there never were so many seats from change %d on", least)
	case !foundState:
		return fmt.Sprintf("it was never so from change %d of a seat on", least)
	}
	return ""
}
