package check

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"

	"boxoffice"
	"boxoffice/chaos/history"
)

// checkPlaces compares what people were told about their places in line with what the
// waiting rooms did.
func checkPlaces(e Evidence, f facts, rooms map[int64]*room, limits Limits) []Violation {
	c := placeChecker{
		evidence: e, facts: f, rooms: rooms, limits: limits, shown: make(map[placeID][]history.Operation),
		known: newsOf(e, f),
	}
	for _, op := range e.Operations {
		switch op.Kind {
		case history.Join, history.Place:
			c.check(op)
		case history.Hold:
			c.checkGuard(op)
		case history.Seats:
			c.checkLooking(op)
		}
	}
	c.checkOrder()
	c.checkPositions()
	c.checkCreated()
	return c.violations
}

type placeChecker struct {
	evidence   Evidence
	facts      facts
	rooms      map[int64]*room
	limits     Limits
	joins      []history.Operation // acknowledged ones that made a place
	shown      map[placeID][]history.Operation
	known      map[placeID]*placeNews
	violations []Violation
}

func (c *placeChecker) violate(op history.Operation, format string, args ...any) {
	c.violations = append(c.violations, Violation{
		Check: "place", Detail: fmt.Sprintf(format, args...), Operations: []int{op.Number},
	})
}

// check looks at one answer about a place.
func (c *placeChecker) check(op history.Operation) {
	switch op.Result {
	case history.OK:
		c.checkShown(op)
	case history.Refused:
		c.checkRefusal(op)
	}
}

func (c *placeChecker) find(id placeID) *roomPlace {
	if r := c.rooms[id.scheduleID]; r != nil {
		return r.places[id.sequence]
	}
	return nil
}

func (c *placeChecker) checkShown(op history.Operation) {
	told := op.Answer.Place
	id := placeID{told.ScheduleID, told.Sequence}
	p := c.find(id)
	if p == nil || p.userID != op.Request.UserID {
		c.violate(op, "user %s was given place %d of schedule %d, which is not in the log", op.Request.UserID, id.sequence, id.scheduleID)
		return
	}
	if op.Kind == history.Join && op.Status == 201 {
		c.joins = append(c.joins, op)
	}
	if joinedAt := op.Answer.JoinedAt; joinedAt == nil || c.evidence.Since(*joinedAt) != p.joined {
		c.violate(op, "place %d joined at %v by the log, and at %v by the answer", id.sequence, p.joined, joinedAt)
	}
	if p.joined > op.Return+c.limits.Epsilon {
		c.violate(op, "place %d was shown before it joined", id.sequence)
	}
	// When the end of a place that waits could be seen is only known from who was told.
	if c.known[id].ended.before(op, c.limits) || told.Admitted() && p.ended < op.Call-c.limits.Staleness-c.limits.Epsilon {
		c.violate(op, "place %d was shown after it had ended", id.sequence)
	}
	switch boxoffice.PlaceStatus(op.Answer.Word()) {
	case boxoffice.PlaceAdmitted:
		if p.admitted > op.Return+c.limits.Epsilon {
			c.violate(op, "place %d was shown as admitted, which the log does not say by then", id.sequence)
		}
		if !told.Admitted() {
			c.violate(op, "place %d was shown as admitted with the token of a waiting one", id.sequence)
		}
	case boxoffice.PlaceWaiting:
		c.shown[id] = append(c.shown[id], op)
		if c.known[id].admitted.before(op, c.limits) {
			c.violate(op, "place %d was shown as waiting after it had been admitted", id.sequence)
		}
		if told.Admitted() {
			c.violate(op, "place %d was shown as waiting with the token of an admitted one", id.sequence)
		}
	default:
		c.violate(op, "place %d was shown as %q", id.sequence, op.Answer.Word())
	}
}

// checkRefusal: a live place is not refused.
func (c *placeChecker) checkRefusal(op history.Operation) {
	switch boxoffice.Code(op.Code) {
	case boxoffice.CodeQueueTokenExpired:
		c.checkOver(op)
	case boxoffice.CodeSoldOut:
		// How soon a waiting room hears of a cancellation is not promised; that it was
		// sold out at some time is all that can be asked for.
		if !soldOutBefore(c.evidence, op) {
			c.violate(op, "schedule %d was sold out to a join and never had been", op.Request.ScheduleID)
		}
	default:
		c.violate(op, "a place was refused with %d %s", op.Status, op.Code)
	}
}

