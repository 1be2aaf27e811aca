package workload

import (
	"context"
	"sync"
	"time"
)

// readEvery is how often somebody looks at each schedule, at one node after the other.
const readEvery = 200 * time.Millisecond

// Reader is the client number of those who only look, which no fault of Postgres that refuses
// to write may keep them from.
const Reader = -4

// read looks at a schedule's seats, at its queue and at a user's place in it, again and
// again, until ctx ends. It returns when every look was answered or given up.
func (f *Fleet) read(ctx context.Context, p *prober, scheduleID int64) {
	var looks sync.WaitGroup
	defer looks.Wait()
	ticker := time.NewTicker(readEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		node := n % len(f.cfg.URLs)
		asks := []ask{queueAsk(scheduleID), f.admin.seats(scheduleID)}
		if token := p.token.Load(); token != nil {
			asks = append(asks, p.placeWith(scheduleID, *token))
		}
		for _, q := range asks {
			looks.Go(func() { f.api.send(ctx, Reader, node, q) })
		}
	}
}
