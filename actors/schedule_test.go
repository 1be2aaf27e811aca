package actors

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
	"boxoffice/seatmap"
)

// buyer is somebody with a good admission.
type buyer struct {
	userID   uuid.UUID
	sequence uint64
}

func (h *house) hold(b buyer, seat int) *messages.Hold {
	reservationID := uuid.New()
	return &messages.Hold{
		Operation: operationMessage(boxoffice.Operation{ID: uuid.New()}),
		Admission: admissionMessage(boxoffice.Admission{
			UserID: b.userID, Sequence: b.sequence, EndsAt: h.start.Add(10 * time.Minute),
		}),
		ReservationId: reservationID[:],
		SeatNumber:    int32(seat),
	}
}

func (h *house) pay(b buyer, reservationID []byte, key string) *messages.Pay {
	paymentID := uuid.New()
	return &messages.Pay{
		Operation: operationMessage(boxoffice.Operation{ID: uuid.New(), Key: boxoffice.IdempotencyKey{
			UserID: b.userID, Operation: "POST /api/v1/payments", Key: key, Digest: [32]byte{1},
		}}),
		PaymentId:     paymentID[:],
		ReservationId: reservationID,
		UserId:        b.userID[:],
	}
}

func outcome(t *testing.T, m proto.Message) *messages.Outcome {
	t.Helper()
	require.IsType(t, &messages.Outcome{}, m)
	return m.(*messages.Outcome)
}

func newBuyer(sequence uint64) buyer { return buyer{userID: uuid.New(), sequence: sequence} }

// held makes a buyer the holder of a seat and returns the reservation's id.
func (h *house) held(b buyer, seat int) []byte {
	h.t.Helper()
	o := outcome(h.t, h.ask(h.schedule, h.hold(b, seat))())
	require.Nil(h.t, o.GetRefusal())
	return o.GetReservation().GetId()
}

func TestStampedeOnOneSeatHasOneWinnerAndFewCommits(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)

	const crowd = 300
	answers := make([]func() proto.Message, crowd)
	for i := range answers {
		answers[i] = h.ask(h.schedule, h.hold(newBuyer(uint64(i+1)), 13))
	}
	won, taken := 0, 0
	for _, answer := range answers {
		o := outcome(t, answer())
		if o.GetCreated() {
			won++
			require.EqualValues(t, 13, o.GetReservation().GetSeatNumber())
			continue
		}
		require.Equal(t, string(boxoffice.CodeSeatTaken), o.GetRefusal().GetCode())
		require.Len(t, o.GetRefusal().GetAvailableSeats(), 49)
		taken++
	}
	require.Equal(t, 1, won)
	require.Equal(t, crowd-1, taken)
	require.Len(t, h.journal.committed(), 1, "refusals have no commits of their own")
}

func TestNoAnswerLeavesBeforeWhatItDependsOnIsDurable(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.journal.gate = make(chan struct{})
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)

	first := h.ask(h.schedule, h.hold(newBuyer(1), 5))
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond)
	// The journal now says "fenced": whoever was refused because of that hold must not
	// have been told so.
	h.journal.mu.Lock()
	h.journal.verdict = func(boxoffice.Commit) boxoffice.CommitResult {
		return boxoffice.CommitResult{Err: boxoffice.ErrFenced}
	}
	h.journal.mu.Unlock()
	second := h.ask(h.schedule, h.hold(newBuyer(2), 5))
	seats := h.ask(h.schedule, &messages.ReadSeats{})
	h.journal.gate <- struct{}{}
	require.True(t, IsRetry(first()))
	require.True(t, IsRetry(second()))
	shown := seats()
	require.IsType(t, &messages.SeatMap{}, shown, "what is asked does not wait for a commit")
	require.EqualValues(t, boxoffice.SeatAvailable, shown.(*messages.SeatMap).GetStatuses()[4])
	h.schedule = nil // it has stopped
}

