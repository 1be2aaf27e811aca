package workload

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"boxoffice"
	"boxoffice/chaos/history"
)

// steadyDoor lets in everybody that a steady load has for a schedule.
const steadyDoor = 2 * boxoffice.SeatCount

// Steady is an open-loop load: so many requests a second, whatever became of the ones
// before. Each buyer has a seat of their own, holds it, pays, cancels and joins again, one
// request after the other; a request of which nothing is known is sent once more, with the
// same key, to the next node and at once, as a load balancer does. The buyers of each
// schedule take the nodes in turn, so that every schedule is asked for at every node.
type Steady struct {
	*Fleet
	// Looks is true if others look at every schedule all the time; see [Reader].
	Looks bool

	rate int // requests a second
	idle chan *buyer

	mu       sync.Mutex
	requests []Request
}

// Request is what a buyer asked for, once or twice.
type Request struct {
	ScheduleID int64
	// Due is when it was to be sent, Done when it was answered or given up.
	Due, Done time.Duration
	Tries     int
	Failed    bool // not answered by the second try either
	Refused   bool // answered with a refusal, which nothing here is to be
}

// buyer is who buys one seat again and again.
type buyer struct {
	*user
	scheduleID  int64
	seat        int
	next        history.Kind
	reservation uuid.UUID
	payment     uuid.UUID
}

// NewSteady puts so many schedules on sale and registers a buyer for each of their seats.
func NewSteady(ctx context.Context, cfg Config, rate, schedules int) (*Steady, error) {
	f, err := newShop(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &Steady{Fleet: f, rate: rate, idle: make(chan *buyer, schedules*boxoffice.SeatCount)}
	for range schedules {
		id, err := f.addSchedule(ctx, map[string]any{"capacity": steadyDoor})
		if err != nil {
			return nil, err
		}
		f.ScheduleIDs = append(f.ScheduleIDs, id)
	}
	buyers := make([]*buyer, cap(s.idle))
	err = spread(burstWorkers, len(buyers), func(i int) (err error) {
		buyers[i], err = f.newBuyer(ctx, f.ScheduleIDs[i%schedules], 1+i/schedules)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, b := range buyers {
		s.idle <- b
	}
	return s, nil
}

func (f *Fleet) newBuyer(ctx context.Context, scheduleID int64, seat int) (*buyer, error) {
	u, err := f.register(ctx, fmt.Sprintf("buyer of seat %d", seat), initialFunds)
	if err != nil {
		return nil, err
	}
	joined := f.must(ctx, u.join(scheduleID))
	if joined.Result != history.OK {
		return nil, unprepared(joined)
	}
	u.places[scheduleID] = joined.Answer.Token
	return &buyer{user: u, scheduleID: scheduleID, seat: seat, next: history.Hold}, nil
}

// Run sends requests until ctx ends, and returns when all of them are over.
func (s *Steady) Run(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	if s.Looks {
		for _, id := range s.ScheduleIDs {
			asking.Go(func() { s.read(ctx, &prober{}, id) })
		}
	}
	interval := time.Second / time.Duration(s.rate)
	began := s.now()
	turns := make(map[int64]int, len(s.ScheduleIDs)) // which node each schedule's next buyer asks
	pause := time.NewTimer(0)
	defer pause.Stop()
	for n := 0; ; n++ {
		due := began + time.Duration(n)*interval
		pause.Reset(due - s.now())
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		select {
		case b := <-s.idle:
			node := turns[b.scheduleID]
			turns[b.scheduleID]++
			asking.Go(func() {
				s.do(ctx, b, node, due)
				s.idle <- b
			})
		case <-ctx.Done():
			return
		}
	}
}

func (s *Steady) now() time.Duration { return s.cfg.Recorder.Since(time.Now()) }

// do makes a buyer's next request, once or twice.
func (s *Steady) do(ctx context.Context, b *buyer, node int, due time.Duration) {
	q := b.ask()
	done := Request{ScheduleID: b.scheduleID, Due: due, Tries: 1}
	op := s.api.send(ctx, steadyClient, node%len(s.cfg.URLs), q)
	if !op.Result.Definite() {
		done.Tries++
		op = s.api.send(ctx, steadyClient, (node+1)%len(s.cfg.URLs), q)
	}
	done.Done, done.Failed, done.Refused = op.Return, !op.Result.Definite(), op.Result == history.Refused
	b.learn(op)
	s.mu.Lock()
	s.requests = append(s.requests, done)
	s.mu.Unlock()
}

// steadyClient is the client number of a steady load's buyers.
const steadyClient = -3

// Requests returns all finished requests.
func (s *Steady) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ask is the buyer's next request.
func (b *buyer) ask() ask {
	switch b.next {
	case history.Hold:
		return b.hold(b.scheduleID, b.seat).keyed(newKey())
	case history.Pay:
		return b.pay(b.scheduleID, b.reservation).keyed(newKey())
	case history.Cancel:
		return b.cancel(b.scheduleID, b.payment).keyed(newKey())
	case history.Join:
		return b.join(b.scheduleID)
	default:
		return b.reservations()
	}
}

// learn decides what is next. After a refusal, or when nobody knows what happened, that is
// to look what the buyer has.
func (b *buyer) learn(op history.Operation) {
	if op.Result != history.OK {
		b.next = history.MyHolds
		return
	}
	switch b.next {
	case history.Hold:
		b.reservation, b.next = op.Answer.ReservationID, history.Pay
	case history.Pay:
		b.payment, b.next = op.Answer.PaymentUUID(), history.Cancel
	case history.Cancel:
		b.next = history.Join
	case history.Join:
		b.places[b.scheduleID], b.next = op.Answer.Token, history.Hold
	default:
		b.next = history.Join
		for _, item := range op.Answer.Items {
			switch {
			case item.Status == "held":
				b.reservation, b.next = item.ReservationID, history.Pay
			case item.Status == "confirmed" && item.PaymentID != nil:
				b.payment, b.next = *item.PaymentID, history.Cancel
			}
		}
	}
}
