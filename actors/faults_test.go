package actors

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
	"boxoffice/waitingroom"
)

// refuses makes the journal refuse every write, as a database does that is read-only.
func (h *house) refuses(writes bool) {
	h.journal.mu.Lock()
	defer h.journal.mu.Unlock()
	h.journal.verdict = nil
	if writes {
		h.journal.verdict = func(c boxoffice.Commit) boxoffice.CommitResult {
			if len(c.Events) == 0 {
				return boxoffice.CommitResult{}
			}
			return boxoffice.CommitResult{Err: boxoffice.Unavailable(errors.New("the database is read-only"))}
		}
	}
}

// losesTheNextResult makes the journal lose the result of the next commit, which it writes;
// loads fail with loadErr after that.
func (h *house) losesTheNextResult(loadErr error) {
	h.journal.mu.Lock()
	defer h.journal.mu.Unlock()
	h.journal.verdict = func(c boxoffice.Commit) boxoffice.CommitResult {
		h.journal.events[c.Grain] = append(h.journal.events[c.Grain], c.Events...)
		h.journal.versions[c.Grain] += int64(len(c.Events))
		h.journal.verdict, h.journal.loadErr = nil, loadErr
		return boxoffice.CommitResult{Err: boxoffice.ErrUnknown}
	}
}

// What time has made due, and cannot be written down, keeps nobody from looking.
func TestReadsGoOnWhileNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	places := h.queue(4)
	h.held(buyer{userID: places[0].UserID, sequence: places[0].Sequence}, 5)
	h.refuses(true)
	h.clock.advance(11 * time.Minute) // the hold and the admissions are over
	for range 3 {
		seats := h.ask(h.schedule, &messages.ReadSeats{})().(*messages.SeatMap)
		require.EqualValues(t, boxoffice.SeatAvailable, seats.GetStatuses()[4], "as of now")
		require.EqualValues(t, 2, h.ask(h.gate, &messages.ReadQueue{})().(*messages.QueueStatus).GetWaiting())
		require.Equal(t, boxoffice.PlaceWaiting, place(t, h.poll(places[2])).Status, "that it is let in cannot be written")
	}
	h.refuses(false)
	require.Eventually(t, func() bool {
		reply, ok := h.poll(places[2]).(*messages.Place)
		return ok && reply.GetStatus() == string(boxoffice.PlaceAdmitted)
	}, patience, time.Millisecond)
}

// Whoever needs nothing to be written is answered as of now beside what is due. What is over
// is told as over.
func TestWhatNeedsNoWriteIsAnsweredWhileNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	early := h.queue(1)[0]
	h.clock.advance(5 * time.Minute)
	late := h.queue(2) // the first is let in
	over := h.hold(buyer{userID: early.UserID, sequence: early.Sequence}, 4)
	reservation := outcome(t, h.ask(h.schedule, over)()).GetReservation().GetId()
	h.clock.advance(4 * time.Minute)
	good := h.hold(buyer{userID: late[0].UserID, sequence: late[0].Sequence}, 5)
	good.Admission.EndsAt = millis(late[0].AdmissionEndsAt)
	require.True(t, outcome(t, h.ask(h.schedule, good)()).GetCreated())
	h.refuses(true)
	h.clock.advance(2 * time.Minute) // the first hold is over, and so is its place

	poll := func(p boxoffice.Place) func() proto.Message {
		return h.ask(h.gate, &messages.Poll{UserId: p.UserID[:], Sequence: p.Sequence})
	}
	join := func(userID uuid.UUID) func() proto.Message {
		return h.ask(h.gate, &messages.Join{UserId: userID[:]})
	}
	paused := false
	settings := h.ask(h.gate, &messages.Configure{Paused: &paused})
	seen, waits, ended := poll(late[0]), poll(late[1]), poll(early)
	seenAgain, waitsAgain := join(late[0].UserID), join(late[1].UserID)
	again, stranger := join(early.UserID), join(uuid.New())
	require.IsType(t, &messages.QueueStatus{}, settings())
	require.Equal(t, boxoffice.PlaceAdmitted, place(t, seen()).Status)
	require.Equal(t, 1, place(t, waits()).Position)
	require.Equal(t, boxoffice.CodeQueueTokenExpired, refusalCode(t, ended()))
	require.Equal(t, late[0].Sequence, place(t, seenAgain()).Sequence)
	require.Equal(t, late[1].Sequence, place(t, waitsAgain()).Sequence)
	require.Equal(t, boxoffice.CodeUnavailable, refusalCode(t, again()), "a new place")
	require.Equal(t, boxoffice.CodeUnavailable, refusalCode(t, stranger()))

	other := func(seat int) *messages.Hold {
		m := h.hold(newBuyer(9), seat)
		m.Admission.EndsAt = good.GetAdmission().GetEndsAt()
		return m
	}
	toldAgain, taken, free := h.ask(h.schedule, good), h.ask(h.schedule, other(5)), h.ask(h.schedule, other(4))
	tooLate, keyed := h.ask(h.schedule, over), h.ask(h.schedule, h.pay(newBuyer(1), reservation, "k"))
	released := h.ask(h.schedule, &messages.Release{
		Operation: over.GetOperation(), ReservationId: reservation, UserId: early.UserID[:],
	})
	require.True(t, outcome(t, toldAgain()).GetCreated())
	require.Equal(t, string(boxoffice.CodeSeatTaken), outcome(t, taken()).GetRefusal().GetCode())
	require.Equal(t, boxoffice.CodeUnavailable, refusalCode(t, free()))
	require.Equal(t, string(boxoffice.CodeQueueTokenExpired), outcome(t, tooLate()).GetRefusal().GetCode())
	require.Equal(t, boxoffice.CodeUnavailable, refusalCode(t, keyed()), "the answer to a key has to be written")
	require.Nil(t, outcome(t, released()).GetRefusal(), "it is free already")

	// Without a lease nothing is told that nobody has confirmed.
	h.journal.mu.Lock()
	h.journal.verdict = func(boxoffice.Commit) boxoffice.CommitResult {
		return boxoffice.CommitResult{Err: boxoffice.Unavailable(errors.New("no connection"))}
	}
	h.journal.mu.Unlock()
	h.lease.lost.Store(true)
	require.Equal(t, boxoffice.CodeUnavailable, refusalCode(t, h.poll(late[0])))
}

