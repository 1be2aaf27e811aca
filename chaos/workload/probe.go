package workload

import (
	"context"
	"sync"
	"time"
)

// probeEvery is how often somebody asks each schedule for something, one node after the
// other, whatever became of the requests before: what outages are measured by.
const probeEvery = 60 * time.Millisecond

// prober is the client number of the probes.
const prober = -2

// probe asks for a place in the line of one schedule, again and again, until ctx ends:
// its own place, where it has one. It returns when every probe was answered or given up.
func (f *Fleet) probe(ctx context.Context, u *user, scheduleID int64) {
	var probes sync.WaitGroup
	defer probes.Wait()
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		probes.Go(func() { f.api.send(ctx, prober, n%len(f.cfg.URLs), u.join(scheduleID)) })
	}
}