func TestAHoldEndsWhileACommitIsUnderWay(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	payer, other := newBuyer(1), newBuyer(2)
	paid := h.held(payer, 5)
	h.held(other, 6)
	h.clock.advance(5*time.Minute - time.Millisecond)
	h.journal.mu.Lock()
	h.journal.gate = make(chan struct{})
	h.journal.mu.Unlock()
	payment := h.ask(h.schedule, h.pay(payer, paid, "k"))
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond)
	h.clock.advance(time.Minute)
	shown := h.ask(h.schedule, &messages.ReadSeats{})().(*messages.SeatMap)
	require.EqualValues(t, boxoffice.SeatHeld, shown.GetStatuses()[4], "its payment may be durable by now")
	require.EqualValues(t, boxoffice.SeatAvailable, shown.GetStatuses()[5])
	h.journal.gate <- struct{}{}
	require.Nil(t, outcome(t, payment()).GetRefusal())
}

func TestAfterAnUnknownResultTheJournalKnows(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	b := newBuyer(1)
	hold := h.hold(b, 5)
	h.losesTheNextResult(nil)
	o := outcome(t, h.ask(h.schedule, hold)())
	require.True(t, o.GetCreated(), "it is the answer of the one hold that there is")
	require.Equal(t, hold.GetReservationId(), o.GetReservation().GetId())
	require.EqualValues(t, 2, h.journal.epochs[boxoffice.Grain{Kind: boxoffice.KindSchedule, ID: scheduleID}])
}

func TestTooFewPointsRefuseOnePaymentAndNotItsBatch(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	poor, rich := newBuyer(1), newBuyer(2)
	poorHold, richHold := h.held(poor, 1), h.held(rich, 2)
	h.journal.mu.Lock()
	h.journal.gate = make(chan struct{})
	h.journal.verdict = refusePaymentsOf(poor, boxoffice.CommitRefusal{Reason: boxoffice.RefusedPoints, Balance: 42})
	h.journal.mu.Unlock()

	// While a first commit is held back, both payments end up in one batch.
	blocker := h.ask(h.schedule, h.hold(newBuyer(3), 3))
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond)
	poorPays := h.ask(h.schedule, h.pay(poor, poorHold, "poor"))
	richPays := h.ask(h.schedule, h.pay(rich, richHold, "rich"))
	for range 3 { // the blocker, the refused batch, the batch without the refused
		h.journal.gate <- struct{}{}
	}
	require.True(t, outcome(t, blocker()).GetCreated())
	refused := outcome(t, poorPays()).GetRefusal()
	require.Equal(t, string(boxoffice.CodeInsufficientPoints), refused.GetCode())
	require.EqualValues(t, 42, refused.GetBalance())
	require.EqualValues(t, 100, refused.GetAmount())
	paid := outcome(t, richPays())
	require.True(t, paid.GetCreated())
	require.EqualValues(t, balanceAfter, paid.GetPayment().GetBalance())

	commits := h.journal.committed()
	last := commits[len(commits)-1]
	require.Len(t, last.Events, 1)
	require.Len(t, last.Answers, 2, "a refusal for lack of points is stored under its key as well")
}

// refusePaymentsOf refuses every commit in which a buyer pays.
func refusePaymentsOf(b buyer, refusal boxoffice.CommitRefusal) func(boxoffice.Commit) boxoffice.CommitResult {
	return func(c boxoffice.Commit) boxoffice.CommitResult {
		for _, e := range c.Events {
			if d, ok := e.Data.(seatmap.Confirmed); ok && d.UserID == b.userID {
				refusal.OperationID = e.OperationID
				return boxoffice.CommitResult{Refusals: []boxoffice.CommitRefusal{refusal}}
			}
		}
		return boxoffice.CommitResult{}
	}
}