// What only asks does not wait for a commit, and what needs no write for one that fails at
// most, not for its own as well.
func TestNobodyWaitsForTwoCommitsThatFail(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	admitted := h.queue(1)[0]
	h.journal.mu.Lock()
	h.journal.gate = make(chan struct{})
	h.journal.mu.Unlock()
	h.refuses(true)
	join := func() func() proto.Message {
		userID := uuid.New()
		return h.ask(h.gate, &messages.Join{UserId: userID[:]})
	}
	first := join()
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond)
	poll := h.ask(h.gate, &messages.Poll{UserId: admitted.UserID[:], Sequence: admitted.Sequence})
	second := join()
	require.EqualValues(t, 1, h.ask(h.gate, &messages.ReadQueue{})().(*messages.QueueStatus).GetAdmitted())
	h.clock.advance(retryFor) // the commit has taken too long to be tried again
	h.journal.gate <- struct{}{}
	require.Equal(t, boxoffice.CodeUnavailable, refusalCode(t, first()))
	require.Equal(t, boxoffice.PlaceAdmitted, place(t, poll()).Status)
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond, "the second join's")
	h.refuses(false)
	h.journal.gate <- struct{}{}
	require.Equal(t, boxoffice.PlaceAdmitted, place(t, second()).Status)
}

// A row that contradicts what the room was restored from: the next activation reads it.
func TestARowThatIsDamagedEndsTheActivation(t *testing.T) {
	t.Parallel()
	stopped := make(chan string, 1)
	h := setup(t, func(c *Config) {
		c.IdleAfter = time.Hour
		c.Observer.Stopped = func(_ boxoffice.Kind, reason string) { stopped <- reason }
	})
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	h.queue(1)
	commits := 0
	h.journal.mu.Lock()
	h.journal.verdict = func(boxoffice.Commit) boxoffice.CommitResult { // under the journal's lock
		commits++
		return boxoffice.CommitResult{Refusals: []boxoffice.CommitRefusal{
			{Reason: boxoffice.RefusedPlaceHeld, Place: boxoffice.PlaceRow{Sequence: 1, Status: boxoffice.PlaceLeft}},
		}}
	}
	h.journal.mu.Unlock()
	h.clock.advance(10 * time.Minute)
	require.Eventually(t, func() bool { return len(stopped) == 1 }, patience, time.Millisecond)
	require.Equal(t, "rejected", <-stopped)
	h.gate = nil
	h.journal.mu.Lock()
	defer h.journal.mu.Unlock()
	require.Equal(t, 2, commits)
}

