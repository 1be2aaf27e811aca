package actors

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

func place(t *testing.T, m proto.Message) boxoffice.Place {
	t.Helper()
	require.IsType(t, &messages.Place{}, m, "%v", m)
	return placeOf(m.(*messages.Place))
}

func refusalCode(t *testing.T, m proto.Message) boxoffice.Code {
	t.Helper()
	require.IsType(t, &messages.Refusal{}, m, "%v", m)
	return boxoffice.Code(m.(*messages.Refusal).GetCode())
}

func (h *house) join(userID uuid.UUID) boxoffice.Place {
	h.t.Helper()
	return place(h.t, h.ask(h.gate, &messages.Join{UserId: userID[:]})())
}

func (h *house) poll(p boxoffice.Place) proto.Message {
	h.t.Helper()
	return h.ask(h.gate, &messages.Poll{UserId: p.UserID[:], Sequence: p.Sequence})()
}

// queue makes n people join, one after the other.
func (h *house) queue(n int) []boxoffice.Place {
	h.t.Helper()
	places := make([]boxoffice.Place, n)
	for i := range places {
		places[i] = h.join(uuid.New())
	}
	return places
}

func TestFirstComeFirstServedUpToTheCapacity(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	places := h.queue(5)
	for i, p := range places {
		require.EqualValues(t, i+1, p.Sequence)
		if i < 2 {
			require.Equal(t, boxoffice.PlaceAdmitted, p.Status)
			continue
		}
		require.Equal(t, boxoffice.PlaceWaiting, p.Status)
		require.Equal(t, i-1, p.Position)
	}
	again := h.ask(h.gate, &messages.Join{UserId: places[3].UserID[:]})().(*messages.Place)
	require.False(t, again.GetCreated())
	require.EqualValues(t, 4, again.GetSequence())

	left := h.ask(h.gate, &messages.Leave{UserId: places[2].UserID[:], Sequence: 3})()
	require.True(t, left.(*messages.Left).GetWasWaiting())
	left = h.ask(h.gate, &messages.Leave{UserId: places[0].UserID[:], Sequence: 1})()
	require.False(t, left.(*messages.Left).GetWasWaiting())
	require.Equal(t, boxoffice.PlaceAdmitted, place(t, h.poll(places[3])).Status, "the next in line")
	require.Equal(t, 1, place(t, h.poll(places[4])).Position)
	require.Equal(t, boxoffice.CodeQueueTokenExpired, refusalCode(t, h.poll(places[0])))
	require.IsType(t, &messages.Left{}, h.ask(h.gate, &messages.Leave{UserId: places[0].UserID[:], Sequence: 1})())
}

func TestAdmittedPlaceIsClaimedDurablyBeforeItIsShown(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	places := h.queue(3)
	h.ask(h.gate, &messages.Leave{UserId: places[0].UserID[:], Sequence: 1})()
	require.Equal(t, boxoffice.PlaceAdmitted, place(t, h.poll(places[2])).Status)
	claimed := false
	for _, c := range h.journal.committed() {
		for _, e := range c.Events {
			if d, ok := e.Data.(waitingroom.Claimed); ok && d.Sequences[0] == 3 {
				claimed = true
			}
		}
	}
	require.True(t, claimed)
	h.clock.advance(2 * time.Minute) // past the claim TTL
	require.Equal(t, boxoffice.PlaceAdmitted, place(t, h.poll(places[2])).Status)
}

func TestWhoNeverShowsUpMakesRoom(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	places := h.queue(4)
	h.ask(h.gate, &messages.Leave{UserId: places[0].UserID[:], Sequence: 1})() // admits 3, who does not ask
	h.clock.advance(time.Minute + time.Second)                                 // the claim TTL, from when it asks as it was told
	require.Equal(t, boxoffice.PlaceAdmitted, place(t, h.poll(places[3])).Status)
	require.Equal(t, boxoffice.CodeQueueTokenExpired, refusalCode(t, h.poll(places[2])))
}