func TestOneKeyInOneBatchHasOneEffectAndOneAnswer(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	b := newBuyer(1)
	reservation := h.held(b, 1)
	h.journal.mu.Lock()
	h.journal.gate = make(chan struct{})
	h.journal.mu.Unlock()
	blocker := h.ask(h.schedule, h.hold(newBuyer(3), 3))
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond)
	answers := make([]func() proto.Message, 20)
	for i := range answers {
		answers[i] = h.ask(h.schedule, h.pay(b, reservation, "one"))
	}
	other := h.pay(b, reservation, "one")
	other.Operation.Key.Digest = make([]byte, 32)
	reused := h.ask(h.schedule, other)
	h.journal.gate <- struct{}{}
	h.journal.gate <- struct{}{}
	require.True(t, outcome(t, blocker()).GetCreated())

	originals := 0
	var first *messages.Outcome
	for _, answer := range answers {
		o := outcome(t, answer())
		if !o.GetReplayed() {
			originals++
		}
		o.Replayed = false
		if first == nil {
			first = o
		}
		require.True(t, proto.Equal(first, o), "%v and %v", first, o)
	}
	require.Equal(t, 1, originals)
	require.EqualValues(t, balanceAfter, first.GetPayment().GetBalance())
	require.Equal(t, string(boxoffice.CodeIdempotencyKeyReused), outcome(t, reused()).GetRefusal().GetCode())
}

func TestStoredAnswerOfAKeyIsToldAgain(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	b := newBuyer(1)
	reservation := h.held(b, 1)
	earlier := boxoffice.Outcome{At: h.start, Created: true, Payment: &boxoffice.Payment{ID: uuid.New(), Amount: 9}}

	for _, c := range []struct {
		name     string
		sameOp   bool
		sameReq  bool
		replayed bool
		refused  boxoffice.Code
	}{
		{name: "another request", sameReq: true, replayed: true},
		{name: "this very operation, sent twice", sameOp: true, sameReq: true},
		{name: "another body", refused: boxoffice.CodeIdempotencyKeyReused},
	} {
		pay := h.pay(b, reservation, "k-"+c.name)
		storedID := uuid.New()
		if c.sameOp {
			storedID = idOf(pay.GetOperation().GetId())
		}
		h.journal.mu.Lock()
		h.journal.verdict = refusePaymentsOf(b, boxoffice.CommitRefusal{
			Reason: boxoffice.RefusedKey, Stored: earlier, StoredID: storedID, SameRequest: c.sameReq,
		})
		h.journal.mu.Unlock()
		o := outcome(t, h.ask(h.schedule, pay)())
		if c.refused != "" {
			require.Equal(t, string(c.refused), o.GetRefusal().GetCode(), c.name)
			continue
		}
		require.Equal(t, c.replayed, o.GetReplayed(), c.name)
		require.Equal(t, earlier.Payment.ID[:], o.GetPayment().GetId(), c.name)
	}
	require.Len(t, h.journal.committed(), 1, "only the hold")
}

// A repeated payment is answered as it was the first time, also beside its cancellation.
func TestAReplayBesideTheCancellationKeepsItsBalance(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	b := newBuyer(1)
	pay := h.pay(b, h.held(b, 1), "k")
	first := outcome(t, h.ask(h.schedule, pay)())
	h.journal.mu.Lock()
	h.journal.gate = make(chan struct{})
	h.journal.verdict = func(c boxoffice.Commit) boxoffice.CommitResult {
		if len(c.Answers) == 0 {
			return boxoffice.CommitResult{}
		}
		return boxoffice.CommitResult{Refusals: []boxoffice.CommitRefusal{{
			Reason: boxoffice.RefusedKey, OperationID: c.Answers[0].OperationID, Stored: outcomeOf(first),
			StoredID: idOf(pay.GetOperation().GetId()), SameRequest: true,
		}}}
	}
	h.journal.mu.Unlock()
	blocker := h.ask(h.schedule, h.hold(newBuyer(3), 3))
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond)
	again := h.ask(h.schedule, h.pay(b, pay.GetReservationId(), "k"))
	operationID := uuid.New()
	cancelled := h.ask(h.schedule, &messages.CancelSale{
		Operation: &messages.Operation{Id: operationID[:]}, PaymentId: pay.GetPaymentId(), UserId: b.userID[:],
	})
	for range 3 { // the blocker, the refused batch, the batch without the payment
		h.journal.gate <- struct{}{}
	}
	require.True(t, outcome(t, blocker()).GetCreated())
	replay := outcome(t, again())
	require.True(t, replay.GetReplayed())
	require.EqualValues(t, balanceAfter, replay.GetPayment().GetBalance())
	require.EqualValues(t, balanceAfter+100, outcome(t, cancelled()).GetPayment().GetBalance())
}

