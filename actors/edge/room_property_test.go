package edge

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"boxoffice"
	"boxoffice/actors"
	"boxoffice/actors/messages"
	"boxoffice/waitingroom"
)

// roomWorld is a real gatekeeper, what it told those who watch, and a replica that hears
// of it what a bad network lets through.
type roomWorld struct {
	system  *actor.ActorSystem
	grains  *actors.Grains
	gate    *actor.PID
	clock   *steppedClock
	journal *keptRoom
	told    []*messages.Change // all that was told, in order
	heard   int                // how many of these the replica was offered
	replica *replica
	people  []boxoffice.PlaceRef
	truth   map[point]roomTruth
	now     point
}

// roomTruth is what the room said at one point of its view.
type roomTruth struct {
	positions map[uint64]int // of those who wait
	status    boxoffice.QueueStatus
}

// steppedClock goes on when the test says so; grains read it at any time.
type steppedClock struct{ millis atomic.Int64 }

func (c *steppedClock) Now() time.Time { return time.UnixMilli(c.millis.Load()).UTC() }

type validLease struct{}

func (validLease) Valid() bool { return true }

// keptRoom is a journal in memory for one waiting room.
type keptRoom struct {
	actors.Journal

	epoch  int64
	events []boxoffice.Event
	news   boxoffice.ScheduleNews // all of the schedule's
}

func (j *keptRoom) ActivateWaitingRoom(
	_ context.Context, id int64, _ string, limits waitingroom.Limits,
) (boxoffice.Activation, *waitingroom.Room, boxoffice.ScheduleNews, error) {
	room := waitingroom.New(limits)
	room.ScheduleID = id
	for _, e := range j.events {
		room.Apply(e)
	}
	j.epoch++
	return boxoffice.Activation{Epoch: j.epoch, Version: int64(len(j.events))}, room, j.news, nil
}

func (j *keptRoom) Commit(c boxoffice.Commit, done func(boxoffice.CommitResult)) {
	j.events = append(j.events, c.Events...)
	done(boxoffice.CommitResult{})
}

func (j *keptRoom) ScheduleNews(context.Context, int64, int64) (boxoffice.ScheduleNews, error) {
	return j.news, nil
}
func (j *keptRoom) DueGrains(context.Context, int) ([]boxoffice.Grain, error) { return nil, nil }

// roomWorld is everybody whom the gatekeeper talks to.
func (w *roomWorld) Notify(string, int64, proto.Message) {}

func (w *roomWorld) Watched(boxoffice.Grain, int64, string) *messages.Mark {
	return &messages.Mark{MemberId: "owner"}
}

func (w *roomWorld) Changed(c *messages.Change) bool {
	w.told = append(w.told, c)
	return true
}

func (w *roomWorld) Ended(grain boxoffice.Grain, epoch int64) {
	w.told = append(w.told, endOf(grain, epoch))
}

func newRoomWorld(t *rapid.T, quiet *slog.Logger) *roomWorld {
	start := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	w := &roomWorld{clock: new(steppedClock), truth: map[point]roomTruth{}}
	w.clock.millis.Store(start.UnixMilli())
	w.journal = &keptRoom{events: []boxoffice.Event{{At: start, Data: waitingroom.Opened{
		SalesOpenAt: start, SalesCloseAt: start.Add(100 * time.Hour),
		Capacity:       rapid.IntRange(1, 5).Draw(t, "capacity"),
		AdmitPerSecond: rapid.IntRange(0, 3).Draw(t, "per second"),
	}}}}
	w.system = actor.NewActorSystemWithConfig(actor.Configure(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet })))
	w.grains = actors.New(actors.Config{
		Journal: w.journal, Rows: w.journal, Clock: w.clock, Lease: validLease{}, Notifier: w, Views: w,
		Limits: waitingroom.Limits{AdmissionTTL: time.Hour, ClaimTTL: time.Minute, MaxWaiting: 1000},
		Logger: quiet, IdleAfter: 1000 * time.Hour, ReconcileEvery: 1000 * time.Hour,
	})
	e := &Edge{cfg: Config{Clock: w.clock, Lease: validLease{}, Logger: quiet, MemberID: "me"}, followed: map[*replica]struct{}{}}
	e.sources.known = map[string]*source{}
	e.rooms = newShelf(boxoffice.KindGatekeeper, readRoom)
	w.replica = &replica{edge: e, shelf: &e.rooms, id: 7}
	w.spawn()
	return w
}