func TestWhoIsLetInFindsTheScheduleAwake(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	first := h.queue(2)[0]
	require.IsType(t, &messages.Wake{}, <-h.notified)
	require.Empty(t, h.notified, "once for both")

	h.clock.advance(rouseEvery)
	h.queue(1)
	require.Empty(t, h.notified, "nobody is let in")
	h.ask(h.gate, &messages.Leave{UserId: first.UserID[:], Sequence: first.Sequence})()
	require.IsType(t, &messages.Wake{}, <-h.notified)
}

func TestPaymentLetsTheNextOneIn(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	places := h.queue(3)
	b := buyer{userID: places[0].UserID, sequence: places[0].Sequence}
	reservation := h.held(b, 1)
	require.True(t, outcome(t, h.ask(h.schedule, h.pay(b, reservation, "k"))()).GetCreated())
	require.Eventually(t, func() bool {
		return place(t, h.poll(places[2])).Status == boxoffice.PlaceAdmitted
	}, patience, time.Millisecond)
	require.Equal(t, boxoffice.CodeQueueTokenExpired, refusalCode(t, h.poll(places[0])))
	status := h.ask(h.gate, &messages.ReadQueue{})().(*messages.QueueStatus)
	require.EqualValues(t, 49, status.GetAvailableSeats())
	require.EqualValues(t, 2, status.GetAdmitted())
}

func TestPlaceWhoseRowHasALiveHoldDoesNotExpire(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	places := h.queue(3)
	heldUntil := h.start.Add(14 * time.Minute)
	h.journal.mu.Lock()
	h.journal.verdict = func(c boxoffice.Commit) boxoffice.CommitResult {
		var refusals []boxoffice.CommitRefusal
		for _, e := range c.Events {
			d, ok := e.Data.(waitingroom.Ended)
			if !ok || d.Status != boxoffice.PlaceExpired {
				continue
			}
			for _, sequence := range d.Sequences {
				switch {
				case sequence == 1 && e.At.Before(heldUntil): // the schedule's message was lost
					refusals = append(refusals, boxoffice.CommitRefusal{Reason: boxoffice.RefusedPlaceHeld, Place: boxoffice.PlaceRow{
						Sequence: 1, Status: boxoffice.PlaceAdmitted, HeldUntil: heldUntil,
					}})
				case sequence == 2: // paid, and the message was lost
					refusals = append(refusals, boxoffice.CommitRefusal{Reason: boxoffice.RefusedPlaceHeld, Place: boxoffice.PlaceRow{
						Sequence: 2, Status: boxoffice.PlaceCompleted,
					}})
				}
			}
		}
		return boxoffice.CommitResult{Refusals: refusals}
	}
	h.journal.mu.Unlock()

	h.clock.advance(10 * time.Minute)
	require.Equal(t, heldUntil, place(t, h.poll(places[0])).ExpiresAt)
	require.Equal(t, boxoffice.CodeQueueTokenExpired, refusalCode(t, h.poll(places[1])))
	require.Equal(t, boxoffice.PlaceAdmitted, place(t, h.poll(places[2])).Status)
	h.clock.advance(4 * time.Minute)
	require.Equal(t, boxoffice.CodeQueueTokenExpired, refusalCode(t, h.poll(places[0])))
}

// sells writes what makes a place the owner of a seat into the schedule's journal, as a
// schedule would whose messages get lost.
func (h *house) sells(p boxoffice.Place, seat int) {
	h.journal.mu.Lock()
	defer h.journal.mu.Unlock()
	grain := boxoffice.Grain{Kind: boxoffice.KindSchedule, ID: scheduleID}
	held := seatmap.Held{
		ReservationID: uuid.New(), UserID: p.UserID, Sequence: p.Sequence, SeatNumber: seat,
		ExpiresAt: h.clock.Now().Add(time.Minute),
	}
	h.journal.events[grain] = append(h.journal.events[grain],
		boxoffice.Event{At: h.clock.Now(), Data: held},
		boxoffice.Event{At: h.clock.Now(), Data: seatmap.Confirmed{
			PaymentID: uuid.New(), ReservationID: held.ReservationID, UserID: p.UserID, Sequence: p.Sequence, SeatNumber: seat,
		}})
	h.journal.versions[grain] += 2
}

