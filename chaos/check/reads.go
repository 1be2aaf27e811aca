package check

import (
	"fmt"
	"time"

	"boxoffice/chaos/history"
)

// FailedRead is a look that was not answered, and when.
type FailedRead struct {
	Violation

	From, Length time.Duration
}

// Reads checks that looks that a client began between two times were answered, though nothing
// could be written meanwhile. What needs a write is the first look of somebody who was let in,
// which claims the place, and to learn that a place is over.
func Reads(e Evidence, client int, from, to time.Duration) []FailedRead {
	rooms, _ := replayRooms(e, collectFacts(e), Limits{})
	var failed []FailedRead
	for _, op := range e.Operations {
		// Where nobody takes the connection the node is gone, which is for the check of exits.
		answered := op.Result.Definite() || op.Result == history.Failed
		if op.Client != client || answered || op.Call < from || op.Call > to || needsWrite(rooms, op) {
			continue
		}
		failed = append(failed, FailedRead{From: op.Call, Length: op.Return - op.Call, Violation: Violation{
			Check: "reads", Detail: fmt.Sprintf("%s of schedule %d was answered %s %d %s %s while nothing could be written",
				op.Kind, op.Request.ScheduleID, op.Result, op.Status, op.Code, op.Error),
			Operations: []int{op.Number},
		}})
	}
	return failed
}

// needsWrite reports whether a look at a place may be the first one after it was let in, or
// whether its time was over by then.
func needsWrite(rooms map[int64]*room, op history.Operation) bool {
	place := op.Request.Place
	if op.Kind != history.Place || rooms[place.ScheduleID] == nil {
		return false
	}
	p := rooms[place.ScheduleID].places[place.Sequence]
	return p != nil && p.admitted <= op.Return && (!place.Admitted() || p.endsAt <= op.Return)
}
