package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// scenario is one kind of load.
type scenario struct {
	needs func(options) needs
	run   func(context.Context, *load) error
}

// scenarios gives all of them by name.
func scenarios() map[string]*scenario {
	crowd := func(o options) needs { return needs{schedules: 1, admitted: max(seatsPerShow, o.connections)} }
	mix := func(o options) needs {
		return needs{schedules: o.schedules, admitted: seatsPerShow, waiting: o.waiting}
	}
	return map[string]*scenario{
		"sellout": {
			needs: func(o options) needs { return needs{schedules: o.schedules, admitted: seatsPerShow} },
			run:   sellout,
		},
		"stampede": {needs: crowd, run: stampede},
		"seats":    {needs: crowd, run: seats},
		"polls":    {needs: func(o options) needs { return needs{waiting: o.waiting} }, run: polls},
		"mixed":    {needs: mix, run: mixed},
		"steady":   {needs: mix, run: steady},
	}
}

// load is a scenario that runs.
type load struct {
	options  options
	api      *api
	world    *world
	report   *report
	progress *progress
}

// worker is one connection.
type worker struct {
	*load
	call  *call
	times *recorder
	rng   *rand.Rand
}

// workers runs do on every connection until it returns or the time is over; it is given
// a context that ends then.
func (l *load) workers(ctx context.Context, limit time.Duration, do func(context.Context, *worker) error) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	bar := l.progress.start(l.options.scenario, 0)
	defer bar.stop()
	l.report.begin()
	var group errgroup.Group
	for i := range l.options.connections {
		w := &worker{
			load:  l,
			call:  l.api.newCall(i),
			times: l.report.recorder(bar),
			rng:   rand.New(rand.NewPCG(uint64(i), 1)),
		}
		group.Go(func() error { return do(ctx, w) })
	}
	err := group.Wait()
	l.report.end()
	return err
}

