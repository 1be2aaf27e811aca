package check

import (
	"cmp"
	"slices"
	"time"

	"boxoffice/chaos/history"
)

// Outage is the longest time within a window in which clients asked a schedule for
// something and nobody was answered.
type Outage struct {
	ScheduleID int64         `json:"scheduleId"`
	From       time.Duration `json:"from"` // when it began
	Length     time.Duration `json:"length"`
}

// LongestOutages gives the longest outage of each schedule between two times.
func LongestOutages(operations []history.Operation, scheduleIDs []int64, from, to time.Duration) []Outage {
	var outages []Outage
	for _, id := range scheduleIDs {
		var asked []history.Operation
		for _, op := range operations {
			if op.Request.ScheduleID == id && op.Kind.Served() && op.Return > from && op.Call < to {
				asked = append(asked, op)
			}
		}
		outages = append(outages, longestOutage(id, asked, from, to))
	}
	return outages
}

func longestOutage(id int64, asked []history.Operation, from, to time.Duration) Outage {
	slices.SortFunc(asked, func(a, b history.Operation) int { return cmp.Compare(a.Return, b.Return) })
	// firstCall[i] is the earliest call among those that return from asked[i] on.
	firstCall := make([]time.Duration, len(asked)+1)
	firstCall[len(asked)] = Never
	for i := len(asked) - 1; i >= 0; i-- {
		firstCall[i] = min(firstCall[i+1], asked[i].Call)
	}
	longest := Outage{ScheduleID: id, From: from}
	waitingSince := max(from, firstCall[0])
	note := func(until time.Duration) {
		if length := min(until, to) - waitingSince; waitingSince != Never && length > longest.Length {
			longest.From, longest.Length = waitingSince, length
		}
	}
	for i, op := range asked {
		if !op.Result.Definite() {
			continue
		}
		note(op.Return)
		waitingSince = max(op.Return, firstCall[i+1])
	}
	note(to)
	return longest
}