// refuseKeys refuses every answer that a commit would store, and says so next to what else
// is wrong with its operation.
func refuseKeys(stored boxoffice.Outcome, digest [32]byte, also boxoffice.RefusalReason) func(boxoffice.Commit) boxoffice.CommitResult {
	return func(c boxoffice.Commit) boxoffice.CommitResult {
		var refusals []boxoffice.CommitRefusal
		for _, a := range c.Answers {
			refusals = append(refusals,
				boxoffice.CommitRefusal{
					Reason: boxoffice.RefusedKey, OperationID: a.OperationID,
					Stored: stored, StoredID: uuid.Max, SameRequest: a.Key.Digest == digest,
				},
				boxoffice.CommitRefusal{Reason: also, OperationID: a.OperationID})
		}
		return boxoffice.CommitResult{Refusals: refusals}
	}
}

// A repeated request gets the answer that it got before, whatever has become of their
// points or their place since.
func TestTheAnswerOfAKeyComesBeforeWhatElseIsWrong(t *testing.T) {
	t.Parallel()
	for _, also := range []boxoffice.RefusalReason{boxoffice.RefusedPoints, boxoffice.RefusedPlace} {
		h := setup(t)
		h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
		b := newBuyer(1)
		pay := h.pay(b, h.held(b, 1), "k")
		earlier := boxoffice.Outcome{At: h.start, Refusal: boxoffice.Errorf(boxoffice.CodeInsufficientPoints, "as it was then")}
		h.journal.mu.Lock()
		h.journal.verdict = refuseKeys(earlier, operationOf(pay.GetOperation()).Key.Digest, also)
		h.journal.mu.Unlock()
		o := outcome(t, h.ask(h.schedule, pay)())
		require.True(t, o.GetReplayed())
		require.Equal(t, "as it was then", o.GetRefusal().GetDetail())
	}
}

// A crowd that asks again with one key costs a commit, not one each.
func TestReplaysOfOneKeyInOneBatchAreSettledTogether(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	b := newBuyer(1)
	reservation := h.held(b, 1)
	again := h.pay(b, reservation, "k")
	earlier := boxoffice.Outcome{At: h.start, Created: true, Payment: &boxoffice.Payment{ID: uuid.New(), Amount: 9}}
	refuse := refuseKeys(earlier, operationOf(again.GetOperation()).Key.Digest, boxoffice.RefusedPoints)
	commits := 0
	h.journal.mu.Lock()
	h.journal.gate = make(chan struct{})
	h.journal.mu.Unlock()
	blocker := h.ask(h.schedule, h.hold(newBuyer(3), 3))
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond)
	h.journal.mu.Lock()
	h.journal.verdict = func(c boxoffice.Commit) boxoffice.CommitResult { // under the journal's lock
		if len(c.Answers) > 0 {
			commits++
		}
		return refuse(c)
	}
	h.journal.mu.Unlock()
	answers := make([]func() proto.Message, 20)
	for i := range answers {
		answers[i] = h.ask(h.schedule, h.pay(b, reservation, "k"))
	}
	other := h.pay(b, reservation, "k")
	other.Operation.Key.Digest = make([]byte, 32)
	reused := h.ask(h.schedule, other)
	h.journal.gate <- struct{}{} // the blocker
	h.journal.gate <- struct{}{} // everything else
	require.True(t, outcome(t, blocker()).GetCreated())
	for _, answer := range answers {
		o := outcome(t, answer())
		require.True(t, o.GetReplayed())
		require.Equal(t, earlier.Payment.ID[:], o.GetPayment().GetId())
	}
	require.Equal(t, string(boxoffice.CodeIdempotencyKeyReused), outcome(t, reused()).GetRefusal().GetCode())
	h.journal.mu.Lock()
	defer h.journal.mu.Unlock()
	require.Equal(t, 1, commits)
}

