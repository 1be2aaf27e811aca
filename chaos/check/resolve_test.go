package check

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/chaos/history"
	"boxoffice/seatmap"
)

// unknownHold adds a hold with a key whose answer nobody got.
func (s *story) unknownHold(call, end int, userID uuid.UUID, seat int, key string) {
	s.op(history.Hold, call, end, userID, func(op *history.Operation) {
		unknown(op)
		op.Request.SeatNumber, op.Request.Key = seat, key
	})
}

// happened keeps what came of a hold under its key.
func (s *story) happened(userID uuid.UUID, key string, held seatmap.Held) {
	s.key(userID, key, uuid.New(), boxoffice.Outcome{Created: true, Reservation: &boxoffice.Reservation{
		ID: held.ReservationID, SeatNumber: held.SeatNumber, UserID: userID, ExpiresAt: held.ExpiresAt,
	}})
}

func TestUnknownAndNotInTheLogNeverHappened(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.unknownHold(100, 110, s.user(0), 7, "")
	s.unknownHold(100, 110, s.user(0), 7, "a")
	s.hold(120, 130, s.user(0), 7)
	s.requirePass()
	effects, _ := Resolve(s.evidence)
	require.Len(t, effects, 1)
}

func TestUnknownAndInTheLogHappened(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"with a key": "k", "without": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tell(t)
			user := s.user(0)
			s.unknownHold(100, 110, user, 7, key)
			held := s.logHold(105, user, 7)
			if key != "" {
				s.happened(user, key, held)
			}
			s.op(history.Hold, 300, 310, s.user(0), func(op *history.Operation) {
				refused(boxoffice.CodeSeatTaken)(op)
				op.Request.SeatNumber = 7
			})
			s.requirePass()
		})
	}
}

// TestPlantedEarlyExpiriesAreFound is why unknown results are resolved before the search:
// left unknown, the first hold may be said to have happened late, or never.
func TestPlantedEarlyExpiriesAreFound(t *testing.T) {
	t.Parallel()
	const planted = 40
	for i := range planted {
		s := tell(t)
		early, late := s.user(0), s.user(0)
		s.unknownHold(100, 2600, early, 7, "k")
		s.happened(early, "k", s.logHold(105, early, 7))
		at := 200 + i*45 // of a hold that ends at 2105
		s.op(history.Reservation, at-50, at-40, early, func(op *history.Operation) {
			op.Request.ReservationID = s.evidence.State.Keys[0].Outcome.Reservation.ID
			op.Answer.Status = "held"
		})
		s.hold(at, at+5, late, 7)
		s.requireViolation("linearizability", "seat 7 of schedule 1")
	}
}

func TestOneEffectOfAllThatWasSentWithAKey(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(0)
	held := s.logHold(105, user, 7)
	s.happened(user, "k", held)
	answer := func(op *history.Operation) {
		op.Status, op.Request.SeatNumber, op.Request.Key = 201, 7, "k"
		op.Answer = history.Answer{ReservationID: held.ReservationID, SeatNumber: 7, ExpiresAt: &held.ExpiresAt}
	}
	s.unknownHold(100, 110, user, 7, "k")
	s.op(history.Hold, 200, 210, user, answer)
	s.op(history.Hold, 220, 230, user, func(op *history.Operation) {
		answer(op)
		op.Replayed = true
	})
	s.requirePass()
	effects, _ := Resolve(s.evidence)
	require.Len(t, effects, 1)
	require.Equal(t, []int{1, 2, 3}, effects[0].Operations)
	require.Equal(t, 100*ms, effects[0].Call)
	require.Equal(t, 210*ms, effects[0].Return)
}

func TestAKeyWithTwoAnswers(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(0)
	for i, seat := range []int{7, 8} {
		held := s.logHold(100+i, user, seat)
		if i == 0 {
			s.happened(user, "k", held)
		}
		s.op(history.Hold, 100+i, 110+i, user, func(op *history.Operation) {
			op.Status, op.Request.SeatNumber, op.Request.Key = 201, seat, "k"
			op.Answer = history.Answer{ReservationID: held.ReservationID, SeatNumber: seat, ExpiresAt: &held.ExpiresAt}
		})
	}
	s.requireViolation("idempotency", "got two answers")
	s.requireViolation("idempotency", "as if for the first time")
	s.requireViolation("one effect", "was asked for by nobody")
}

func TestAnAcknowledgedKeyThatIsNotKept(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(1000)
	s.pay(200, 210, user, s.hold(100, 110, user, 7))
	s.evidence.State.Keys = nil
	s.requireViolation("durability", "acknowledged and is not kept")
}

func TestAKeyThatIsTakenForAnotherRequest(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(0)
	reused := func(op *history.Operation) { op.Request.Key, op.Request.KeyReused = "k", true }
	s.op(history.Pay, 1, 2, user, func(op *history.Operation) {
		refused(boxoffice.CodeIdempotencyKeyReused)(op)
		reused(op)
	})
	s.requirePass()
	s.op(history.Pay, 3, 4, user, func(op *history.Operation) {
		refused(boxoffice.CodeHoldExpired)(op)
		reused(op)
	})
	s.requireViolation("idempotency", "a key that another request was answered with")
}

func TestUnknownReleasesAndLeavings(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(0)
	reservation := s.hold(100, 110, user, 7)
	s.op(history.Release, 200, 210, user, func(op *history.Operation) {
		unknown(op)
		op.Request.ReservationID = reservation
	})
	s.requirePass() // it did not happen
	s.log(205, boxoffice.KindSchedule, uuid.New(), seatmap.Released{ReservationID: reservation, SeatNumber: 7})
	s.hold(220, 230, s.user(0), 7)
	s.requirePass() // it did
}