// Each round of a batch settles something, and yet there may be too many of them.
func TestABatchThatIsRefusedTooOftenIsShed(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	b := newBuyer(1)
	reservation := h.held(b, 1)
	h.journal.mu.Lock()
	h.journal.gate = make(chan struct{}, 2*maxRounds)
	h.journal.mu.Unlock()
	blocker := h.ask(h.schedule, h.hold(newBuyer(3), 3))
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond)
	h.journal.mu.Lock()
	h.journal.verdict = refuseKeys(boxoffice.Outcome{}, [32]byte{}, boxoffice.RefusedPoints)
	h.journal.mu.Unlock()
	answers := make([]func() proto.Message, maxRounds+10)
	for i := range answers { // each another body, and none the one that the key belongs to
		pay := h.pay(b, reservation, "k")
		pay.Operation.Key.Digest = append([]byte{byte(i + 1)}, make([]byte, 31)...)
		answers[i] = h.ask(h.schedule, pay)
	}
	for range 2 * maxRounds {
		h.journal.gate <- struct{}{}
	}
	require.True(t, outcome(t, blocker()).GetCreated())
	reused, unavailable := 0, 0
	for _, answer := range answers {
		switch m := answer().(type) {
		case *messages.Outcome:
			require.Equal(t, string(boxoffice.CodeIdempotencyKeyReused), m.GetRefusal().GetCode())
			reused++
		default:
			require.Equal(t, boxoffice.CodeUnavailable, refusalCode(t, m))
			unavailable++
		}
	}
	require.Equal(t, maxRounds+1, reused)
	require.Equal(t, 9, unavailable)
	h.refuses(false)
	require.True(t, outcome(t, h.ask(h.schedule, h.pay(b, reservation, "k"))()).GetCreated())
	require.EqualValues(t, 1, h.journal.epochs[boxoffice.Grain{Kind: boxoffice.KindSchedule, ID: scheduleID}])
}

// A look-up that is slow outlives a recovery that begins and ends meanwhile.
func TestARecoveryBesideASlowLookUp(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.journal.slow = make(chan struct{})
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	places := h.queue(3)
	h.system.Root.Send(h.gate, &messages.ScheduleNews{After: 3, Version: 4, AvailableSeats: 49})
	require.Eventually(t, func() bool { return h.journal.looks.Load() == 1 }, patience, time.Millisecond)
	h.losesTheNextResult(nil)
	last := h.join(uuid.New())
	require.EqualValues(t, 2, h.journal.epochs[boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: scheduleID}])
	require.Equal(t, boxoffice.PlaceWaiting, place(t, h.poll(places[2])).Status)
	h.sells(places[0], 1) // nobody tells the room but the look-up
	h.journal.slow <- struct{}{}
	require.Eventually(t, func() bool {
		return place(t, h.poll(places[2])).Status == boxoffice.PlaceAdmitted
	}, patience, time.Millisecond)
	require.Equal(t, 1, place(t, h.poll(last)).Position)
	require.EqualValues(t, 1, h.journal.looks.Load())
}

// What a grain holds is counted once, however often its actor is started again.
func TestAPanicIsNotCountedTwice(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var census Census
	var panics atomic.Bool
	h := setup(t, func(c *Config) {
		c.Observer.Census = func(change Census) {
			mu.Lock()
			defer mu.Unlock()
			census.Holds += change.Holds
			census.Waiting += change.Waiting
			census.Admitted += change.Admitted
		}
		c.Observer.Batch = func(boxoffice.Kind, int) {
			if panics.CompareAndSwap(true, false) {
				panic("as the test wants it")
			}
		}
	})
	counts := func(want Census) {
		t.Helper()
		require.Eventually(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return census == want
		}, patience, time.Millisecond)
	}
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	places := h.queue(3)
	h.held(buyer{userID: places[0].UserID, sequence: places[0].Sequence}, 1)
	counts(Census{Holds: 1, Waiting: 1, Admitted: 2})
	for range 2 {
		panics.Store(true)
		require.True(t, IsRetry(h.ask(h.schedule, h.hold(newBuyer(9), 2))()))
		require.IsType(t, &messages.SeatMap{}, h.ask(h.schedule, &messages.ReadSeats{})())
		panics.Store(true)
		require.True(t, IsRetry(h.poll(places[2])))
		require.IsType(t, &messages.QueueStatus{}, h.ask(h.gate, &messages.ReadQueue{})())
		counts(Census{Holds: 1, Waiting: 1, Admitted: 2})
	}
	for _, pid := range []*actor.PID{h.schedule, h.gate} {
		require.NoError(t, h.system.Root.StopFuture(pid).Wait())
	}
	h.schedule, h.gate = nil, nil
	counts(Census{})
}

// Whatever became of a commit whose result was lost, the waiting room knows.
func TestTheRoomLearnsWhatALostResultDid(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	places := h.queue(3)
	b := buyer{userID: places[0].UserID, sequence: places[0].Sequence}
	reservation := h.held(b, 1)
	h.losesTheNextResult(nil)
	h.ask(h.schedule, h.pay(b, reservation, "k"))()
	require.Eventually(t, func() bool {
		return place(t, h.poll(places[2])).Status == boxoffice.PlaceAdmitted
	}, time.Second, time.Millisecond)
	require.Equal(t, boxoffice.CodeQueueTokenExpired, refusalCode(t, h.poll(places[0])))
}