func TestHoldWithAnEndedPlaceIsRefusedAndItsTokenBarred(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	b := newBuyer(1)
	h.journal.mu.Lock()
	h.journal.verdict = func(c boxoffice.Commit) boxoffice.CommitResult {
		if _, held := c.Events[0].Data.(seatmap.Held); !held {
			return boxoffice.CommitResult{}
		}
		return boxoffice.CommitResult{Refusals: []boxoffice.CommitRefusal{
			{Reason: boxoffice.RefusedPlace, OperationID: c.Events[0].OperationID},
		}}
	}
	h.journal.mu.Unlock()
	expired := string(boxoffice.CodeQueueTokenExpired)
	require.Equal(t, expired, outcome(t, h.ask(h.schedule, h.hold(b, 1))()).GetRefusal().GetCode())
	seats := h.ask(h.schedule, &messages.ReadSeats{Admission: h.hold(b, 1).GetAdmission()})()
	require.IsType(t, &messages.Refusal{}, seats)
	require.Equal(t, expired, seats.(*messages.Refusal).GetCode())
}

func TestWithoutALeaseEvenReadsAreConfirmed(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	require.IsType(t, &messages.SeatMap{}, h.ask(h.schedule, &messages.ReadSeats{})())
	require.Empty(t, h.journal.committed(), "with a lease a read is answered from memory")

	h.lease.lost.Store(true)
	require.IsType(t, &messages.SeatMap{}, h.ask(h.schedule, &messages.ReadSeats{})())
	require.Len(t, h.journal.committed(), 1)
	require.Empty(t, h.journal.committed()[0].Events)

	_, _, err := h.journal.activate(boxoffice.Grain{Kind: boxoffice.KindSchedule, ID: scheduleID}) // elsewhere
	require.NoError(t, err)
	require.True(t, IsRetry(h.ask(h.schedule, &messages.ReadSeats{})()), "a replaced owner says nothing definite")
	h.schedule = nil
}

func TestHoldIsOverAtItsExpiryAndTheTimerFreesTheSeat(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	first, second := newBuyer(1), newBuyer(2)
	reservation := h.held(first, 1)

	h.clock.advance(5*time.Minute - time.Millisecond)
	o := outcome(t, h.ask(h.schedule, h.hold(second, 1))())
	require.Equal(t, string(boxoffice.CodeSeatTaken), o.GetRefusal().GetCode())
	h.clock.advance(time.Millisecond)
	o = outcome(t, h.ask(h.schedule, h.pay(first, reservation, "late"))())
	require.Equal(t, string(boxoffice.CodeHoldExpired), o.GetRefusal().GetCode())
	require.True(t, outcome(t, h.ask(h.schedule, h.hold(second, 1))()).GetCreated())
}

func TestMovedGrainAnswersWhatIsInFlightAndSendsTheRestAway(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.journal.gate = make(chan struct{})
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	first := h.ask(h.schedule, h.hold(newBuyer(1), 1))
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond)
	second := h.ask(h.schedule, h.hold(newBuyer(2), 2))
	h.system.Root.Send(h.schedule, &Moved{})
	require.True(t, IsRetry(second()))
	require.True(t, IsRetry(h.ask(h.schedule, h.hold(newBuyer(3), 3))()))
	h.journal.gate <- struct{}{}
	require.True(t, outcome(t, first()).GetCreated())
}

func TestStopWaitsForTheCommitInFlight(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.journal.gate = make(chan struct{})
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	answer := h.ask(h.schedule, h.hold(newBuyer(1), 1))
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond)
	stopped := h.system.Root.StopFuture(h.schedule)
	h.journal.gate <- struct{}{}
	require.True(t, outcome(t, answer()).GetCreated())
	require.NoError(t, stopped.Wait())
	h.schedule = nil
}

