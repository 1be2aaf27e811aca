package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"boxoffice/chaos/history"
)

// crowdSize is how many wait in the line of a crowd. The catalogue's is a million, whose
// recovery has a benchmark of its own; this many join through the door.
const crowdSize = 600

// Crowd is many who wait for one schedule.
type Crowd struct {
	fleet      *Fleet
	ScheduleID int64
	waiting    []*user // in order of joining
}

// Gather puts a schedule on sale that one person at a time may enter, and has a crowd join
// its line.
func (f *Fleet) Gather(ctx context.Context) (*Crowd, error) {
	id, err := f.addSchedule(ctx, map[string]any{"capacity": 1})
	if err != nil {
		return nil, err
	}
	c := &Crowd{fleet: f, ScheduleID: id, waiting: make([]*user, crowdSize)}
	err = spread(burstWorkers, crowdSize, func(i int) error {
		u, err := f.register(ctx, fmt.Sprintf("one of a crowd, %d", i), 0)
		if err != nil {
			return err
		}
		joined := f.must(ctx, u.join(id))
		if joined.Result != history.OK {
			return unprepared(joined)
		}
		u.places[id] = joined.Answer.Token
		c.waiting[i] = u
		return nil
	})
	return c, err
}

var errCrowdLost = errors.New("the line of a crowd does not answer")

// Ask asks all of them for their places, at the nodes that live, and returns the time until
// the first was answered. The answers go into the history for the checks. It fails if
// nobody is answered within limit.
func (c *Crowd) Ask(ctx context.Context, dead int, limit time.Duration) (time.Duration, error) {
	f := c.fleet
	began := time.Now()
	node := 0
	for {
		if node = (node + 1) % len(f.cfg.URLs); node == dead {
			continue
		}
		if op := f.api.send(ctx, preparer, node, c.waiting[0].place(c.ScheduleID)); op.Result.Definite() {
			break
		}
		if time.Since(began) > limit || ctx.Err() != nil {
			return 0, errCrowdLost
		}
	}
	back := time.Since(began)
	err := spread(burstWorkers, len(c.waiting), func(i int) error {
		f.must(ctx, c.waiting[i].place(c.ScheduleID))
		return nil
	})
	return back, err
}