func TestLostNewsAreFoundInTheJournal(t *testing.T) {
	t.Parallel()
	h := setup(t, func(c *Config) { c.ReconcileEvery = 10 * time.Millisecond })
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	places := h.queue(3)
	h.sells(places[1], 1)
	h.clock.advance(time.Second)
	require.Eventually(t, func() bool {
		return place(t, h.poll(places[2])).Status == boxoffice.PlaceAdmitted
	}, patience, time.Millisecond)
}

func TestAGapInTheNewsIsLookedUpAtOnce(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	places := h.queue(3)
	h.sells(places[1], 1)
	h.system.Root.Send(h.gate, &messages.ScheduleNews{After: 3, Version: 4, AvailableSeats: 48})
	require.Eventually(t, func() bool {
		return place(t, h.poll(places[2])).Status == boxoffice.PlaceAdmitted
	}, patience, time.Millisecond)
	require.EqualValues(t, 1, h.journal.looks.Load())
}

// Nobody is admitted to a room that is sold out, and those who ask are refused: without a look
// of its own it would stay so.
func TestASoldOutRoomIsLookedUp(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	h.system.Root.Send(h.gate, &messages.ScheduleNews{Version: 1, SoldOut: true})
	userID := uuid.New()
	join := func() proto.Message {
		operationID := uuid.New()
		return h.ask(h.gate, &messages.Join{UserId: userID[:], OperationId: operationID[:]})()
	}
	require.Equal(t, boxoffice.CodeSoldOut, refusalCode(t, join()))
	require.Zero(t, h.journal.looks.Load())
	h.clock.advance(defaultReconcileEvery)
	require.Eventually(t, func() bool {
		join()
		return h.journal.looks.Load() == 1
	}, patience, time.Millisecond)
}

func TestTheJournalIsNotLookedAtWhileNobodyWaits(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	h.queue(2)
	h.clock.advance(defaultReconcileEvery)
	waits := h.join(uuid.New())
	require.Eventually(t, func() bool { return h.journal.looks.Load() == 1 }, patience, time.Millisecond)
	h.ask(h.gate, &messages.Leave{UserId: waits.UserID[:], Sequence: waits.Sequence})()
	h.clock.advance(defaultReconcileEvery)
	h.ask(h.gate, &messages.Leave{UserId: waits.UserID[:], Sequence: waits.Sequence})()
	require.EqualValues(t, 1, h.journal.looks.Load())
}

func TestAFencedGatekeeperLosesNobody(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	places := h.queue(4)
	old := h.gate
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	require.Equal(t, 2, place(t, h.poll(places[3])).Position)
	joiner := uuid.New()
	require.True(t, IsRetry(h.ask(old, &messages.Join{UserId: joiner[:]})()), "an old epoch takes nobody in")
	require.EqualValues(t, 5, h.join(joiner).Sequence)
}

// A batch is rolled back when the journal refuses it, and decided again with the refusals.
func TestARefusedBatchIsTakenBack(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	h.queue(2)
	away := func(away bool) {
		h.journal.mu.Lock()
		defer h.journal.mu.Unlock()
		h.journal.verdict = nil
		if away {
			h.journal.verdict = func(boxoffice.Commit) boxoffice.CommitResult {
				return boxoffice.CommitResult{Err: boxoffice.Unavailable(errors.New("read-only"))}
			}
		}
	}
	away(true)
	joiner := uuid.New()
	require.Equal(t, boxoffice.CodeUnavailable, refusalCode(t, h.ask(h.gate, &messages.Join{UserId: joiner[:]})()))
	status := h.ask(h.gate, &messages.ReadQueue{})().(*messages.QueueStatus)
	require.Zero(t, status.GetWaiting())
	away(false)
	require.EqualValues(t, 3, h.join(joiner).Sequence)
	require.EqualValues(t, 1, h.journal.epochs[boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: scheduleID}])
}

func TestThousandsOfJoinsAreFewCommits(t *testing.T) {
	t.Parallel()
	h := setup(t, func(c *Config) { c.Limits.MaxWaiting = 4000 })
	h.journal.gate = make(chan struct{}, 64)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	first := uuid.New()
	answer := h.ask(h.gate, &messages.Join{UserId: first[:]})
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond)
	answers := make([]func() proto.Message, 3000)
	for i := range answers {
		id := uuid.New()
		answers[i] = h.ask(h.gate, &messages.Join{UserId: id[:]})
	}
	for range 8 {
		h.journal.gate <- struct{}{}
	}
	require.EqualValues(t, 1, place(t, answer()).Sequence)
	for i, answer := range answers {
		require.EqualValues(t, i+2, place(t, answer()).Sequence)
	}
	require.Len(t, h.journal.committed(), 2)
	require.LessOrEqual(t, len(h.journal.committed()[1].Events), 2, "joins of one moment are one event")
}

