package actors

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// protoactor counts the dead letters of each second on a goroutine that ends by itself.
const deadLetterCounter = "github.com/asynkron/protoactor-go/actor.NewDeadLetter.NewThrottle.func4.1"

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(deadLetterCounter))
}

const patience = 10 * time.Second

// scriptedJournal keeps commits in memory and lets a test hold them back or decide how
// they end. The real one has its own tests, on a real Postgres.
type scriptedJournal struct {
	mu       sync.Mutex
	epochs   map[boxoffice.Grain]int64
	versions map[boxoffice.Grain]int64
	events   map[boxoffice.Grain][]boxoffice.Event
	commits  []boxoffice.Commit
	// verdict, if set, ends a commit; a zero result lets it through.
	verdict func(boxoffice.Commit) boxoffice.CommitResult
	loadErr error
	ended   []boxoffice.EndedPlace // places of the schedule's rows

	gate    chan struct{} // nil: open; else a commit waits for a value or the close
	waiting atomic.Int32  // commits at the gate
	looks   atomic.Int32  // at a schedule's journal
	slow    chan struct{} // nil: looks are quick; else each waits for a value or the end of its context
	tasks   sync.WaitGroup
}

func newJournal(tb testing.TB) *scriptedJournal {
	tb.Helper()
	j := &scriptedJournal{
		epochs:   map[boxoffice.Grain]int64{},
		versions: map[boxoffice.Grain]int64{},
		events:   map[boxoffice.Grain][]boxoffice.Event{},
	}
	tb.Cleanup(j.tasks.Wait)
	return j
}

// found writes the first events of a schedule.
func (j *scriptedJournal) found(id int64, opened waitingroom.Opened, terms boxoffice.Terms, at time.Time) {
	schedule := boxoffice.Grain{Kind: boxoffice.KindSchedule, ID: id}
	gatekeeper := boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: id}
	j.events[schedule] = []boxoffice.Event{{At: at, Data: seatmap.Opened{Terms: terms}}}
	j.events[gatekeeper] = []boxoffice.Event{{At: at, Data: opened}}
	j.versions[schedule], j.versions[gatekeeper] = 1, 1
}

func (j *scriptedJournal) activate(grain boxoffice.Grain) (boxoffice.Activation, []boxoffice.Event, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.loadErr != nil {
		return boxoffice.Activation{}, nil, j.loadErr
	}
	events, ok := j.events[grain]
	if !ok {
		return boxoffice.Activation{}, nil, boxoffice.ErrNoGrain
	}
	j.epochs[grain]++
	return boxoffice.Activation{Epoch: j.epochs[grain], Version: j.versions[grain]}, events, nil
}

func (j *scriptedJournal) ActivateSchedule(
	_ context.Context, id int64, _ string,
) (boxoffice.Activation, *seatmap.Seats, []boxoffice.EndedPlace, error) {
	activation, events, err := j.activate(boxoffice.Grain{Kind: boxoffice.KindSchedule, ID: id})
	if err != nil {
		return activation, nil, nil, err
	}
	state, err := seatmap.Restore(nil, events)
	return activation, state, j.ended, err
}

func (j *scriptedJournal) ActivateWaitingRoom(
	_ context.Context, id int64, _ string, limits waitingroom.Limits,
) (boxoffice.Activation, *waitingroom.Room, boxoffice.ScheduleNews, error) {
	activation, events, err := j.activate(boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: id})
	if err != nil {
		return activation, nil, boxoffice.ScheduleNews{}, err
	}
	room := waitingroom.New(limits)
	room.ScheduleID = id
	for _, e := range events {
		room.Apply(e)
	}
	news, err := j.news(id, 0)
	return activation, room, news, err
}

// ScheduleNews counts the looks.
func (j *scriptedJournal) ScheduleNews(ctx context.Context, id, after int64) (boxoffice.ScheduleNews, error) {
	j.looks.Add(1)
	if j.slow != nil {
		select {
		case <-j.slow:
		case <-ctx.Done():
			return boxoffice.ScheduleNews{}, ctx.Err()
		}
	}
	return j.news(id, after)
}

// news reads what the schedule's journal says after a version.
func (j *scriptedJournal) news(id, after int64) (boxoffice.ScheduleNews, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	events := j.events[boxoffice.Grain{Kind: boxoffice.KindSchedule, ID: id}]
	state, err := seatmap.Restore(nil, events)
	if err != nil {
		return boxoffice.ScheduleNews{}, err
	}
	return state.NewsOf(events[after:], after, int64(len(events)), events[len(events)-1].At), nil
}

func (j *scriptedJournal) Commit(c boxoffice.Commit, done func(boxoffice.CommitResult)) {
	j.tasks.Go(func() {
		if j.gate != nil {
			j.waiting.Add(1)
			<-j.gate
			j.waiting.Add(-1)
		}
		done(j.commit(c))
	})
}

func (j *scriptedJournal) commit(c boxoffice.Commit) boxoffice.CommitResult {
	j.mu.Lock()
	defer j.mu.Unlock()
	if c.Epoch != j.epochs[c.Grain] || c.Version != j.versions[c.Grain] {
		return boxoffice.CommitResult{Err: boxoffice.ErrFenced}
	}
	if j.verdict != nil {
		if result := j.verdict(c); result.Err != nil || result.Refusals != nil {
			return result
		}
	}
	j.commits = append(j.commits, c)
	j.events[c.Grain] = append(j.events[c.Grain], c.Events...)
	j.versions[c.Grain] += int64(len(c.Events))
	balances := map[boxoffice.Movement]int64{}
	for _, e := range c.Events {
		switch d := e.Data.(type) {
		case seatmap.Confirmed:
			balances[boxoffice.Movement{ID: d.PaymentID}] = balanceAfter
		case seatmap.Cancelled:
			balances[boxoffice.Movement{ID: d.PaymentID, Refund: true}] = balanceAfter + d.Amount
		}
	}
	return boxoffice.CommitResult{Balances: balances}
}

