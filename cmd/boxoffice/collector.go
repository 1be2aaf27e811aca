package main

import (
	"runtime"
	"runtime/debug"
	telemetry "runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
)

// What a node allocates between two garbage collections: minHeadroom, or a share of what is
// live if that is more. By Go's default it is as much as is live: a node with a small heap
// would collect many times a second, which was a tenth of its work, and one that keeps many
// idle schedules would take twice the memory of what it keeps.
const (
	minHeadroom     = 128 << 20 // bytes
	headroomPercent = 33        // of what is live
	// startPercent is for a heap of next to nothing: Go then waits for 4 MB times this.
	startPercent = minHeadroom / (4 << 20) * 100
)

// paceCollector has garbage collected by these rules until stop is called. Whoever sets
// GOGC or GOMEMLIMIT wants something else, and gets it.
func paceCollector(environ []string) (stop func()) {
	tuned := slices.ContainsFunc(environ, func(variable string) bool {
		return strings.HasPrefix(variable, "GOGC=") || strings.HasPrefix(variable, "GOMEMLIMIT=")
	})
	if tuned {
		return func() {}
	}
	before := debug.SetGCPercent(startPercent)
	stopped := new(atomic.Bool)
	paceAfterCollection(stopped)
	return func() {
		stopped.Store(true)
		debug.SetGCPercent(before)
	}
}

// paceAfterCollection sets the pace anew after each collection, which it notices by an
// object that nobody holds.
func paceAfterCollection(stopped *atomic.Bool) {
	runtime.AddCleanup(new([64]byte), func(stopped *atomic.Bool) {
		if stopped.Load() {
			return
		}
		live := []telemetry.Sample{{Name: "/gc/heap/live:bytes"}}
		telemetry.Read(live)
		debug.SetGCPercent(percentFor(live[0].Value.Uint64()))
		paceAfterCollection(stopped)
	}, stopped)
}

// percentFor is the percentage of live bytes that may be allocated.
func percentFor(live uint64) int {
	return int(max(headroomPercent, min(startPercent, minHeadroom*100/max(live, 1))))
}