// A replica that was made while nobody was told hears that the room is again what it was.
func TestAChangeBackIsToldToNewWatchers(t *testing.T) {
	t.Parallel()
	views := lastViews{said: make(chan string, 16)}
	h := setup(t, func(c *Config) { c.Views = views })
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	pause := func(paused bool) { h.ask(h.gate, &messages.Configure{Paused: &paused})() }
	h.ask(h.gate, &messages.Watch{Watcher: "a"})()
	capacity := int64(7)
	h.ask(h.gate, &messages.Configure{Capacity: &capacity})() // told, and then nobody watches
	pause(true)
	h.ask(h.gate, &messages.Watch{Watcher: "b"})()
	pause(false)
	for _, said := range []string{"ended 0", "watched", "changed", "watched", "changed"} {
		require.Equal(t, said, <-views.said)
	}
	require.Empty(t, views.said)
}

func TestSettingsAreInForceAtOnce(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	places := h.queue(4)
	capacity, paused := int64(3), true
	status := h.ask(h.gate, &messages.Configure{Paused: &paused})().(*messages.QueueStatus)
	require.Equal(t, string(boxoffice.QueuePaused), status.GetState())
	h.ask(h.gate, &messages.Configure{Capacity: &capacity})()
	require.Equal(t, boxoffice.PlaceWaiting, place(t, h.poll(places[2])).Status)
	paused = false
	status = h.ask(h.gate, &messages.Configure{Paused: &paused})().(*messages.QueueStatus)
	require.EqualValues(t, 3, status.GetAdmitted())
	require.Equal(t, boxoffice.PlaceAdmitted, place(t, h.poll(places[2])).Status)
	huge := int64(1) << 32
	require.Equal(t, boxoffice.CodeInvalidRequest, refusalCode(t, h.ask(h.gate, &messages.Configure{Capacity: &huge})()))
}

func TestAnEndThatIsLearnedComesBeforeTheJoinThatFollows(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.journal.gate = make(chan struct{}, 64)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	userID := uuid.New()
	h.journal.gate <- struct{}{}
	first := h.join(userID)
	other := uuid.New()
	blocker := h.ask(h.gate, &messages.Join{UserId: other[:]})
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond)
	h.system.Root.Send(h.gate, &messages.ScheduleNews{After: 1, Version: 2, AvailableSeats: 49, Places: []*messages.PlaceNews{
		{Sequence: first.Sequence, Completed: true},
	}})
	again := h.ask(h.gate, &messages.Join{UserId: userID[:]})
	h.journal.gate <- struct{}{}
	h.journal.gate <- struct{}{}
	place(t, blocker())
	require.EqualValues(t, 3, place(t, again()).Sequence)
	// The next activation replays the log: it panics if the join came first.
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	require.EqualValues(t, 2, h.ask(h.gate, &messages.ReadQueue{})().(*messages.QueueStatus).GetAdmitted())
}

func TestEndsThatNobodyWaitsForAreOneCommit(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	for range 2 {
		h.join(uuid.New())
	}
	commits := len(h.journal.committed())
	for n := range 2 {
		h.system.Root.Send(h.gate, &messages.ScheduleNews{
			After: int64(n + 1), Version: int64(n + 2), AvailableSeats: int32(49 - n),
			Places: []*messages.PlaceNews{{Sequence: uint64(n + 1), Completed: true}},
		})
	}
	status := h.ask(h.gate, &messages.ReadQueue{})().(*messages.QueueStatus)
	require.EqualValues(t, 48, status.GetAvailableSeats(), "it is known at once")
	require.Len(t, h.journal.committed(), commits)
	h.clock.advance(time.Second)
	require.Eventually(t, func() bool { return len(h.journal.committed()) == commits+1 }, patience, time.Millisecond)
	events := h.journal.committed()[commits].Events
	require.Len(t, events, 1)
	require.Equal(t, []uint64{1, 2}, events[0].Data.(waitingroom.Ended).Sequences)
}

