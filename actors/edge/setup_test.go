package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
	"boxoffice/seatmap"
)

// protoactor counts the dead letters of each second on a goroutine that ends by itself.
const deadLetterCounter = "github.com/asynkron/protoactor-go/actor.NewDeadLetter.NewThrottle.func4.1"

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(deadLetterCounter))
}

const (
	scheduleID = 7
	holdTTL    = 5 * time.Minute
	someTime   = 100 * time.Millisecond // for a feed to arrive: several times feedEvery
)

// world is a few nodes and one schedule, in a bubble of package synctest. What passes
// between nodes may be tampered with.
type world struct {
	t     require.TestingT
	grain *grain
	nodes []*node

	mu sync.Mutex
	// tamper, if set, returns what arrives in place of a message; nothing: it is lost.
	tamper func(to *node, feed *messages.Feed) []*messages.Feed
	calls  map[string]int // of each node, by type of message
	// meanwhile, if set, runs once after the grain has answered a watch and before the
	// answer arrives.
	meanwhile func()
}

// node is the edge of one node and what it stands on.
type node struct {
	*Edge

	world *world
	id    string
	lost  atomic.Bool  // its lease
	skew  atomic.Int64 // of its clock, in milliseconds
	hears func([]byte)
}

func (n *node) Valid() bool { return !n.lost.Load() }

// clock is that of the bubble, in milliseconds, plus the node's skew.
func (n *node) Now() time.Time {
	return now().Add(time.Duration(n.skew.Load()) * time.Millisecond)
}

func now() time.Time {
	return time.Now().UTC().Truncate(time.Millisecond)
}

// pass lets time go by.
func pass(d time.Duration) { <-time.After(d) }

func (n *node) Publish(subject string, data []byte) {
	if subject != "feed."+n.id {
		panic("published to " + subject)
	}
	for _, to := range n.world.nodes {
		if to != n {
			to.arrive(data)
		}
	}
}

func (n *node) arrive(data []byte) {
	n.world.mu.Lock()
	tamper := n.world.tamper
	n.world.mu.Unlock()
	if tamper == nil {
		n.hears(data)
		return
	}
	feed := new(messages.Feed)
	require.NoError(n.world.t, proto.Unmarshal(data, feed))
	for _, f := range tamper(n, feed) {
		again, err := proto.Marshal(f)
		require.NoError(n.world.t, err)
		n.hears(again)
	}
}

func (n *node) Subscribe(subject string, each func([]byte)) (func(), error) {
	if subject != "feed.*" {
		return nil, errors.New("subscribed to " + subject)
	}
	n.hears = each
	return func() {}, nil
}

func (n *node) Notify(string, int64, proto.Message) {}

// Call asks the grain, wherever it lives.
func (n *node) Call(_ context.Context, kind string, id int64, m proto.Message) (proto.Message, error) {
	w := n.world
	w.mu.Lock()
	w.calls[n.id+" "+strings.TrimPrefix(fmt.Sprintf("%T", m), "*messages.")]++
	w.mu.Unlock()
	if kind != string(boxoffice.KindSchedule) || id != scheduleID {
		return &messages.Refusal{Code: string(boxoffice.CodeScheduleNotFound)}, nil
	}
	reply, err := w.grain.handle(m)
	if _, ok := m.(*messages.Watch); ok && err == nil {
		w.mu.Lock()
		meanwhile := w.meanwhile
		w.meanwhile = nil
		w.mu.Unlock()
		if meanwhile != nil {
			meanwhile()
		}
	}
	return reply, err
}

// asked returns how often a node has asked the grain something, and resets that.
func (w *world) asked(n *node, message string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.calls[n.id+" "+message]
	delete(w.calls, n.id+" "+message)
	return asked
}

func (w *world) tamperWith(f func(to *node, feed *messages.Feed) []*messages.Feed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tamper = f
}

// loseFeeds lets nothing arrive at a node that f says so of.
func (w *world) loseFeeds(f func(to *node, feed *messages.Feed) bool) {
	w.tamperWith(func(to *node, feed *messages.Feed) []*messages.Feed {
		if f(to, feed) {
			return nil
		}
		return []*messages.Feed{feed}
	})
}