// A recovery goes on until the database is there again: what the lost commit did is told
// though nobody asks.
func TestARecoveryOutlastsTheDatabase(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	places := h.queue(3)
	b := buyer{userID: places[0].UserID, sequence: places[0].Sequence}
	reservation := h.held(b, 1)
	h.losesTheNextResult(boxoffice.Unavailable(errors.New("connection refused")))
	require.Equal(t, boxoffice.CodeUnavailable, refusalCode(t, h.ask(h.schedule, h.pay(b, reservation, "k"))()))
	h.journal.mu.Lock()
	h.journal.loadErr = nil
	h.journal.mu.Unlock()
	require.Eventually(t, func() bool {
		h.clock.advance(100 * time.Millisecond)
		return place(t, h.poll(places[2])).Status == boxoffice.PlaceAdmitted
	}, patience, 10*time.Millisecond)
}

// A join that is delivered twice is one join, and both answers say that it made the place.
func TestAJoinThatIsDeliveredTwice(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	userID, operationID := uuid.New(), uuid.New()
	join := &messages.Join{UserId: userID[:], OperationId: operationID[:]}
	for range 2 {
		reply := h.ask(h.gate, join)().(*messages.Place)
		require.True(t, reply.GetCreated())
		require.EqualValues(t, 1, reply.GetSequence())
	}
	other := uuid.New()
	require.False(t, h.ask(h.gate, &messages.Join{UserId: userID[:], OperationId: other[:]})().(*messages.Place).GetCreated())
}

// Leaving is half done where the schedule's commit is not to be had, and then neither half
// is told: the guard lets the place pass as long as the waiting room says that it is admitted.
func TestALeaveThatIsUnavailableChangesNothing(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	b := newBuyer(1)
	h.held(b, 1)
	admission := h.hold(b, 1).GetAdmission()
	operationID := uuid.New()
	end := func() proto.Message {
		return h.ask(h.schedule, &messages.EndPlace{
			Operation: &messages.Operation{Id: operationID[:]}, UserId: b.userID[:],
			Sequence: b.sequence, EndsAt: admission.GetEndsAt(),
		})()
	}
	h.refuses(true)
	require.Equal(t, boxoffice.CodeUnavailable, refusalCode(t, end()))
	require.IsType(t, &messages.SeatMap{}, h.ask(h.schedule, &messages.ReadSeats{Admission: admission})())
	h.refuses(false)
	outcome(t, end())
	require.Equal(t, boxoffice.CodeQueueTokenExpired, refusalCode(t, h.ask(h.schedule, &messages.ReadSeats{Admission: admission})()))
}

// The room's events alone give its state, whatever was lost between the grains.
func TestTheRoomsEventsReplay(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	places := h.queue(3)
	h.sells(places[0], 1)
	// The node dies before the gatekeeper has heard of it, and the buyer joins again.
	require.NoError(t, h.system.Root.StopFuture(h.gate).Wait())
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	again := h.join(places[0].UserID)
	require.EqualValues(t, 4, again.Sequence)

	h.journal.mu.Lock()
	defer h.journal.mu.Unlock()
	room := waitingroom.New(waitingroom.Limits{AdmissionTTL: 10 * time.Minute, ClaimTTL: time.Minute, MaxWaiting: 1000})
	for _, e := range h.journal.events[boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: scheduleID}] {
		room.Apply(e)
	}
	status := room.Status(h.clock.Now())
	require.Equal(t, 1, status.Waiting)
	require.Equal(t, 2, status.Admitted)
}

// A hold that is delivered again after its reservation has ended costs nobody else anything.
func TestAHoldThatIsDeliveredAgainAfterItsEnd(t *testing.T) {
	t.Parallel()
	h := setup(t)
	late := h.hold(newBuyer(1), 5)
	operationID := idOf(late.GetOperation().GetId())
	h.journal.verdict = func(c boxoffice.Commit) boxoffice.CommitResult {
		for _, e := range c.Events {
			if e.OperationID == operationID {
				return boxoffice.CommitResult{Refusals: []boxoffice.CommitRefusal{
					{Reason: boxoffice.RefusedRepeated, OperationID: operationID},
				}}
			}
		}
		return boxoffice.CommitResult{}
	}
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	again, other := h.ask(h.schedule, late), h.ask(h.schedule, h.hold(newBuyer(2), 6))
	require.Equal(t, string(boxoffice.CodeUnavailable), outcome(t, again()).GetRefusal().GetCode())
	require.True(t, outcome(t, other()).GetCreated())
}
