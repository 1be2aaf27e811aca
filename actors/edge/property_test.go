package edge

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"boxoffice"
	"boxoffice/actors/messages"
	"boxoffice/seatmap"
)

// history is what happens to a schedule that lives on one node after the other, while
// messages get lost, leases end and clocks differ, and what the nodes say about it. They
// may refuse to answer; they never lie.
type history struct {
	*world

	// turn is had by whoever acts: the test, except while it asks a node, or what happens
	// while a watch is under way.
	turn chan struct{}
	over bool
	// noteMu guards states and ended, which the grain notes whoever asks it.
	noteMu sync.Mutex

	states []shown                   // by version of the map
	ended  map[uint64]time.Time      // places that have ended, and since when
	told   map[*node]int64           // the newest version that a node has shown or acknowledged
	barred map[*node]map[uint64]bool // the places whose end a node has acknowledged
	holds  map[int]seatmap.Hold      // of each seat, the last that was asked for
	// evicted are the nodes that have lost a schedule, and their lease for good.
	evicted map[*node]bool
	loss    map[*node]int // of how many messages to a node one gets lost; 0: none, 1: all
	heard   int
}

// shown is the seats as they were from a time on.
type shown struct {
	since time.Time
	seats boxoffice.SeatMap
	dueAt time.Time
}

const (
	historyNodes  = 4
	historyPlaces = 8
	historySeats  = 3
	maxSkew       = 40 // milliseconds; two clocks differ by twice that
)

func newHistory(t *rapid.T) *history {
	h := &history{
		world:   newWorld(t, historyNodes),
		turn:    make(chan struct{}, 1),
		ended:   make(map[uint64]time.Time),
		told:    make(map[*node]int64),
		barred:  make(map[*node]map[uint64]bool),
		holds:   make(map[int]seatmap.Hold),
		loss:    make(map[*node]int),
		evicted: make(map[*node]bool),
	}
	for _, n := range h.nodes {
		h.barred[n] = make(map[uint64]bool)
	}
	h.grain.committed = h.note
	h.note()
	h.turn <- struct{}{}
	h.tamperWith(func(to *node, feed *messages.Feed) []*messages.Feed {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.heard++
		if one := h.loss[to]; one > 0 && h.heard%one == 0 {
			return nil
		}
		return []*messages.Feed{feed}
	})
	return h
}

func (h *history) end() {
	h.over = true
	<-h.turn
	h.close()
}

// note notes how the schedule stands from now on.
func (h *history) note() {
	h.noteMu.Lock()
	defer h.noteMu.Unlock()
	view := h.grain.schedule.View()
	for int64(len(h.states)) <= view.Map.Version {
		h.states = append(h.states, shown{})
	}
	if last := &h.states[view.Map.Version]; last.since.IsZero() {
		*last = shown{since: now(), seats: *view.Map, dueAt: view.DueAt}
	}
	for _, sequence := range view.Ended() {
		if _, ok := h.ended[sequence]; !ok {
			h.ended[sequence] = now()
		}
	}
}

// whenEnded returns since when a place has ended.
func (h *history) whenEnded(sequence uint64) (time.Time, bool) {
	h.noteMu.Lock()
	defer h.noteMu.Unlock()
	at, ended := h.ended[sequence]
	return at, ended
}

// shownAt returns what was shown, by version.
func (h *history) shownAt() []shown {
	h.noteMu.Lock()
	defer h.noteMu.Unlock()
	return slices.Clone(h.states)
}

// meet lets others act while a node is asked.
func (h *history) meet(ask func()) {
	<-h.turn
	defer func() { h.turn <- struct{}{} }()
	ask()
}

func (h *history) node(t *rapid.T) *node {
	return h.nodes[rapid.IntRange(0, historyNodes-1).Draw(t, "node")]
}

// act does something to the seats, sent through a node or not.
func (h *history) act(t *rapid.T) {
	seat := rapid.IntRange(1, historySeats).Draw(t, "seat")
	last := h.holds[seat]
	operation := boxoffice.Operation{ID: uuid.New()}
	switch rapid.IntRange(0, 4).Draw(t, "act") {
	case 0:
		h.grain.do(seatmap.Pay{Operation: operation, PaymentID: uuid.New(), ReservationID: last.ReservationID, UserID: last.UserID})
	case 1:
		h.grain.do(seatmap.Release{Operation: operation, ReservationID: last.ReservationID, UserID: last.UserID})
	default:
		cmd := hold(rapid.IntRange(1, historyPlaces).Draw(t, "place"), seat, h.grain.owner.Now())
		if states := h.shownAt(); states[len(states)-1].seats.Statuses[seat-1] == boxoffice.SeatAvailable {
			h.holds[seat] = cmd
		}
		if rapid.Bool().Draw(t, "unseen") {
			h.grain.do(cmd)
			return
		}
		n := h.node(t)
		before := int64(len(h.shownAt()) - 1) // what others do meanwhile may be seen or not
		var err error
		h.meet(func() {
			_, err = n.Hold(context.Background(), scheduleID, cmd.Operation, cmd.Admission, cmd.SeatNumber)
		})
		if err == nil {
			h.told[n] = max(h.told[n], before)
		}
	}
}

func (h *history) endPlace(t *rapid.T) {
	n := h.node(t)
	sequence := uint64(rapid.IntRange(1, historyPlaces).Draw(t, "place"))
	if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
		return
	}
	var err error
	h.meet(func() {
		_, err = n.Ask(context.Background(), boxoffice.KindSchedule, scheduleID, &messages.EndPlace{Sequence: sequence, EndsAt: now().Add(1000 * time.Hour).UnixMilli()})
	})
	if err == nil {
		h.barred[n][sequence] = true
	}
}