// inBubble runs a test on a world of nodes, of which the first owns the schedule.
func inBubble(t *testing.T, nodes int, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nodes)
		defer w.close()
		test(t, w)
	})
}

func newWorld(t require.TestingT, nodes int) *world {
	w := &world{t: t, calls: make(map[string]int)}
	for i := range nodes {
		n := &node{world: w, id: string(rune('a' + i))}
		e, err := New(Config{
			Caller: n, Notifier: n, Bus: n, Lease: n, Clock: n, MemberID: n.id,
			Logger: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		n.Edge = e
		w.nodes = append(w.nodes, n)
	}
	schedule, err := seatmap.Restore(nil, []boxoffice.Event{opened()})
	require.NoError(t, err)
	w.grain = &grain{t: t, schedule: schedule, owner: w.nodes[0], epoch: 1}
	return w
}

func (w *world) close() {
	for _, n := range w.nodes {
		n.Close()
	}
}

func opened() boxoffice.Event {
	terms := boxoffice.Terms{
		ScheduleID: scheduleID, ConcertID: 3, TimeZone: "UTC", Price: 100,
		SalesOpenAt: now().Add(-time.Hour), SalesCloseAt: now().Add(1000 * time.Hour),
		StartsAt: now().Add(1001 * time.Hour), EndsAt: now().Add(1002 * time.Hour),
		CancellationClosesAt: now().Add(1000 * time.Hour),
	}
	return boxoffice.Event{At: now().Add(-2 * time.Hour), Data: seatmap.Opened{Terms: terms}}
}

// grain is the schedule, as its shell shows it: changes are told before anybody is
// answered, and only to those who watch.
type grain struct {
	t        require.TestingT
	mu       sync.Mutex
	schedule *seatmap.Seats
	owner    *node
	epoch    int64
	version  int64
	watched  bool
	down     bool // nobody answers
	// unreadable makes whole views that nothing can be made of.
	unreadable bool
	// committed, if set, is called after every commit, before anybody hears of it.
	committed func()
}

func (g *grain) handle(m proto.Message) (proto.Message, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down {
		return nil, boxoffice.Unavailable(errors.New("down"))
	}
	g.commit(g.schedule.Due(g.owner.Now()))
	switch m := m.(type) {
	case *messages.Watch:
		mark := g.owner.Watched(g.id(), g.epoch, m.GetWatcher())
		mark.Epoch, mark.Version = g.epoch, g.version
		g.watched = true
		if g.unreadable {
			return &messages.SeatsState{Mark: mark}, nil
		}
		return state(g.schedule.View(), mark), nil
	case *messages.ReadSeats:
		if a := m.GetAdmission(); a != nil {
			admission := boxoffice.Admission{UserID: uuid.UUID(a.GetUserId()), Sequence: a.GetSequence(), EndsAt: time.UnixMilli(a.GetEndsAt())}
			if refusal := g.schedule.CheckAdmission(admission, g.owner.Now()); refusal != nil {
				return &messages.Refusal{Code: string(refusal.Code), Detail: refusal.Detail, ViewEpoch: g.epoch, ViewVersion: g.version}, nil
			}
		}
		seatMap := g.schedule.SeatMap(g.owner.Now())
		s := mapMessage(&seatMap)
		s.ViewEpoch, s.ViewVersion = g.epoch, g.version
		return s, nil
	case *messages.EndPlace:
		g.decide(seatmap.EndPlace{EndedPlace: boxoffice.EndedPlace{
			Sequence: m.GetSequence(), EndsAt: time.UnixMilli(m.GetEndsAt()),
		}})
		return &messages.Outcome{ViewEpoch: g.epoch, ViewVersion: g.version}, nil
	case *messages.Hold: // of the seat that the sequence says
		g.decide(hold(int(m.GetAdmission().GetSequence()), int(m.GetSeatNumber()), g.owner.Now()))
		return &messages.Outcome{ViewEpoch: g.epoch, ViewVersion: g.version}, nil
	}
	return nil, fmt.Errorf("unexpected %T", m)
}

func (g *grain) id() boxoffice.Grain {
	return boxoffice.Grain{Kind: boxoffice.KindSchedule, ID: scheduleID}
}

// do decides a command on the owner, as if another client had sent it.
func (g *grain) do(commands ...seatmap.Command) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, cmd := range commands {
		g.decide(cmd)
	}
}

func (g *grain) decide(cmd seatmap.Command) {
	at := g.owner.Now()
	g.commit(g.schedule.Due(at))
	events, _ := g.schedule.Decide(cmd, at)
	g.commit(events)
}

func (g *grain) commit(events []boxoffice.Event) {
	if len(events) == 0 {
		return
	}
	for _, e := range events {
		g.schedule.Apply(e)
	}
	updates, ended := seatmap.ChangesOf(events)
	change := &messages.SeatsChange{Ended: ended}
	for _, u := range updates {
		update := &messages.SeatUpdate{SeatNumber: int32(u.SeatNumber), Status: int32(u.Status), Sequence: u.Sequence}
		if !u.HeldUntil.IsZero() {
			update.HeldUntil = u.HeldUntil.UnixMilli()
		}
		change.Updates = append(change.GetUpdates(), update)
	}
	g.version++
	if g.committed != nil {
		g.committed()
	}
	if g.watched {
		g.watched = g.owner.Changed(&messages.Change{
			Kind: string(boxoffice.KindSchedule), Id: scheduleID, Epoch: g.epoch, Version: g.version,
			Of: &messages.Change_Seats{Seats: change},
		})
	}
}

// moveTo activates the grain elsewhere. A clean end announces that the old one has ended.
func (g *grain) moveTo(n *node, clean bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if clean && g.watched {
		g.owner.Ended(g.id(), g.epoch)
	}
	g.owner, g.watched, g.version = n, false, 0
	g.epoch++
	n.Ended(g.id(), g.epoch-1)
}

func (g *grain) setDown(down bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = down
}

func mapMessage(s *boxoffice.SeatMap) *messages.SeatMap {
	m := &messages.SeatMap{ScheduleId: s.ScheduleID, Version: s.Version, Prices: s.Prices[:]}
	for _, status := range s.Statuses {
		m.Statuses = append(m.GetStatuses(), byte(status))
	}
	return m
}

func state(v *seatmap.View, mark *messages.Mark) *messages.SeatsState {
	m := &messages.SeatsState{Mark: mark, Map: mapMessage(v.Map), Ended: v.Ended()}
	for i := len(m.GetEnded()) - 1; i > 0; i-- {
		m.Ended[i] -= m.GetEnded()[i-1]
	}
	for _, h := range v.Holds {
		m.Holds = append(m.GetHolds(), &messages.SeatHold{SeatNumber: int32(h.SeatNumber), Sequence: h.Sequence, Until: h.Until.UnixMilli()})
	}
	return m
}

// hold is place n holding a seat, whose admission has ended unless a hold lengthens it.
func hold(n, seat int, at time.Time) seatmap.Hold {
	id := uuid.NewSHA1(uuid.Nil, fmt.Appendf(nil, "%d %d %v", n, seat, at))
	return seatmap.Hold{
		Operation:     boxoffice.Operation{ID: id},
		Admission:     boxoffice.Admission{UserID: user(n), Sequence: uint64(n), EndsAt: at.Add(time.Hour)},
		ReservationID: id,
		SeatNumber:    seat,
		TTL:           holdTTL,
	}
}

func user(n int) uuid.UUID { return uuid.NewSHA1(uuid.Nil, fmt.Appendf(nil, "user %d", n)) }

// sees asks a node for the seats and wants a number of them to be taken.
func (n *node) sees(taken int) *boxoffice.SeatMap {
	seatMap, err := n.SeatMap(context.Background(), scheduleID, nil)
	require.NoError(n.world.t, err)
	require.Equal(n.world.t, taken, takenOf(seatMap))
	return seatMap
}

func takenOf(m *boxoffice.SeatMap) int {
	taken := 0
	for _, status := range m.Statuses {
		if status != boxoffice.SeatAvailable {
			taken++
		}
	}
	return taken
}