// sellout: buyers, each with a place, take turns over all schedules.
func sellout(ctx context.Context, l *load) error {
	perShow := len(l.world.schedules[0].places)
	var next atomic.Int64
	return l.workers(ctx, 0, func(ctx context.Context, w *worker) error {
		for ctx.Err() == nil {
			i := int(next.Add(1)) - 1
			if i >= perShow*len(l.world.schedules) {
				return nil
			}
			s := l.world.schedules[i%len(l.world.schedules)]
			if err := w.buy(s, s.places[i/len(l.world.schedules)]); err != nil {
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
			if _, err := w.look(s, place, etag); err != nil {
				return err
			}
			if l.options.etag {
				// Names are not normalized: this is how net/http spells it.
				if etag = string(w.call.response.Header.Peek("Etag")); etag == "" {
					return fmt.Errorf("%w: a seat map without an ETag", errUnexpected)
				}
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

// steady is mixed at a fixed rate: each connection has its share of the starts.
func steady(ctx context.Context, l *load) error {
	var next, started atomic.Int64
	interval := time.Duration(int64(time.Second) / int64(l.options.rate))
	begin := time.Now()
	return l.workers(ctx, l.options.duration, func(ctx context.Context, w *worker) error {
		for {
			intended := begin.Add(time.Duration(started.Add(1)-1) * interval)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Until(intended)):
			}
			w.times.intended = intended
			if err := w.mix(&next); err != nil {
				return err
			}
		}
	})
}

func (w *worker) mix(next *atomic.Int64) error {
	shows := w.world.schedules
	dice := w.rng.IntN(100)
	if dice < 80 {
		return w.poll()
	}
	if dice >= 95 {
		if i := int(next.Add(1)) - 1; i < len(shows)*len(shows[0].places) {
			s := shows[i%len(shows)]
			return w.buy(s, s.places[i/len(shows)])
		}
	}
	s := shows[w.rng.IntN(len(shows))]
	_, err := w.look(s, s.places[len(s.places)-1], "")
	return err
}

// buy looks, holds and pays, and tries the next seat where somebody was faster.
func (w *worker) buy(s *show, p *placeInLine) error {
	free, err := w.look(s, p, "")
	for err == nil && len(free) > 0 {
		var status int
		status, err = w.hold(s, p, free[w.rng.IntN(len(free))])
		if err != nil || status == http.StatusServiceUnavailable {
			continue
		}
		if status == http.StatusConflict {
			var problem struct {
				AvailableSeats []int `json:"availableSeats"`
			}
			err = json.Unmarshal(w.call.response.Body(), &problem)
			free = problem.AvailableSeats
			continue
		}
		return w.pay(s, p)
	}
	return err
}

// look reads the seat map and gives the numbers of the free seats.
func (w *worker) look(s *show, p *placeInLine, etag string) ([]int, error) {
	headers := []string{"Authorization", bearer(p.user.token), "Queue-Token", p.token}
	if etag != "" {
		headers = append(headers, "If-None-Match", etag)
	}
	status, err := w.timed("seats", "GET", "/api/v1/schedules/"+itoa(s.id)+"/seats", nil, headers...)
	if err != nil || status == http.StatusNotModified || status == http.StatusServiceUnavailable {
		return nil, err
	}
	if status == http.StatusForbidden { // the place was used up: a look of the mix came late
		return nil, nil
	}
	if status != http.StatusOK {
		return nil, w.call.unexpected(status)
	}
	if w.options.scenario == "seats" {
		return nil, nil
	}
	return freeSeats(w.call.response.Body())
}

// freeSeats reads the numbers of the free seats out of a seat map, which is JSON without
// spaces whose seats are flat objects. What a client spends on it, the servers on a small
// machine do not get: encoding/json took a third of all that a client did.
func freeSeats(seatMap []byte) ([]int, error) {
	_, seats, found := bytes.Cut(seatMap, []byte(`"seats":[`))
	if !found {
		return nil, fmt.Errorf("%w: no seat map: %s", errUnexpected, seatMap)
	}
	free := make([]int, 0, seatsPerShow)
	for seat := range bytes.SplitSeq(seats, []byte("}")) {
		if !bytes.Contains(seat, []byte(`"status":"available"`)) {
			continue
		}
		_, number, _ := bytes.Cut(seat, []byte(`"seatNumber":`))
		number, _, _ = bytes.Cut(number, []byte(","))
		n, err := strconv.Atoi(string(number))
		if err != nil {
			return nil, fmt.Errorf("%w: a seat without number: %s", errUnexpected, seat)
		}
		free = append(free, n)
	}
	return free, nil
}

// hold asks for a seat; 409 is an answer like any other.
func (w *worker) hold(s *show, p *placeInLine, seat int) (int, error) {
	status, err := w.timed("hold", "POST", "/api/v1/schedules/"+itoa(s.id)+"/reservations",
		[]byte(`{"seatNumber":`+itoa(seat)+`}`), "Authorization", bearer(p.user.token), "Queue-Token", p.token)
	if err != nil {
		return 0, err
	}
	switch status {
	case http.StatusCreated, http.StatusOK, http.StatusConflict, http.StatusServiceUnavailable:
		return status, nil
	default:
		return status, w.call.unexpected(status)
	}
}

// pay pays the reservation that the last answer gave, and tries again where the node is
// too busy: the key makes that safe.
func (w *worker) pay(s *show, p *placeInLine) error {
	var held struct {
		ReservationID string `json:"reservationId"`
		Price         int64  `json:"price"`
	}
	if err := json.Unmarshal(w.call.response.Body(), &held); err != nil {
		return err
	}
	key := uuid.NewString()
	for {
		status, err := w.timed("pay", "POST", "/api/v1/payments", []byte(`{"reservationId":"`+held.ReservationID+`"}`),
			"Authorization", bearer(p.user.token), "Idempotency-Key", key)
		switch {
		case err != nil:
			return err
		case status == http.StatusServiceUnavailable:
			continue
		case status != http.StatusCreated:
			return w.call.unexpected(status)
		}
		s.sold.Add(1)
		p.user.spent.Add(held.Price)
		w.times.booked++
		return nil
	}
}

func (w *worker) poll() error {
	queue := w.world.queue
	p := queue.places[w.rng.IntN(len(queue.places))]
	status, err := w.timed("poll", "GET", "/api/v1/schedules/"+itoa(queue.id)+"/queue-tokens/me", nil, "Queue-Token", p.token)
	if err == nil && status != http.StatusOK && status != http.StatusServiceUnavailable {
		err = w.call.unexpected(status)
	}
	return err
}

// timed sends a request and records how long its answer took.
func (w *worker) timed(what, method, path string, body []byte, headers ...string) (int, error) {
	start := time.Now()
	if !w.times.intended.IsZero() {
		start, w.times.intended = w.times.intended, time.Time{}
	}
	status, err := w.call.do(method, path, body, headers...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	w.times.record(what, status, time.Since(start))
	return status, nil
}