func (w *roomWorld) spawn() {
	grain := boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: 7}
	var err error
	w.gate, err = w.system.Root.SpawnNamed(w.grains.Props(grain.Kind), actors.Name(grain, w.system.ProcessRegistry.NextId()))
	if err != nil {
		panic(err)
	}
	// Once it has answered it has told what its activation ends.
	_ = w.system.Root.RequestFuture(w.gate, &messages.ReadQueue{}, 10*time.Second).Wait()
}

func (w *roomWorld) stop() {
	_ = w.system.Root.StopFuture(w.gate).Wait()
}

func (w *roomWorld) ask(t *rapid.T, m proto.Message) proto.Message {
	reply, err := w.system.Root.RequestFuture(w.gate, m, 10*time.Second).Result()
	require.NoError(t, err)
	if shown, ok := reply.(interface {
		GetViewEpoch() int64
		GetViewVersion() int64
	}); ok {
		w.now = point{epoch: shown.GetViewEpoch(), version: shown.GetViewVersion()}
	}
	return reply.(proto.Message)
}

// look notes what the room says at its present point.
func (w *roomWorld) look(t *rapid.T) {
	truth := roomTruth{positions: map[uint64]int{}}
	for _, p := range w.people {
		if place, ok := w.ask(t, &messages.Poll{UserId: p.UserID[:], Sequence: p.Sequence}).(*messages.Place); ok && place.GetPosition() > 0 {
			truth.positions[p.Sequence] = int(place.GetPosition())
		}
	}
	s := w.ask(t, &messages.ReadQueue{}).(*messages.QueueStatus)
	truth.status = boxoffice.QueueStatus{
		ScheduleID: s.GetScheduleId(), State: boxoffice.QueueState(s.GetState()), Waiting: int(s.GetWaiting()),
		Admitted: int(s.GetAdmitted()), Capacity: int(s.GetCapacity()), AdmitPerSecond: int(s.GetAdmitPerSecond()),
		AvailableSeats: int(s.GetAvailableSeats()),
	}
	w.truth[w.now] = truth
}

func (w *roomWorld) join(t *rapid.T) {
	for range rapid.IntRange(1, 3).Draw(t, "joins") {
		userID := uuid.UUID{15: byte(len(w.people)), 14: byte(len(w.people) >> 8), 6: 0x70, 8: 0x80}
		if p, ok := w.ask(t, &messages.Join{UserId: userID[:]}).(*messages.Place); ok {
			w.people = append(w.people, boxoffice.PlaceRef{
				UserID: userID, Sequence: p.GetSequence(), JoinedAt: time.UnixMilli(p.GetJoinedAt()).UTC(),
			})
		}
		w.look(t)
	}
}

func (w *roomWorld) leave(t *rapid.T) {
	if len(w.people) == 0 {
		return
	}
	p := rapid.SampledFrom(w.people).Draw(t, "who leaves")
	w.ask(t, &messages.Leave{UserId: p.UserID[:], Sequence: p.Sequence})
	w.look(t)
}

func (w *roomWorld) configure(t *rapid.T) {
	capacity := int64(rapid.IntRange(1, 5).Draw(t, "capacity"))
	paused := rapid.Bool().Draw(t, "paused")
	w.ask(t, &messages.Configure{Capacity: &capacity, Paused: &paused})
	w.look(t)
}

func (w *roomWorld) sell(t *rapid.T) {
	after := w.journal.news.Version
	w.journal.news = boxoffice.ScheduleNews{
		Version: after + 1, AvailableSeats: rapid.IntRange(0, 50).Draw(t, "free"), SoldOut: rapid.Bool().Draw(t, "sold out"),
	}
	w.system.Root.Send(w.gate, &messages.ScheduleNews{
		After: after, Version: after + 1,
		AvailableSeats: int32(w.journal.news.AvailableSeats), SoldOut: w.journal.news.SoldOut,
	})
	w.look(t)
}

