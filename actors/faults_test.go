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
		require.Equal(t, boxoffice.CodeUnavailable, refusalCode(t, h.poll(places[2])), "it would be let in")
	}
	h.refuses(false)
	require.Eventually(t, func() bool {
		reply, ok := h.poll(places[2]).(*messages.Place)
		return ok && reply.GetStatus() == string(boxoffice.PlaceAdmitted)
	}, patience, time.Millisecond)
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
