package check

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/chaos/history"
	"boxoffice/seatmap"
)

// honest is a history that a service without faults could make.
func honest(t *testing.T) (s *story, buyer, loser, reservation, payment uuid.UUID) {
	t.Helper()
	s = tell(t)
	buyer, loser = s.user(1000), s.user(50)
	reservation = s.hold(100, 110, buyer, 7)
	s.op(history.Hold, 120, 130, loser, func(op *history.Operation) {
		refused(boxoffice.CodeSeatTaken)(op)
		op.Request.SeatNumber = 7
	})
	payment = s.pay(200, 220, buyer, reservation)
	s.op(history.Reservation, 230, 240, loser, func(op *history.Operation) {
		op.Request.ReservationID, op.Answer.Status = reservation, "confirmed"
	})
	s.cancel(300, 310, buyer, reservation, payment)
	lost := s.hold(320, 330, loser, 7)
	s.op(history.Pay, 340, 350, loser, func(op *history.Operation) {
		refused(boxoffice.CodeInsufficientPoints)(op)
		balance := int64(50)
		op.Request.ReservationID, op.Answer.Balance, op.Answer.Amount = lost, &balance, thePrice
	})
	s.hold(2325, 2330, buyer, 7) // the loser's hold is over at 2320
	return s, buyer, loser, reservation, payment
}

func TestAnHonestHistoryPasses(t *testing.T) {
	t.Parallel()
	s, _, _, _, _ := honest(t)
	s.requirePass()
}

func TestThePageShowsTheHistory(t *testing.T) {
	t.Parallel()
	s, _, _, _, _ := honest(t)
	var page bytes.Buffer
	require.NoError(t, Run(s.evidence, theLimits(), time.Now).Visualize(&page))
	require.Contains(t, page.String(), "seat 7 of schedule 1")
	page.Reset()
	require.NoError(t, Run(Evidence{}, theLimits(), time.Now).Visualize(&page))
	require.Contains(t, page.String(), "No operations")
}

func TestTwoOwnersOfOneSeat(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.hold(100, 110, s.user(0), 7)
	s.hold(120, 130, s.user(0), 7)
	s.requireViolation("linearizability", "seat 7 of schedule 1")
}

func TestTwoSeatsOfOneBuyer(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(0)
	s.hold(100, 110, user, 7)
	s.hold(120, 130, user, 8)
	s.requireViolation("linearizability", "user "+user.String())
}

func TestASoldSeatIsNotSoldAgain(t *testing.T) {
	t.Parallel()
	s := tell(t)
	first, second := s.user(1000), s.user(1000)
	s.pay(150, 160, first, s.hold(100, 110, first, 7))
	s.pay(5150, 5160, second, s.hold(5100, 5110, second, 7))
	s.requireViolation("linearizability", "seat 7 of schedule 1")
}

func TestExpiryBeforeItsTime(t *testing.T) {
	t.Parallel()
	for name, found := range map[string]struct {
		at    int // of a hold that ends at 2100
		early bool
	}{
		"long before":       {at: 1000, early: true},
		"just before":       {at: 2030, early: true},
		"within the limits": {at: 2080, early: false},
		"after":             {at: 2101, early: false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := tell(t)
			s.hold(100, 110, s.user(0), 7)
			s.hold(found.at, found.at+5, s.user(0), 7)
			if found.early {
				s.requireViolation("linearizability", "seat 7 of schedule 1")
			} else {
				s.requirePass()
			}
		})
	}
}

func TestPayingAfterExpiry(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(1000)
	s.pay(2200, 2210, user, s.hold(100, 110, user, 7))
	s.requireViolation("linearizability", "seat 7 of schedule 1")
}

func TestHoldExpiredWhileItIsHeld(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(1000)
	reservation := s.hold(100, 110, user, 7)
	s.op(history.Pay, 500, 510, user, func(op *history.Operation) {
		refused(boxoffice.CodeHoldExpired)(op)
		op.Request.ReservationID = reservation
	})
	s.requireViolation("linearizability", "seat 7 of schedule 1")
}

