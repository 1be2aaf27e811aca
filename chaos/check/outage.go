package check

import (
	"slices"
	"time"

	"boxoffice/chaos/history"
)

// Outage is the longest time within a window in which nobody was answered by a schedule.
// The workload sees to it that somebody asks all the time, and every node.
type Outage struct {
	ScheduleID int64         `json:"scheduleId"`
	From       time.Duration `json:"from"` // when it began
	Length     time.Duration `json:"length"`
}

// LongestOutages returns the longest outage of each schedule between two times.
func LongestOutages(operations []history.Operation, scheduleIDs []int64, from, to time.Duration) []Outage {
	answers := make(map[int64][]time.Duration, len(scheduleIDs))
	for _, op := range operations {
		if op.Kind.Served() && op.Result.Definite() && from < op.Return && op.Return < to {
			answers[op.Request.ScheduleID] = append(answers[op.Request.ScheduleID], op.Return)
		}
	}
	var outages []Outage
	for _, id := range scheduleIDs {
		slices.Sort(answers[id])
		longest, last := Outage{ScheduleID: id, From: from}, from
		for _, answer := range append(answers[id], to) {
			if answer-last > longest.Length {
				longest.From, longest.Length = last, answer-last
			}
			last = answer
		}
		outages = append(outages, longest)
	}
	return outages
}
