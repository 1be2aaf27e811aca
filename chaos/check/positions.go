package check

import (
	"cmp"
	"slices"
	"time"

	"boxoffice"
	"boxoffice/chaos/history"
)

// told is when somebody was told of a change for the first time: by each node, and by any.
type told struct {
	byNode map[int]time.Duration
	first  time.Duration
}

func (t *told) note(op history.Operation) {
	if t.byNode == nil {
		t.byNode, t.first = make(map[int]time.Duration), op.Return
	}
	t.first = min(t.first, op.Return)
	if at, ok := t.byNode[op.Node]; !ok || op.Return < at {
		t.byNode[op.Node] = op.Return
	}
}

// earliest is when anybody was told; Never: nobody was.
func (t *told) earliest() time.Duration {
	if t.byNode == nil {
		return Never
	}
	return t.first
}

// before reports whether an answer has to show the change: its own node had told somebody,
// or any node had, longer ago than answers may be old.
func (t *told) before(op history.Operation, limits Limits) bool {
	at, ok := t.byNode[op.Node]
	return ok && at < op.Call || t.earliest() < op.Call-limits.Staleness-limits.Epsilon
}

// placeNews is what somebody was told about a place.
type placeNews struct{ admitted, ended told }

// newsOf collects what was told about each place in line.
func newsOf(e Evidence, f facts) map[placeID]*placeNews {
	known := make(map[placeID]*placeNews)
	of := func(scheduleID int64, sequence uint64) *placeNews {
		id := placeID{scheduleID, sequence}
		if known[id] == nil {
			known[id] = &placeNews{}
		}
		return known[id]
	}
	for _, op := range e.Operations {
		sent, got := op.Request.Place, op.Answer.Place
		news := of(sent.ScheduleID, sent.Sequence)
		if op.Result != history.OK {
			continue
		}
		switch op.Kind {
		case history.Join, history.Place:
			news = of(got.ScheduleID, got.Sequence)
			if boxoffice.PlaceStatus(op.Answer.Word()) == boxoffice.PlaceAdmitted {
				news.admitted.note(op)
			}
		case history.Leave:
			news.ended.note(op)
		case history.Pay:
			if hold, ok := f.held[op.Request.ReservationID]; ok {
				of(hold.scheduleID, hold.sequence).ended.note(op)
			}
		}
	}
	return known
}

// checkLooking: nobody sees the seats with a place that ended longer ago than answers may
// be old.
func (c *placeChecker) checkLooking(op history.Operation) {
	sent := op.Request.Place
	ended := c.known[placeID{sent.ScheduleID, sent.Sequence}].ended.earliest()
	if op.Result == history.OK && ended < op.Call-c.limits.Staleness-c.limits.Epsilon {
		c.violate(op, "seats were shown with place %d, which had ended", sent.Sequence)
	}
}

// checkPositions: a position counts everybody ahead who waits, as of a moment within the
// staleness and not before what the answering node had told; and who waits only moves
// forward.
func (c *placeChecker) checkPositions() {
	for id, operations := range c.shown {
		slices.SortFunc(operations, func(a, b history.Operation) int { return cmp.Compare(a.Call, b.Call) })
		for i, op := range operations {
			least, most := c.positions(id, op)
			if op.Answer.Position < least || op.Answer.Position > most {
				c.violate(op, "place %d waits at position %d, and %d to %d would be right", id.sequence, op.Answer.Position, least, most)
			}
			for _, earlier := range operations[:i] {
				if earlier.Return+c.limits.Staleness+c.limits.Epsilon < op.Call && earlier.Answer.Position < op.Answer.Position {
					c.violate(op, "place %d fell back from position %d to %d", id.sequence, earlier.Answer.Position, op.Answer.Position)
				}
			}
		}
	}
}

// positions bounds the position that an answer may tell: those ahead who still waited when
// it came count for sure, those who had gone as far as it must show do not.
func (c *placeChecker) positions(id placeID, op history.Operation) (least, most int) {
	least, most = 1, 1
	for sequence, p := range c.rooms[id.scheduleID].places {
		if sequence >= id.sequence {
			continue
		}
		if min(p.admitted, p.ended) > op.Return+c.limits.Epsilon {
			least++
		}
		news := c.known[placeID{id.scheduleID, sequence}]
		if news == nil || !news.admitted.before(op, c.limits) && !news.ended.before(op, c.limits) {
			most++
		}
	}
	return least, most
}
