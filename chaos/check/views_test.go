package check

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/chaos/history"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// queue adds a look at the waiting room.
func (s *story) queue(call int, view history.QueueView) {
	view.Capacity, view.AdmitPerSecond = 2, 3
	s.op(history.Queue, call, call+10, uuid.Nil, func(op *history.Operation) { op.Answer.Queue = &view })
}

func TestQueuesAreShownAsTheyWere(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(thePrice)
	s.join(100, 110, user)
	s.queue(500, history.QueueView{State: "open", AvailableSeats: 50}) // from a node that is a little behind
	s.queue(500, history.QueueView{State: "open", Waiting: 1, AvailableSeats: 50})
	s.hold(600, 610, user, 7)
	s.queue(2500, history.QueueView{State: "open", Waiting: 1, AvailableSeats: 50})
	s.queue(2600, history.QueueView{State: "open", Waiting: 1, AvailableSeats: 49})
	s.requirePass()
	for detail, view := range map[string]history.QueueView{
		"it was never so from event 2 on":                 {State: "open", AvailableSeats: 49},
		"there never were so many seats from change 1 on": {State: "open", Waiting: 1, AvailableSeats: 48},
		"it was never so from change 1 of a seat on":      {State: "sold-out", Waiting: 1, AvailableSeats: 49},
	} {
		t.Run(detail, func(t *testing.T) {
			s := *s
			s.t = t
			s.queue(3000, view)
			s.requireViolation("queue", detail)
		})
	}
}

func TestWhoWaitsForNothing(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.log(0, boxoffice.KindGatekeeper, uuid.Nil, waitingroom.Configured{Capacity: 1})
	buyer := s.user(thePrice)
	s.join(10, 20, buyer)
	s.admit(10, 1)
	s.join(30, 40, s.user(0))
	held := s.logHold(50, buyer, 7)
	s.log(1000, boxoffice.KindSchedule, uuid.New(), seatmap.Confirmed{
		PaymentID: uuid.New(), ReservationID: held.ReservationID, UserID: buyer, Sequence: 1, SeatNumber: 7, Amount: thePrice,
	})
	idle := func(from, to time.Duration) time.Duration {
		return LongestIdle(s.evidence, []int64{theSchedule}, from, to)[0].Length
	}
	require.Zero(t, idle(0, time.Second), "the room is full")
	require.Equal(t, 2*time.Second, idle(0, 3*time.Second))
	s.log(1500, boxoffice.KindGatekeeper, uuid.Nil, waitingroom.Ended{Sequences: []uint64{1}, Status: boxoffice.PlaceCompleted})
	s.admit(1600, 2)
	require.Equal(t, 600*ms, idle(0, 3*time.Second))
	require.Equal(t, 100*ms, idle(1500*ms, 3*time.Second))
}

func TestLooksThatNothingKeepsFrom(t *testing.T) {
	t.Parallel()
	s := tell(t)
	token := s.join(10, 20, s.user(0))
	look := func(kind history.Kind, call int, result func(*history.Operation)) {
		s.op(kind, call, call+10, token.UserID, func(op *history.Operation) {
			op.Client, op.Request.Place = 7, token
			if result != nil {
				result(op)
			}
		})
	}
	reads := func() []FailedRead { return Reads(s.evidence, 7, 100*ms, 200*ms) }
	look(history.Place, 50, unknown) // before
	look(history.Seats, 150, nil)
	look(history.Place, 150, refused(boxoffice.CodeQueueTokenExpired))
	require.Empty(t, reads())
	look(history.Place, 160, unknown)
	require.Len(t, reads(), 1)
	s.admit(120, 1)
	require.Empty(t, reads(), "the first look of somebody who was let in claims the place")
}

func TestAJoinThatMadeAPlaceIsToldSo(t *testing.T) {
	t.Parallel()
	again := func(joinedTwice bool) *story {
		s := tell(t)
		user := s.user(0)
		if joinedTwice {
			s.op(history.Join, 5, 15, user, unknown)
		}
		s.join(10, 20, user)
		s.evidence.Operations[len(s.evidence.Operations)-1].Status = http.StatusOK
		return s
	}
	again(true).requirePass()
	again(false).requireViolation("place", "the join that made place 1 was told that it had been there")
}
