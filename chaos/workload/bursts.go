package workload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"boxoffice"
	"boxoffice/chaos/history"
)

// Sizes of the bursts. The catalogue's are ten thousand of each; these fit beside the
// other processes of a run on a small machine, and mean the same.
const (
	burstSchedules  = 150 // woken at once
	expirySchedules = 4   // every seat of which is held at once
	burstWorkers    = 32
	slowConnections = 30
	// slowLimit is how long a node may put up with a client that does not get on.
	slowLimit = 11 * time.Second
)

// spread does some tasks, a few at a time.
func spread(workers, tasks int, do func(int) error) error {
	next := make(chan int)
	var working sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for range workers {
		working.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	for i := range tasks {
		next <- i
	}
	close(next)
	working.Wait()
	return errors.Join(errs...)
}

// WakeMany puts many schedules on sale and asks for a place in each of them at once.
func (f *Fleet) WakeMany(ctx context.Context) error {
	ids := make([]int64, burstSchedules)
	err := spread(sellers, len(ids), func(i int) (err error) {
		ids[i], err = f.addSchedule(ctx, map[string]any{"capacity": 10})
		return err
	})
	if err != nil {
		return err
	}
	u, err := f.register(ctx, "early bird", 0)
	if err != nil {
		return err
	}
	return spread(burstWorkers, len(ids), func(i int) error {
		if op := f.must(ctx, u.join(ids[i])); op.Result == history.Refused {
			return unprepared(op)
		}
		return nil
	})
}

// ExpireMany holds every seat of some schedules, lets all of the holds expire at about
// the same time, and looks at each of them afterwards.
func (f *Fleet) ExpireMany(ctx context.Context) error {
	var ids []int64
	for range expirySchedules {
		id, err := f.addSchedule(ctx, map[string]any{"capacity": boxoffice.SeatCount})
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	type hold struct {
		user *user
		op   history.Operation
	}
	holds := make([]hold, expirySchedules*boxoffice.SeatCount)
	err := spread(burstWorkers, len(holds), func(i int) error {
		u, err := f.register(ctx, fmt.Sprintf("waverer %d", i), 0)
		if err != nil {
			return err
		}
		id := ids[i%len(ids)]
		joined := f.must(ctx, u.join(id))
		u.places[id] = joined.Answer.Token
		if joined.Result == history.OK {
			holds[i] = hold{u, f.must(ctx, u.hold(id, i/len(ids)+1).keyed(newKey()))}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var last time.Time
	for _, h := range holds {
		if h.op.Result == history.OK && h.op.Answer.ExpiresAt.After(last) {
			last = *h.op.Answer.ExpiresAt
		}
	}
	rest(ctx, time.Until(last)+time.Second)
	return spread(burstWorkers, len(holds), func(i int) error {
		if h := holds[i]; h.op.Result == history.OK {
			f.must(ctx, h.user.reservation(h.op.Request.ScheduleID, h.op.Answer.ReservationID))
		}
		return nil
	})
}

// Dawdle opens connections to a node that send a header byte by byte, and wants each of
// them closed by the node in time.
func (f *Fleet) Dawdle(ctx context.Context, node int) error {
	u, err := url.Parse(f.cfg.URLs[node%len(f.cfg.URLs)])
	if err != nil {
		return fmt.Errorf("address of a node: %w", err)
	}
	return spread(slowConnections, slowConnections, func(int) error { return dawdle(ctx, u.Host) })
}

func dawdle(ctx context.Context, address string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("slow client: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(slowLimit)); err != nil {
		return fmt.Errorf("slow client: %w", err)
	}
	closed := make(chan error, 1)
	go func() { // ends with the connection, at the deadline at the latest
		_, err := io.Copy(io.Discard, conn)
		closed <- err
	}()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for _, b := range []byte("GET /api/v1/concerts HTTP/1.1\r\nHost: slow\r\n") {
		_, _ = conn.Write([]byte{b}) // a closed connection shows below
		select {
		case err := <-closed:
			if errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
				return fmt.Errorf("a client that sends a byte a second was not cut off within %s", slowLimit)
			}
			return nil
		case <-ticker.C:
		}
	}
	return nil
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

// Last makes one more visit to each schedule, to show that all of them answer: somebody
// new joins, looks at the seats where that is allowed, and tries to hold one.
func (f *Fleet) Last(ctx context.Context) error {
	for _, id := range f.ScheduleIDs {
		u, err := f.register(ctx, "latecomer", 0)
		if err != nil {
			return err
		}
		op := f.must(ctx, u.join(id))
		if op.Code == string(boxoffice.CodeSoldOut) {
			continue // an answer as well
		}
		if op.Result != history.OK {
			return unprepared(op)
		}
		u.places[id] = op.Answer.Token
		for _, q := range []ask{u.seats(id), u.hold(id, 1).keyed(newKey()), u.leave(id)} {
			if op := f.must(ctx, q); !op.Result.Definite() {
				return unprepared(op)
			}
		}
	}
	return nil
}