func TestRefusedThoughFree(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.hold(100, 110, s.user(0), 7)
	s.op(history.Hold, 3000, 3010, s.user(0), func(op *history.Operation) {
		refused(boxoffice.CodeSeatTaken)(op)
		op.Request.SeatNumber = 7
	})
	s.requireViolation("linearizability", "seat 7 of schedule 1")
}

func TestAStaleOwnerReads(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(0)
	reservation := s.hold(100, 110, user, 7)
	s.log(200, boxoffice.KindSchedule, uuid.New(), seatmap.Released{ReservationID: reservation, SeatNumber: 7})
	s.op(history.Release, 200, 210, user, func(op *history.Operation) { op.Request.ReservationID = reservation })
	s.op(history.Reservation, 300, 310, user, func(op *history.Operation) {
		op.Request.ReservationID, op.Answer.Status = reservation, "held"
	})
	s.requireViolation("linearizability", "seat 7 of schedule 1")
}

func TestAnAcknowledgedHoldIsLost(t *testing.T) {
	t.Parallel()
	s := tell(t)
	expiresAt := s.at(2100)
	s.op(history.Hold, 100, 110, s.user(0), func(op *history.Operation) {
		op.Status, op.Request.SeatNumber = 201, 7
		op.Answer = history.Answer{ReservationID: uuid.New(), SeatNumber: 7, ExpiresAt: &expiresAt}
	})
	s.requireViolation("durability", "of seat 7 was acknowledged")
}

func TestAnAcknowledgedChargeIsLost(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.user(100)
	s.evidence.State.Entries = nil
	s.requireViolation("durability", "the ledger has")
}

func TestAHoldThatNobodyAskedFor(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.logHold(100, s.user(0), 7)
	s.requireViolation("one effect", "was asked for by nobody")
}

func TestAChargeThatHappensTwice(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(100)
	again := s.evidence.State.Entries[0]
	again.TransactionID, again.BalanceAfter = uuid.New(), 200
	s.evidence.State.Entries = append(s.evidence.State.Entries, again)
	s.op(history.Points, 500, 510, user, func(op *history.Operation) {
		balance := int64(200)
		op.Answer.Balance = &balance
	})
	s.requireViolation("one effect", "was asked for by nobody")
	s.requireViolation("linearizability", "account of "+user.String())
}

func TestARefundTwice(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(1000)
	reservation := s.hold(100, 110, user, 7)
	payment := s.pay(200, 210, user, reservation)
	s.cancel(300, 310, user, reservation, payment)
	s.cancel(400, 410, user, reservation, payment)
	s.requireViolation("linearizability", "seat 7 of schedule 1")
	s.requireViolation("one effect", "happened 2 times")
}

func TestRefusedForPointsThatAreThere(t *testing.T) {
	t.Parallel()
	s := tell(t)
	user := s.user(1000)
	reservation := s.hold(100, 110, user, 7)
	s.op(history.Pay, 200, 210, user, func(op *history.Operation) {
		refused(boxoffice.CodeInsufficientPoints)(op)
		balance := int64(10)
		op.Request.ReservationID, op.Answer.Balance, op.Answer.Amount = reservation, &balance, thePrice
	})
	s.requireViolation("linearizability", "account of "+user.String())
}

func TestACheckThatTakesTooLongIsAViolation(t *testing.T) {
	t.Parallel()
	s, _, _, _, _ := honest(t)
	limits := theLimits()
	limits.Patience = 0
	violations := Run(s.evidence, limits, time.Now).Violations
	require.NotEmpty(t, violations)
	require.Contains(t, violations[0].Detail, "could not be checked in time")
}

func TestARefusalThatTheContractDoesNotHave(t *testing.T) {
	t.Parallel()
	s := tell(t)
	s.op(history.Pay, 1, 2, s.user(0), refused(boxoffice.CodeReservationNotFound))
	s.requireViolation("refusal", "pay was refused with 409 reservation-not-found")
}