// balanceAfter is what the scripted journal says an account has after any payment.
const balanceAfter = 4_321

func (j *scriptedJournal) DueGrains(context.Context, int) ([]boxoffice.Grain, error) {
	return nil, errors.New("not in these tests")
}

func (j *scriptedJournal) committed() []boxoffice.Commit {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]boxoffice.Commit(nil), j.commits...)
}

// manualClock stands still until a test moves it.
type manualClock struct{ now atomic.Int64 }

func (c *manualClock) Now() time.Time          { return time.UnixMilli(c.now.Load()).UTC() }
func (c *manualClock) advance(d time.Duration) { c.now.Add(d.Milliseconds()) }

type switchedLease struct{ lost atomic.Bool }

func (l *switchedLease) Valid() bool { return !l.lost.Load() }

// noViews is for grains that nobody watches.
type noViews struct{}

func (noViews) Watched(boxoffice.Grain, int64, string) *messages.Mark { return &messages.Mark{} }
func (noViews) Changed(*messages.Change) bool                         { return false }
func (noViews) Ended(boxoffice.Grain, int64)                          {}

// house is one node's grains without a cluster: actors are spawned and asked directly.
type house struct {
	t        *testing.T
	system   *actor.ActorSystem
	grains   *Grains
	journal  *scriptedJournal
	clock    *manualClock
	lease    *switchedLease
	schedule *actor.PID
	gate     *actor.PID
	notified chan proto.Message
	start    time.Time
}

// Notify passes a schedule's messages on to its gatekeeper.
func (h *house) Notify(kind string, _ int64, m proto.Message) {
	if kind == string(boxoffice.KindGatekeeper) && h.gate != nil {
		h.system.Root.Send(h.gate, m)
	}
	select {
	case h.notified <- m:
	default:
	}
}

const scheduleID = 7

func setup(t *testing.T, change ...func(*Config)) *house {
	t.Helper()
	h := &house{
		t:        t,
		journal:  newJournal(t),
		clock:    &manualClock{},
		lease:    &switchedLease{},
		notified: make(chan proto.Message, 1024),
		start:    time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC),
	}
	h.clock.now.Store(h.start.UnixMilli())
	logger := slog.New(slog.DiscardHandler)
	h.system = actor.NewActorSystemWithConfig(actor.Configure(actor.WithLoggerFactory(
		func(*actor.ActorSystem) *slog.Logger { return logger })))
	terms := boxoffice.Terms{
		ScheduleID:           scheduleID,
		ConcertID:            3,
		StartsAt:             h.start.Add(48 * time.Hour),
		EndsAt:               h.start.Add(50 * time.Hour),
		TimeZone:             "UTC",
		SalesOpenAt:          h.start,
		SalesCloseAt:         h.start.Add(47 * time.Hour),
		CancellationClosesAt: h.start.Add(38 * time.Hour),
		Price:                100,
	}
	for i := range terms.Prices {
		terms.Prices[i] = 100
	}
	h.journal.found(scheduleID, waitingroom.Opened{
		SalesOpenAt: terms.SalesOpenAt, SalesCloseAt: terms.SalesCloseAt, Capacity: 2,
	}, terms, h.start)
	cfg := Config{
		Journal:  h.journal,
		Rows:     h.journal,
		Clock:    h.clock,
		Lease:    h.lease,
		Notifier: h,
		Views:    noViews{},
		Owner:    "test",
		Limits:   waitingroom.Limits{AdmissionTTL: 10 * time.Minute, ClaimTTL: time.Minute, MaxWaiting: 1000},
		HoldTTL:  5 * time.Minute,
		Logger:   logger,
	}
	for _, c := range change {
		c(&cfg)
	}
	h.grains = New(cfg)
	t.Cleanup(func() {
		if h.journal.gate != nil {
			close(h.journal.gate)
		}
		for _, pid := range []*actor.PID{h.schedule, h.gate} {
			if pid != nil {
				_ = h.system.Root.StopFuture(pid).Wait()
			}
		}
		h.journal.tasks.Wait()
		h.grains.Wait()
		h.system.Shutdown()
	})
	return h
}

func (h *house) spawn(kind boxoffice.Kind, id int64) *actor.PID {
	h.t.Helper()
	return spawn(h.t, h.system, h.grains, boxoffice.Grain{Kind: kind, ID: id})
}

func spawn(t testing.TB, system *actor.ActorSystem, grains *Grains, grain boxoffice.Grain) *actor.PID {
	t.Helper()
	pid, err := system.Root.SpawnNamed(grains.Props(grain.Kind), Name(grain, system.ProcessRegistry.NextId()))
	require.NoError(t, err)
	return pid
}

// ask sends a message and returns a func that waits for its answer.
func (h *house) ask(pid *actor.PID, m proto.Message) func() proto.Message {
	future := h.system.Root.RequestFuture(pid, m, patience)
	return func() proto.Message {
		h.t.Helper()
		reply, err := future.Result()
		require.NoError(h.t, err)
		require.Implements(h.t, (*proto.Message)(nil), reply)
		return reply.(proto.Message)
	}
}
