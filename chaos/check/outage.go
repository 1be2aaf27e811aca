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

// bridge is how long somebody who got no answer still wants one: the longest pause before
// a client asks again, and a little.
const bridge = 300 * time.Millisecond

// LongestOutages gives the longest outage of each schedule between two times.
func LongestOutages(operations []history.Operation, scheduleIDs []int64, from, to time.Duration) []Outage {
	var outages []Outage
	for _, id := range scheduleIDs {
		var asked []history.Operation
		for _, op := range operations {
			inWindow := op.Return > from && op.Call < to
			if op.Request.ScheduleID == id && op.Kind.Served() && inWindow && !op.GivenUp {
				asked = append(asked, op)
			}
		}
		outages = append(outages, longestOutage(id, asked, from, to))
	}
	return outages
}

// longestOutage goes through the times at which somebody waits for an answer.
func longestOutage(id int64, asked []history.Operation, from, to time.Duration) Outage {
	slices.SortFunc(asked, func(a, b history.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var answers []time.Duration
	for _, op := range asked {
		if op.Result.Definite() {
			answers = append(answers, op.Return)
		}
	}
	slices.Sort(answers)
	longest := Outage{ScheduleID: id, From: from}
	// note takes in a time in which somebody waited without a break.
	note := func(since, until time.Duration) {
		since, until = max(since, from), min(until, to)
		for _, answer := range append(answers, until) {
			if answer = min(answer, until); answer-since > longest.Length {
				longest.From, longest.Length = since, answer-since
			}
			since = max(since, answer)
		}
	}
	var since, until time.Duration
	for i, op := range asked {
		end := op.Return
		if !op.Result.Definite() {
			end += bridge
		}
		if i > 0 && op.Call > until {
			note(since, until)
		}
		if i == 0 || op.Call > until {
			since = op.Call
		}
		until = max(until, end)
	}
	if len(asked) > 0 {
		note(since, until)
	}
	return longest
}
