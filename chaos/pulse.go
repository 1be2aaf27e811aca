package main

import (
	"context"
	"sync"
	"time"
)

// How the harness notices that the machine does not let it run.
const (
	pulseEvery = 10 * time.Millisecond
	// stallAfter is how late a pulse must be to count.
	stallAfter = 40 * time.Millisecond
)

// stall is a time in which the harness itself did not get to run: then neither did the
// nodes, probably, and it is no fault of theirs.
type stall struct {
	From   time.Duration `json:"from"`
	Length time.Duration `json:"length"`
}

// pulse notes stalls until it is stopped.
type pulse struct {
	running sync.WaitGroup
	stop    context.CancelFunc
	stalls  []stall
}

func startPulse(now func() time.Duration) *pulse {
	ctx, stop := context.WithCancel(context.Background())
	p := &pulse{stop: stop}
	p.running.Go(func() {
		ticker := time.NewTicker(pulseEvery)
		defer ticker.Stop()
		for last := now(); ; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			at := now()
			if late := at - last - pulseEvery; late > stallAfter {
				p.stalls = append(p.stalls, stall{last, late})
			}
			last = at
		}
	})
	return p
}

// end stops the pulse and returns what it noted.
func (p *pulse) end() []stall {
	p.stop()
	p.running.Wait()
	return p.stalls
}

// during sums up the stalls within a time.
func during(stalls []stall, from, to time.Duration) time.Duration {
	var sum time.Duration
	for _, s := range stalls {
		sum += max(0, min(to, s.From+s.Length)-max(from, s.From))
	}
	return sum
}