// lastViews remembers what was last said of watching.
type lastViews struct {
	said chan string
}

func (v lastViews) Watched(boxoffice.Grain, int64, string) *messages.Mark {
	v.said <- "watched"
	return &messages.Mark{}
}

func (v lastViews) Changed(*messages.Change) bool {
	v.said <- "changed"
	return false
}

func (v lastViews) Ended(_ boxoffice.Grain, epoch int64) { v.said <- fmt.Sprint("ended ", epoch) }

// Whoever gets the whole view from an activation that stops hears of its end.
func TestAWatchOfTheLastBatchEndsWithIt(t *testing.T) {
	t.Parallel()
	views := lastViews{said: make(chan string, 16)}
	h := setup(t, func(c *Config) { c.Views = views })
	h.lease.lost.Store(true) // so that a watch, too, waits for a commit
	h.journal.gate = make(chan struct{})
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	require.Equal(t, "ended 0", <-views.said)
	answer := h.ask(h.schedule, &messages.Watch{Watcher: "b"})
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond)
	stopped := h.system.Root.StopFuture(h.schedule)
	h.journal.gate <- struct{}{}
	require.IsType(t, &messages.SeatsState{}, answer())
	require.NoError(t, stopped.Wait())
	h.schedule = nil
	require.Len(t, views.said, 2)
	require.Equal(t, "watched", <-views.said)
	require.Equal(t, "ended 1", <-views.said)
}

func TestIdleGrainSavesItsStateAndStops(t *testing.T) {
	t.Parallel()
	stopped := make(chan string, 1)
	h := setup(t, func(c *Config) {
		c.IdleAfter = 50 * time.Millisecond
		c.Observer.Stopped = func(_ boxoffice.Kind, reason string) { stopped <- reason }
	})
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	h.held(newBuyer(1), 1)
	h.clock.advance(time.Second)
	require.Equal(t, "idle", <-stopped)
	commits := h.journal.committed()
	last := commits[len(commits)-1]
	require.Empty(t, last.Events)
	require.NotNil(t, last.Snapshot)
	restored, err := seatmap.Restore(last.Snapshot, nil)
	require.NoError(t, err)
	require.Equal(t, 49, restored.Available(h.clock.Now()))
	h.schedule = nil
}

// An idle grain whose state cannot be saved tries again when it has been idle once more.
func TestIdleGrainThatCannotSaveItsStateWaits(t *testing.T) {
	t.Parallel()
	h := setup(t, func(c *Config) { c.IdleAfter = 50 * time.Millisecond })
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	h.held(newBuyer(1), 1)
	tried := make(chan struct{}, 1000)
	h.journal.mu.Lock()
	h.journal.verdict = func(boxoffice.Commit) boxoffice.CommitResult {
		tried <- struct{}{}
		return boxoffice.CommitResult{Err: boxoffice.Unavailable(errors.New("no connection"))}
	}
	h.journal.mu.Unlock()
	h.clock.advance(time.Second)
	<-tried
	require.Never(t, func() bool { return len(tried) > 0 }, 100*time.Millisecond, time.Millisecond)
}

// askWhileLoading asks a grain that is about to find out that it cannot live.
func (h *house) askWhileLoading(id int64) func() proto.Message {
	h.t.Helper()
	h.journal.mu.Lock()
	defer h.journal.mu.Unlock()
	return h.ask(h.spawn(boxoffice.KindSchedule, id), &messages.ReadSeats{})
}

func TestUnknownScheduleIsRefused(t *testing.T) {
	t.Parallel()
	h := setup(t)
	reply := h.askWhileLoading(99)()
	require.IsType(t, &messages.Refusal{}, reply)
	require.Equal(t, string(boxoffice.CodeScheduleNotFound), reply.(*messages.Refusal).GetCode())
}

func TestFailedActivationsAreTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want boxoffice.Code
	}{
		{boxoffice.Unavailable(fmt.Errorf("connection refused")), boxoffice.CodeUnavailable},
		{fmt.Errorf("event 7 contradicts the state"), boxoffice.CodeInternal},
	} {
		h := setup(t)
		h.journal.loadErr = c.err
		require.Equal(t, c.want, refusalCode(t, h.askWhileLoading(scheduleID)()))
	}
}

func TestACommitThatCouldNotBeTriedIsTriedAgain(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	failures := 0
	away := func(limit int) {
		h.journal.mu.Lock()
		defer h.journal.mu.Unlock()
		failures = 0
		h.journal.verdict = func(boxoffice.Commit) boxoffice.CommitResult {
			if failures++; failures > limit {
				return boxoffice.CommitResult{}
			}
			return boxoffice.CommitResult{Err: boxoffice.Unavailable(fmt.Errorf("connection refused"))}
		}
	}
	away(maxAttempts - 1)
	require.True(t, outcome(t, h.ask(h.schedule, h.hold(newBuyer(1), 1))()).GetCreated(), "a blip costs nobody anything")
	away(maxAttempts)
	require.Equal(t, boxoffice.CodeUnavailable, refusalCode(t, h.ask(h.schedule, h.hold(newBuyer(2), 2))()))
	require.True(t, outcome(t, h.ask(h.schedule, h.hold(newBuyer(3), 2))()).GetCreated(), "what was shed left nothing behind")
	require.EqualValues(t, 1, h.journal.epochs[boxoffice.Grain{Kind: boxoffice.KindSchedule, ID: scheduleID}])
}

// Who watches is not told of the end of a place that came to nothing.
func TestAnEndThatWasShedIsNotTold(t *testing.T) {
	t.Parallel()
	views := recordingViews{changes: make(chan *messages.Change, 16)}
	h := setup(t, func(c *Config) { c.Views = views })
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	leaver := newBuyer(1)
	require.True(t, outcome(t, h.ask(h.schedule, h.hold(leaver, 1))()).GetCreated())
	h.ask(h.schedule, &messages.Watch{Watcher: "b"})()
	end := func() proto.Message {
		return h.ask(h.schedule, &messages.EndPlace{
			Operation: operationMessage(boxoffice.Operation{ID: uuid.New()}), UserId: leaver.userID[:], Sequence: leaver.sequence,
		})()
	}
	away := func(refused bool) {
		h.journal.mu.Lock()
		defer h.journal.mu.Unlock()
		h.journal.verdict = func(boxoffice.Commit) (result boxoffice.CommitResult) {
			if refused {
				result.Err = boxoffice.Unavailable(fmt.Errorf("connection refused"))
			}
			return result
		}
	}
	away(true)
	require.Equal(t, boxoffice.CodeUnavailable, refusalCode(t, end()))
	away(false)
	require.True(t, outcome(t, h.ask(h.schedule, h.hold(newBuyer(2), 2))()).GetCreated())
	require.Empty(t, (<-views.changes).GetSeats().GetEnded())
	end()
	require.Equal(t, []uint64{leaver.sequence}, (<-views.changes).GetSeats().GetEnded())
}

func TestCommandsPastTheQueueAreShed(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.journal.gate = make(chan struct{})
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	first := h.ask(h.schedule, h.hold(newBuyer(1), 1))
	require.Eventually(t, func() bool { return h.journal.waiting.Load() == 1 }, patience, time.Millisecond)
	for range maxPending {
		h.system.Root.Send(h.schedule, &messages.Left{}) // which nobody has to decide about
	}
	shed := h.ask(h.schedule, h.hold(newBuyer(2), 2))()
	require.IsType(t, &messages.Refusal{}, shed)
	require.Equal(t, string(boxoffice.CodeUnavailable), shed.(*messages.Refusal).GetCode())
	h.journal.gate <- struct{}{}
	require.True(t, outcome(t, first()).GetCreated())
}
