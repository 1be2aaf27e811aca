package workload

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"boxoffice/chaos/history"
)

// probeEvery is how often somebody asks each schedule for something, one node after the
// other, whatever became of the requests before: what outages are measured by.
const probeEvery = 60 * time.Millisecond

// probing is the client number of the probes.
const probing = -2

// prober is a user whose place is asked for, and looked at, all the time.
type prober struct {
	*user
	token atomic.Pointer[string] // of the place, as last told; nil: none was
}

// probe asks for a place in the line of one schedule, again and again, until ctx ends:
// its own place, where it has one. It returns when every probe was answered or given up.
func (f *Fleet) probe(ctx context.Context, p *prober, scheduleID int64) {
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
		probes.Go(func() {
			op := f.api.send(ctx, probing, n%len(f.cfg.URLs), p.join(scheduleID))
			if op.Result == history.OK {
				p.token.Store(&op.Answer.Token)
			}
		})
	}
}