func (h *history) pass(t *rapid.T) {
	pass(rapid.SampledFrom([]time.Duration{
		time.Millisecond, 10 * time.Millisecond, feedEvery, feedEvery, 100 * time.Millisecond, feedAtMost,
		maxAge - time.Millisecond, maxAge + time.Millisecond, 5 * time.Second, renewAfter, unusedFor + sweepEvery, holdTTL - time.Second,
	}).Draw(t, "time"))
}

// disturb loses messages from now on, or does not any more, or sets a clock.
func (h *history) disturb(t *rapid.T) {
	n := h.node(t)
	loss := rapid.SampledFrom([]int{0, 0, 1, 2, 3}).Draw(t, "loss")
	h.mu.Lock()
	h.loss[n] = loss
	h.mu.Unlock()
	n.skew.Store(int64(rapid.IntRange(-maxSkew, maxSkew).Draw(t, "skew")))
}

// miss makes a node miss something, and lets it find out.
func (h *history) miss(t *rapid.T) {
	n := h.node(t)
	setLoss := func(one int) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.loss[n] = one
	}
	setLoss(1)
	h.act(t)
	pass(2 * feedEvery)
	setLoss(0)
	for range rapid.IntRange(0, 6).Draw(t, "heartbeats") {
		pass(feedAtMost)
	}
	h.lookAt(t, n)
}

// move moves the schedule to another node. Where the owner has no time to say so, it has
// lost its lease, for good.
func (h *history) move(t *rapid.T) {
	to := h.node(t)
	if h.evicted[to] || to.lost.Load() || to == h.grain.owner {
		return
	}
	clean := rapid.Bool().Draw(t, "clean")
	if !clean {
		h.evicted[h.grain.owner] = true
		h.grain.owner.lost.Store(true)
	}
	h.grain.moveTo(to, clean)
}

// blink takes the owner's lease away for a moment.
func (h *history) blink(t *rapid.T) {
	owner := h.grain.owner
	owner.lost.Store(true)
	h.pass(t)
	h.look(t)
	if !h.evicted[owner] { // meanwhile
		owner.lost.Store(false)
	}
}

// surprise lets something happen while the next watch is under way.
func (h *history) surprise(t *rapid.T) {
	happens := rapid.SliceOfN(rapid.SampledFrom([]func(*rapid.T){h.act, h.pass, h.move, h.disturb}), 1, 3).Draw(t, "meanwhile")
	h.mu.Lock()
	h.meanwhile = func() {
		h.turn <- struct{}{}
		defer func() { <-h.turn }()
		for _, f := range happens {
			if !h.over {
				f(t)
			}
		}
	}
	h.mu.Unlock()
}

// look asks a node and compares what it says with what was.
func (h *history) look(t *rapid.T) { h.lookAt(t, h.node(t)) }

func (h *history) lookAt(t *rapid.T, n *node) {
	began := now()
	sequence := uint64(rapid.IntRange(1, historyPlaces).Draw(t, "place"))
	at, ended := h.whenEnded(sequence)
	endedLong := ended && at.Before(began.Add(-time.Second)) || h.barred[n][sequence]
	admission := &boxoffice.Admission{UserID: user(int(sequence)), Sequence: sequence, EndsAt: began.Add(time.Hour)}
	var err error
	h.meet(func() { _, err = n.SeatMap(context.Background(), scheduleID, admission) })
	if _, ended := h.whenEnded(sequence); !ended {
		require.NoError(t, err)
	} else if endedLong {
		require.Equal(t, boxoffice.CodeQueueTokenExpired, boxoffice.CodeOf(err))
	}

	began = now()
	told := h.told[n]
	since := rapid.Int64Range(-1, int64(len(h.shownAt()))).Draw(t, "since")
	var news boxoffice.SeatNews
	h.meet(func() { news, err = n.FollowSeats(context.Background(), scheduleID, nil, since) })
	require.NoError(t, err)
	states := h.shownAt()
	version := news.Map.Version
	require.GreaterOrEqual(t, version, told, "never older than what was told")
	require.Less(t, version, int64(len(states)))
	state := states[version]
	require.Equal(t, state.seats, *news.Map)
	for _, newer := range states[version+1:] {
		if !newer.since.IsZero() {
			require.True(t, newer.since.After(began.Add(-time.Second)), "at most a second old")
			break
		}
	}
	if !state.dueAt.IsZero() {
		require.True(t, began.Before(state.dueAt.Add(time.Second)))
	}
	h.told[n] = max(h.told[n], version)
	if news.Complete {
		h.follow(t, since, news)
	}
}

// follow applies changes to what was shown before.
func (h *history) follow(t *rapid.T, since int64, news boxoffice.SeatNews) {
	states := h.shownAt()
	seats := states[since].seats
	if states[since].since.IsZero() {
		return // in the middle of a commit
	}
	for _, change := range news.Changes {
		since++
		require.Equal(t, since, change.Version)
		seats.Statuses[change.SeatNumber-1] = change.Status
	}
	seats.Version = since
	require.Equal(t, *news.Map, seats)
}

// undated is a test whose deadline nobody asks for: a bubble has another time.
type undated struct{ rapid.TB }

func TestReplicasNeverLie(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(undated{t}, func(t *rapid.T) {
			h := newHistory(t)
			defer h.end()
			t.Repeat(map[string]func(*rapid.T){
				"act": h.act, "act again": h.act, "end a place": h.endPlace,
				"pass": h.pass, "pass more": h.pass, "disturb": h.disturb,
				"miss": h.miss, "miss more": h.miss, "move": h.move,
				"blink": h.blink, "surprise": h.surprise,
				"look": h.look, "look again": h.look, "look once more": h.look,
			})
		})
	})
}
