package check

import (
	"fmt"
	"time"

	"boxoffice/chaos/history"
)

// Reads checks that looks that a client began between two times were answered, though nothing
// could be written meanwhile. Only the first look of somebody who was let in needs a write: it
// claims the place.
func Reads(e Evidence, client int, from, to time.Duration) []Violation {
	rooms, _ := replayRooms(e, collectFacts(e), Limits{})
	var violations []Violation
	for _, op := range e.Operations {
		if op.Client != client || op.Result.Definite() || op.Call < from || op.Call > to || claims(rooms, op) {
			continue
		}
		violations = append(violations, Violation{
			Check: "reads", Detail: fmt.Sprintf("%s of schedule %d was answered %s %d %s %s while nothing could be written",
				op.Kind, op.Request.ScheduleID, op.Result, op.Status, op.Code, op.Error),
			Operations: []int{op.Number},
		})
	}
	return violations
}

// claims reports whether a look at a place may be the first one after it was let in.
func claims(rooms map[int64]*room, op history.Operation) bool {
	place := op.Request.Place
	if op.Kind != history.Place || place.Admitted() || rooms[place.ScheduleID] == nil {
		return false
	}
	p := rooms[place.ScheduleID].places[place.Sequence]
	return p != nil && p.admitted <= op.Return
}