// pass lets time admit and expire.
func (w *roomWorld) pass(t *rapid.T) {
	w.clock.millis.Add(rapid.SampledFrom([]time.Duration{
		time.Millisecond, time.Second, 2 * time.Minute, time.Hour,
	}).Draw(t, "time").Milliseconds())
	w.system.Root.Send(w.gate, &messages.Wake{})
	w.look(t)
}

// crash replaces the room's activation by a new one.
func (w *roomWorld) crash(t *rapid.T) {
	w.stop()
	w.spawn()
	w.look(t)
}

// hear passes some of what was told on: lost, twice, or as it was.
func (w *roomWorld) hear(t *rapid.T) {
	for ; w.heard < len(w.told); w.heard++ {
		switch rapid.IntRange(0, 9).Draw(t, "network") {
		case 0: // lost
		case 1:
			w.take(w.told[w.heard])
			w.take(w.told[w.heard])
		case 2:
			w.take(w.told[rapid.IntRange(0, w.heard).Draw(t, "late")])
			w.take(w.told[w.heard])
		default:
			w.take(w.told[w.heard])
		}
	}
}

func (w *roomWorld) take(c *messages.Change) {
	w.replica.take(proto.Clone(c).(*messages.Change))
}

// watch asks for the whole view; some of what is told meanwhile arrives before it.
func (w *roomWorld) watch(t *rapid.T) {
	asked := &watch{sentAt: w.clock.Now(), done: make(chan struct{})}
	w.replica.watch = asked
	answer := w.ask(t, &messages.Watch{Watcher: "me"})
	if rapid.Bool().Draw(t, "meanwhile") {
		w.join(t)
	}
	w.hear(t)
	w.replica.endWatch(asked, answer, nil)
	require.NoError(t, asked.err)
}

// check wants the replica to say what the room said at that point, or nothing.
func (w *roomWorld) check(t *rapid.T) {
	r := w.replica
	if r.view == nil {
		return
	}
	truth, ok := w.truth[r.at]
	if !ok { // the room went through it while several things were done at once
		return
	}
	known := r.view.(*room)
	require.Equal(t, truth.status.Waiting, known.view.Waiting)
	require.Equal(t, truth.status, known.view.Status(w.clock.Now()))
	for _, p := range w.people {
		place, refusal, waits := known.place(p, w.clock.Now())
		require.Nil(t, refusal)
		require.Equal(t, truth.positions[p.Sequence] > 0, waits)
		require.Equal(t, truth.positions[p.Sequence], place.Position)
		if waits && r.at == w.now {
			shown := w.ask(t, &messages.Poll{UserId: p.UserID[:], Sequence: p.Sequence}).(*messages.Place)
			require.Equal(t, []int64{shown.GetEtaMin(), shown.GetEtaMax(), shown.GetPollAfter(), shown.GetJoinedAt()},
				[]int64{place.ETAMin.Milliseconds(), place.ETAMax.Milliseconds(), place.PollAfter.Milliseconds(), place.JoinedAt.UnixMilli()})
		}
	}
}

// Whatever the network does, a replica says exactly what the room said at one point, or
// that it does not know; and once it has asked, and hears everything, it is up to date.
func TestReplicaOfARoomNeverLies(t *testing.T) {
	t.Parallel()
	quiet := slog.New(slog.DiscardHandler)
	rapid.Check(t, func(t *rapid.T) {
		w := newRoomWorld(t, quiet)
		defer w.system.Shutdown()
		defer w.grains.Wait()
		defer w.stop()
		t.Repeat(map[string]func(*rapid.T){
			"join":      w.join,
			"leave":     w.leave,
			"configure": w.configure,
			"sell":      w.sell,
			"pass":      w.pass,
			"crash":     w.crash,
			"hear":      w.hear,
			"hear more": w.hear,
			"watch":     w.watch,
			"":          w.check,
		})
		w.heard = len(w.told) // what has not come until here never does
		asked := &watch{sentAt: w.clock.Now(), done: make(chan struct{})}
		w.replica.watch = asked
		w.replica.endWatch(asked, w.ask(t, &messages.Watch{Watcher: "me"}), nil)
		w.join(t)
		for ; w.heard < len(w.told); w.heard++ {
			w.take(w.told[w.heard])
		}
		require.NotNil(t, w.replica.view)
		require.Equal(t, w.now, w.replica.at)
		w.check(t)
	})
}