// checkGuard: only a place that waits or has ended is kept from the seats.
func (c *placeChecker) checkGuard(op history.Operation) {
	sent := op.Request.Place
	if op.Result == history.OK && !op.Replayed && c.known[placeID{sent.ScheduleID, sent.Sequence}].ended.earliest() < op.Call {
		c.violate(op, "a seat was held with place %d, which had ended", sent.Sequence)
	}
	if op.Result != history.Refused {
		return
	}
	switch boxoffice.Code(op.Code) {
	case boxoffice.CodeQueueTokenExpired:
		c.checkOver(op)
	case boxoffice.CodeNotAdmitted:
		if op.Request.Place.Admitted() {
			c.violate(op, "place %d has an admitted token and was told that it is not", op.Request.Place.Sequence)
		}
	case boxoffice.CodeSeatTaken, boxoffice.CodeAlreadyReserved, boxoffice.CodeIdempotencyKeyReused:
	default:
		c.violate(op, "a hold was refused with %d %s", op.Status, op.Code)
	}
}

// checkOver: the place that was sent along had ended, or its time was over, before the
// answer.
func (c *placeChecker) checkOver(op history.Operation) {
	sent := op.Request.Place
	p := c.find(placeID{sent.ScheduleID, sent.Sequence})
	if p == nil {
		c.violate(op, "place %d of schedule %d is not in the log", sent.Sequence, sent.ScheduleID)
		return
	}
	over := p.ended
	if p.admitted != Never {
		over = min(over, p.endsAt)
		if !p.claimed {
			over = min(over, p.admitted+c.limits.ClaimTTL)
		}
	}
	// A payment or a leaving ends a place before its waiting room hears of it.
	if completed, ok := c.facts.completed[placeID{sent.ScheduleID, sent.Sequence}]; ok {
		over = min(over, completed.at)
	}
	for _, other := range c.evidence.Operations {
		if other.Kind == history.Leave && other.Request.Place.Sequence == sent.Sequence &&
			other.Request.Place.ScheduleID == sent.ScheduleID && other.Result != history.Failed {
			over = min(over, other.Call)
		}
	}
	if over > op.Return+c.limits.Epsilon {
		c.violate(op, "place %d was refused as over before it was", sent.Sequence)
	}
}

// checkCreated: a join that made a place, because no other one can have made it, is told so.
func (c *placeChecker) checkCreated() {
	joins := make(map[buyerID][]history.Operation)
	for _, op := range c.evidence.Operations {
		if op.Kind == history.Join && op.Result != history.Failed {
			id := buyerID{op.Request.ScheduleID, op.Request.UserID}
			joins[id] = append(joins[id], op)
		}
	}
	for scheduleID, r := range c.rooms {
		for sequence, p := range r.places {
			var made []history.Operation // the joins that may have made it
			for _, op := range joins[buyerID{scheduleID, p.userID}] {
				before := op.Call <= p.joined+c.limits.Epsilon
				if before && (!op.Result.Definite() || op.Return >= p.joined-c.limits.Epsilon) {
					made = append(made, op)
				}
			}
			if len(made) == 1 && made[0].Status == http.StatusOK && made[0].Answer.Place.Sequence == sequence {
				c.violate(made[0], "the join that made place %d was told that it had been there", sequence)
			}
		}
	}
}

// checkOrder: of two joins, one of which was over before the other was called, the
// first is ahead.
func (c *placeChecker) checkOrder() {
	bySchedule := make(map[int64][]history.Operation)
	for _, op := range c.joins {
		bySchedule[op.Request.ScheduleID] = append(bySchedule[op.Request.ScheduleID], op)
	}
	for _, joins := range bySchedule {
		byCall := slices.SortedFunc(slices.Values(joins), func(a, b history.Operation) int { return cmp.Compare(a.Call, b.Call) })
		byReturn := slices.SortedFunc(slices.Values(joins), func(a, b history.Operation) int { return cmp.Compare(a.Return, b.Return) })
		var last history.Operation // with the highest sequence of all that are over
		next := 0
		for _, op := range byCall {
			for ; next < len(byReturn) && byReturn[next].Return < op.Call; next++ {
				if byReturn[next].Answer.Place.Sequence > last.Answer.Place.Sequence {
					last = byReturn[next]
				}
			}
			if last.Answer.Place.Sequence > op.Answer.Place.Sequence {
				c.violations = append(c.violations, Violation{
					Check: "place",
					Detail: fmt.Sprintf("schedule %d: place %d was asked for after %d had been given",
						op.Request.ScheduleID, op.Answer.Place.Sequence, last.Answer.Place.Sequence),
					Operations: []int{last.Number, op.Number},
				})
			}
		}
	}
}
