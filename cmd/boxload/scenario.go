package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// scenario is one kind of load.
type scenario struct {
	needs func(options) needs
	run   func(context.Context, *load) error
}

// scenarios returns all of them by name.
func scenarios() map[string]*scenario {
	crowd := func(o options) needs { return needs{schedules: 1, admitted: max(seatsPerShow, o.connections)} }
	mix := func(o options) needs {
		n := needs{schedules: o.schedules, admitted: seatsPerShow, waiting: o.waiting}
		if o.purchases == 100 {
			n.waiting = 0
		}
		return n
	}
	return map[string]*scenario{
		"sellout": {
			needs: func(o options) needs { return needs{schedules: o.schedules, admitted: seatsPerShow} },
			run:   sellout,
		},
		"stampede": {needs: crowd, run: stampede},
		"seats":    {needs: crowd, run: seats},
		"charges":  {needs: func(o options) needs { return needs{users: o.connections} }, run: charges},
		"polls":    {needs: func(o options) needs { return needs{waiting: o.waiting} }, run: polls},
		"mixed":    {needs: mix, run: mixed},
		"steady":   {needs: mix, run: steady},
	}
}

// load is a scenario that runs.
type load struct {
	options options
	api     *api
	world   *world
	report  *report
}

// workers runs do on every connection until it returns or the time is over; it is given
// a context that ends then.
func (l *load) workers(ctx context.Context, limit time.Duration, do func(context.Context, *worker) error) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	l.report.begin(limit)
	var group errgroup.Group
	for i := range l.options.connections {
		w := &worker{
			load:  l,
			call:  l.api.calls[i],
			times: l.report.recorder(),
			rng:   rand.New(rand.NewPCG(uint64(i), 1)),
		}
		group.Go(func() error { return do(ctx, w) })
	}
	err := group.Wait()
	l.report.end()
	return err
}

// sellout: buyers, each with a place, take turns over the schedules that are on sale.
func sellout(ctx context.Context, l *load) error {
	all := l.world.schedules
	perShow, onSale := len(all[0].places), len(all)
	if l.options.atATime > 0 {
		onSale = l.options.atATime
	}
	var next atomic.Int64
	return l.workers(ctx, 0, func(ctx context.Context, w *worker) error {
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= perShow*len(all) {
				return nil
			}
			sale, turn := i/(onSale*perShow), i%(onSale*perShow)
			s := all[sale*onSale+turn%onSale]
			if err := w.buy(s, s.places[turn/onSale]); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
}

// stampede: everybody asks for a random seat of one schedule, again and again.
func stampede(ctx context.Context, l *load) error {
	s := l.world.schedules[0]
	var holders sync.Map
	var turn atomic.Int64
	err := l.workers(ctx, l.options.duration, func(ctx context.Context, w *worker) error {
		place := s.places[int(turn.Add(1)-1)%len(s.places)]
		for ctx.Err() == nil {
			status, err := w.hold(s, place, w.rng.IntN(seatsPerShow)+1)
			if err != nil {
				return err
			}
			if status == http.StatusCreated {
				holders.Store(place, true)
			}
		}
		return nil
	})
	held := int64(0)
	holders.Range(func(any, any) bool { held++; return true })
	l.report.Held = held
	return err
}

// seats: admitted people look at the seats.
func seats(ctx context.Context, l *load) error {
	s := l.world.schedules[0]
	var turn atomic.Int64
	return l.workers(ctx, l.options.duration, func(ctx context.Context, w *worker) error {
		place := s.places[int(turn.Add(1)-1)%len(s.places)]
		etag := ""
		for ctx.Err() == nil {
			if _, _, err := w.look(s, place, etag); err != nil {
				return err
			}
			if l.options.etag {
				if etag = w.call.header("Etag"); etag == "" {
					return fmt.Errorf("%w: a seat map without an ETag", errUnexpected)
				}
			}
		}
		return nil
	})
}

// charges: each connection is somebody who charges a point, again and again.
func charges(ctx context.Context, l *load) error {
	var turn atomic.Int64
	return l.workers(ctx, l.options.duration, func(ctx context.Context, w *worker) error {
		u := l.world.users[int(turn.Add(1)-1)]
		for ctx.Err() == nil {
			if err := w.charge(u); err != nil {
				return err
			}
		}
		return nil
	})
}

// polls: waiting people ask where they stand.
func polls(ctx context.Context, l *load) error {
	return l.workers(ctx, l.options.duration, func(ctx context.Context, w *worker) error {
		for ctx.Err() == nil {
			if err := w.poll(); err != nil {
				return err
			}
		}
		return nil
	})
}

// mixed: mostly polls, some looks, a few purchases while there are seats.
func mixed(ctx context.Context, l *load) error {
	var next atomic.Int64
	return l.workers(ctx, l.options.duration, func(ctx context.Context, w *worker) error {
		for ctx.Err() == nil {
			if err := w.mix(&next); err != nil {
				return err
			}
		}
		return nil
	})
}

// steady is mixed at a fixed rate: each connection has its share of the starts. What goes
// wrong is counted, and ends nothing: an overload is one of the things to measure.
func steady(ctx context.Context, l *load) error {
	var next, claimed atomic.Int64
	interval := time.Second / time.Duration(l.options.rate)
	offered := int64(l.options.duration / interval)
	l.report.Offered = offered
	begin := time.Now()
	return l.workers(ctx, l.options.duration, func(ctx context.Context, w *worker) error {
		w.open = true
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			n := claimed.Add(1) - 1
			if n >= offered || ctx.Err() != nil {
				return nil
			}
			intended := begin.Add(time.Duration(n) * interval)
			early := time.Until(intended)
			if l.options.patience > 0 && -early > l.options.patience {
				continue
			}
			if early > 0 { // where all are late, timers would cost as much as requests
				timer.Reset(early)
				select {
				case <-ctx.Done():
					return nil
				case <-timer.C:
				}
			}
			w.times.intended = intended
			if err := w.mix(&next); err != nil {
				w.times.fail(err)
			}
		}
	})
}