// Slots that open at once are filled in commits of a bounded size, without waiting in
// between for anything.
func TestManySlotsThatOpenAtOnceAreSeveralCommits(t *testing.T) {
	t.Parallel()
	const crowd = 10_000
	h := setup(t, func(c *Config) { c.Limits.MaxWaiting = crowd })
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	paused, capacity := true, int64(boxoffice.MaxCapacity)
	h.ask(h.gate, &messages.Configure{Paused: &paused, Capacity: &capacity})()
	answers := make([]func() proto.Message, crowd)
	for i := range answers {
		userID := uuid.New()
		answers[i] = h.ask(h.gate, &messages.Join{UserId: userID[:]})
	}
	for _, answer := range answers {
		answer()
	}
	paused = false
	h.ask(h.gate, &messages.Configure{Paused: &paused})()
	require.Eventually(t, func() bool {
		status := h.ask(h.gate, &messages.ReadQueue{})().(*messages.QueueStatus)
		return status.GetWaiting() == 0 && status.GetAdmitted() == crowd
	}, patience, time.Millisecond)

	var sizes []int
	next := uint64(1)
	h.journal.mu.Lock()
	defer h.journal.mu.Unlock()
	for _, commit := range h.journal.commits {
		for _, e := range commit.Events {
			if d, ok := e.Data.(waitingroom.Admitted); ok {
				sizes = append(sizes, len(d.Sequences))
				for _, sequence := range d.Sequences {
					require.Equal(t, next, sequence)
					next++
				}
			}
		}
	}
	require.Equal(t, []int{waitingroom.MaxAdmissions, waitingroom.MaxAdmissions, crowd - 2*waitingroom.MaxAdmissions}, sizes)
	require.GreaterOrEqual(t, waitingroom.MaxAdmissions, maxBatch, "a whole batch of joins may be answered as admitted")
}

// While every seat is sold everybody who waits is told so and nobody is let in; a seat
// that comes back undoes that.
func TestSoldOutIsToldAndUndone(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	places := h.queue(3)
	h.system.Root.Send(h.gate, &messages.ScheduleNews{After: 1, Version: 5, SoldOut: true})
	require.True(t, place(t, h.poll(places[2])).SoldOut)
	h.ask(h.gate, &messages.Leave{UserId: places[0].UserID[:], Sequence: places[0].Sequence})()
	require.Equal(t, boxoffice.PlaceWaiting, place(t, h.poll(places[2])).Status)
	userID := uuid.New()
	require.Equal(t, boxoffice.CodeSoldOut, refusalCode(t, h.ask(h.gate, &messages.Join{UserId: userID[:]})()))

	h.system.Root.Send(h.gate, &messages.ScheduleNews{After: 5, Version: 6, AvailableSeats: 1})
	last := place(t, h.poll(places[2]))
	require.False(t, last.SoldOut)
	require.Equal(t, boxoffice.PlaceAdmitted, last.Status)
	// What is older than what is known is not believed.
	h.system.Root.Send(h.gate, &messages.ScheduleNews{After: 1, Version: 5, SoldOut: true})
	require.False(t, place(t, h.poll(places[2])).SoldOut)
}

// A room in which people wait stays, though replicas answer them and nobody asks the grain.
func TestARoomInWhichPeopleWaitIsNotIdle(t *testing.T) {
	t.Parallel()
	stopped := make(chan string, 1)
	h := setup(t, func(c *Config) {
		c.IdleAfter = 20 * time.Millisecond
		c.Observer.Stopped = func(_ boxoffice.Kind, reason string) { stopped <- reason }
	})
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	places := h.queue(3)
	h.clock.advance(time.Second)
	require.Never(t, func() bool { return len(stopped) > 0 }, 200*time.Millisecond, 5*time.Millisecond)
	waits := places[2]
	h.ask(h.gate, &messages.Leave{UserId: waits.UserID[:], Sequence: waits.Sequence})()
	h.clock.advance(time.Second)
	require.Equal(t, "idle", <-stopped)
	h.gate = nil
}
