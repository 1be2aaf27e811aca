package boxoffice_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
)

func TestHold(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)

	events, outcome := act(s, hold(1, 12), at(time.Minute))

	require.Equal(t, []boxoffice.Event{{
		At: at(time.Minute), OperationID: operation(1).ID,
		Data: boxoffice.SeatWasHeld{
			ReservationID: reservation(1), UserID: user(1), Sequence: 1, SeatNumber: 12, Price: 1012,
			ExpiresAt: at(6 * time.Minute),
		},
	}}, events)
	require.Equal(t, boxoffice.Outcome{
		At: at(time.Minute), Created: true,
		Reservation: &boxoffice.Reservation{
			ID: reservation(1), ConcertID: 3, ScheduleID: 7, SeatNumber: 12, UserID: user(1),
			Status: boxoffice.ReservationHeld, Price: 1012,
			CreatedAt: at(time.Minute), ExpiresAt: at(6 * time.Minute),
		},
	}, outcome)
	require.Equal(t, 49, s.Available(at(time.Minute)))
	require.NotContains(t, s.AvailableSeats(at(time.Minute)), 12)
	require.Equal(t, at(6*time.Minute), s.NextWake())
	require.Equal(t, boxoffice.SeatHeld, s.SeatMap(at(time.Minute)).Seats[11].Status)
}

func TestHoldAnswers(t *testing.T) {
	t.Parallel()
	bySomeoneElse := hold(2, 12)
	again := hold(1, 12)
	again.Operation, again.ReservationID = operation(9), reservation(9)
	lapsed := hold(3, 20)
	lapsed.EndsAt = at(time.Minute)

	tests := []struct {
		name   string
		before []boxoffice.ScheduleCommand // at 1 min
		cmd    boxoffice.Hold
		now    time.Time
		want   boxoffice.Code // empty: held
	}{
		{name: "free seat", cmd: hold(1, 12), now: at(time.Minute)},
		{name: "first millisecond of sales", cmd: hold(1, 12), now: at(0)},
		{name: "before sales open", cmd: hold(1, 12), now: at(-time.Millisecond), want: boxoffice.CodeSalesClosed},
		{name: "admission over", cmd: lapsed, now: at(time.Minute), want: boxoffice.CodeQueueTokenExpired},
		{name: "seat 0", cmd: hold(1, 0), now: at(time.Minute), want: boxoffice.CodeInvalidRequest},
		{name: "seat 51", cmd: hold(1, 51), now: at(time.Minute), want: boxoffice.CodeInvalidRequest},
		{
			name: "held by somebody else", before: []boxoffice.ScheduleCommand{hold(1, 12)},
			cmd: bySomeoneElse, now: at(time.Minute), want: boxoffice.CodeSeatTaken,
		},
		{
			name: "sold", before: []boxoffice.ScheduleCommand{hold(1, 12), pay(1)},
			cmd: bySomeoneElse, now: at(time.Minute), want: boxoffice.CodeSeatTaken,
		},
		{
			name: "released", before: []boxoffice.ScheduleCommand{hold(1, 12), release(1)},
			cmd: bySomeoneElse, now: at(time.Minute),
		},
		{
			name: "cancelled", before: []boxoffice.ScheduleCommand{hold(1, 12), pay(1), cancel(1)},
			cmd: bySomeoneElse, now: at(time.Minute),
		},
		{
			name: "last millisecond of a hold", before: []boxoffice.ScheduleCommand{hold(1, 12)},
			cmd: bySomeoneElse, now: at(6*time.Minute - time.Millisecond), want: boxoffice.CodeSeatTaken,
		},
		{
			name: "hold is over", before: []boxoffice.ScheduleCommand{hold(1, 12)},
			cmd: bySomeoneElse, now: at(6 * time.Minute),
		},
		{
			name: "own other seat held", before: []boxoffice.ScheduleCommand{hold(1, 11)},
			cmd: again, now: at(time.Minute), want: boxoffice.CodeAlreadyReserved,
		},
		{
			name: "own other seat held and wanted one taken", before: []boxoffice.ScheduleCommand{hold(1, 11), bySomeoneElse},
			cmd: again, now: at(time.Minute), want: boxoffice.CodeAlreadyReserved,
		},
		{
			name: "own hold of another seat is over", before: []boxoffice.ScheduleCommand{hold(1, 11)},
			cmd: again, now: at(6 * time.Minute),
		},
		{
			name: "own hold after sales closed", before: []boxoffice.ScheduleCommand{hold(1, 12)},
			cmd: again, now: at(2 * time.Minute),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSchedule(t)
			for _, cmd := range tt.before {
				_, outcome := act(s, cmd, at(time.Minute))
				requireSucceeded(t, outcome)
			}
			before := snapshotOf(t, s)

			events, outcome := s.Decide(tt.cmd, tt.now)

			require.Equal(t, before, snapshotOf(t, s), "deciding changed the state")
			if tt.want != "" {
				requireRefused(t, tt.want, outcome)
				require.Empty(t, events)
				return
			}
			requireSucceeded(t, outcome)
			require.Equal(t, tt.cmd.SeatNumber, outcome.Reservation.SeatNumber)
		})
	}
}

func TestHoldOfTakenSeatNamesFreeOnes(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	for n := 1; n <= boxoffice.SeatCount; n++ {
		act(s, hold(n, n), at(time.Minute))
	}
	act(s, release(2), at(time.Minute))
	act(s, release(50), at(time.Minute))

	_, outcome := act(s, hold(60, 1), at(time.Minute))
	requireRefused(t, boxoffice.CodeSeatTaken, outcome)
	require.Equal(t, []int{2, 50}, outcome.Refusal.AvailableSeats)

	act(s, hold(61, 2), at(time.Minute))
	act(s, hold(62, 50), at(time.Minute))
	_, outcome = act(s, hold(60, 1), at(time.Minute))
	requireRefused(t, boxoffice.CodeSeatTaken, outcome)
	require.Equal(t, []int{}, outcome.Refusal.AvailableSeats, "none is not the same as not told")
	require.False(t, s.SoldOut(), "held is not sold")
}

func TestHoldAgainGivesTheSameReservation(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	_, first := act(s, hold(1, 12), at(time.Minute))
	again := hold(1, 12)
	again.Operation, again.ReservationID = operation(9), reservation(9)

	events, second := act(s, again, at(2*time.Minute))

	require.Empty(t, events)
	require.False(t, second.Created)
	require.Equal(t, at(2*time.Minute), second.At)
	require.Equal(t, first.Reservation, second.Reservation)

	act(s, pay(1), at(3*time.Minute))
	events, _ = act(s, cancel(1), at(4*time.Minute))
	require.Len(t, events, 1)
}

func TestHoldOnDueHoldWritesTheExpiryFirst(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 12), at(0))
	act(s, hold(2, 13), at(0))

	events, outcome := act(s, hold(3, 12), at(holdTTL))
	requireSucceeded(t, outcome)
	require.Len(t, events, 2)
	require.Equal(t, boxoffice.HoldExpired{ReservationID: reservation(1), SeatNumber: 12, Sequence: 1}, events[0].Data)
	require.Zero(t, events[0].OperationID, "time caused it")

	// User 2's own hold on seat 13 is over as well, and so must be gone before 14 is theirs.
	other := hold(2, 14)
	other.Operation, other.ReservationID = operation(9), reservation(9)
	events, outcome = act(s, other, at(holdTTL))
	requireSucceeded(t, outcome)
	require.Len(t, events, 2)
	require.Equal(t, boxoffice.HoldExpired{ReservationID: reservation(2), SeatNumber: 13, Sequence: 2}, events[0].Data)

	// The same seat again after its hold is over is one expiry, not two.
	same := hold(3, 12)
	same.Operation, same.ReservationID = operation(10), reservation(10)
	events, outcome = act(s, same, at(2*holdTTL))
	requireSucceeded(t, outcome)
	require.True(t, outcome.Created)
	require.Len(t, events, 2)
}

func TestPay(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 12), at(0))

	events, outcome := act(s, pay(1), at(time.Minute))

	require.Equal(t, []boxoffice.Event{{
		At: at(time.Minute), OperationID: operation(101).ID,
		Data: boxoffice.SeatWasConfirmed{
			PaymentID: payment(1), ReservationID: reservation(1), UserID: user(1), Sequence: 1, SeatNumber: 12, Amount: 1012,
		},
	}}, events)
	require.Equal(t, boxoffice.Outcome{
		At: at(time.Minute), Created: true,
		Payment: &boxoffice.Payment{
			ID: payment(1), ReservationID: reservation(1), ConcertID: 3, ScheduleID: 7, SeatNumber: 12, UserID: user(1),
			Amount: 1012, Status: boxoffice.PaymentCompleted,
			StartsAt: terms().StartsAt, EndsAt: terms().EndsAt, PaidAt: at(time.Minute),
		},
	}, outcome)
	require.Equal(t, boxoffice.SeatSold, s.SeatMap(at(time.Hour)).Seats[11].Status)
	require.Zero(t, s.NextWake(), "what is sold does not expire")
}

func TestPayAnswers(t *testing.T) {
	t.Parallel()
	byAnother := pay(1)
	byAnother.UserID = user(2)
	again := pay(1)
	again.Operation, again.PaymentID = operation(9), payment(9)

	tests := []struct {
		name   string
		before []boxoffice.ScheduleCommand // at 1 min
		cmd    boxoffice.Pay
		now    time.Time
		want   boxoffice.Code
	}{
		{name: "last millisecond", cmd: pay(1), now: at(6*time.Minute - time.Millisecond)},
		{name: "hold is over", cmd: pay(1), now: at(6 * time.Minute), want: boxoffice.CodeHoldExpired},
		{name: "unknown", cmd: pay(5), now: at(time.Minute), want: boxoffice.CodeHoldExpired},
		{name: "somebody else's", cmd: byAnother, now: at(time.Minute), want: boxoffice.CodeReservationNotFound},
		{
			name: "paid", before: []boxoffice.ScheduleCommand{pay(1)},
			cmd: again, now: at(time.Minute), want: boxoffice.CodeAlreadyPaid,
		},
		{
			name: "released", before: []boxoffice.ScheduleCommand{release(1)},
			cmd: pay(1), now: at(time.Minute), want: boxoffice.CodeHoldExpired,
		},
		{
			name: "cancelled", before: []boxoffice.ScheduleCommand{pay(1), cancel(1)},
			cmd: again, now: at(time.Minute), want: boxoffice.CodeHoldExpired,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSchedule(t)
			act(s, hold(1, 12), at(time.Minute))
			for _, cmd := range tt.before {
				_, outcome := act(s, cmd, at(time.Minute))
				requireSucceeded(t, outcome)
			}
			events, outcome := s.Decide(tt.cmd, tt.now)
			if tt.want != "" {
				requireRefused(t, tt.want, outcome)
				require.Empty(t, events)
				return
			}
			requireSucceeded(t, outcome)
		})
	}
}

func TestPayAfterSalesClosed(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	closing := terms().SalesCloseAt
	cmd := hold(1, 12)
	cmd.EndsAt = closing.Add(time.Hour)
	act(s, cmd, closing.Add(-time.Millisecond))

	_, outcome := act(s, pay(1), closing.Add(time.Minute))
	requireSucceeded(t, outcome)

	late := hold(2, 13)
	late.EndsAt = closing.Add(time.Hour)
	_, outcome = act(s, late, closing)
	requireRefused(t, boxoffice.CodeSalesClosed, outcome)
}

func TestCancelSale(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 12), at(0))
	act(s, pay(1), at(time.Minute))
	byAnother := cancel(1)
	byAnother.UserID = user(2)

	_, outcome := s.Decide(byAnother, at(time.Hour))
	requireRefused(t, boxoffice.CodePaymentNotFound, outcome)
	_, outcome = s.Decide(cancel(1), terms().CancellationClosesAt)
	requireRefused(t, boxoffice.CodeCancellationClosed, outcome)

	last := terms().CancellationClosesAt.Add(-time.Millisecond)
	events, outcome := act(s, cancel(1), last)
	require.Equal(t, []boxoffice.Event{{
		At: last, OperationID: operation(301).ID,
		Data: boxoffice.SaleWasCancelled{
			PaymentID: payment(1), ReservationID: reservation(1), UserID: user(1), SeatNumber: 12, Amount: 1012,
		},
	}}, events)
	require.True(t, outcome.Created)
	require.Equal(t, boxoffice.PaymentCancelled, outcome.Payment.Status)
	require.Equal(t, int64(1012), outcome.Payment.RefundedAmount)
	require.Equal(t, at(time.Minute), outcome.Payment.PaidAt)
	require.Equal(t, last, outcome.Payment.CancelledAt)
	require.Equal(t, boxoffice.SeatCount, s.Available(last))

	again := cancel(1)
	again.Operation = operation(9)
	_, outcome = s.Decide(again, last)
	requireRefused(t, boxoffice.CodeAlreadyCancelled, outcome)
}

func TestRelease(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 12), at(0))
	byAnother := release(1)
	byAnother.UserID = user(2)

	_, outcome := s.Decide(byAnother, at(0))
	requireRefused(t, boxoffice.CodeReservationNotFound, outcome)

	events, outcome := s.Decide(release(1), at(holdTTL))
	requireSucceeded(t, outcome)
	require.Empty(t, events, "it is over already")

	events, outcome = act(s, release(1), at(time.Minute))
	requireSucceeded(t, outcome)
	require.Equal(t, boxoffice.SeatWasReleased{ReservationID: reservation(1), SeatNumber: 12, Sequence: 1}, events[0].Data)

	again := release(1)
	again.Operation = operation(9)
	events, outcome = act(s, again, at(time.Minute))
	requireSucceeded(t, outcome)
	require.Empty(t, events)

	act(s, hold(2, 12), at(time.Minute))
	act(s, pay(2), at(time.Minute))
	_, outcome = s.Decide(release(2), at(time.Minute))
	requireRefused(t, boxoffice.CodeAlreadyPaid, outcome)
}

func TestEndPlace(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 12), at(0))

	events, outcome := s.Decide(boxoffice.EndPlace{Operation: operation(9), UserID: user(1), Sequence: 8}, at(0))
	requireSucceeded(t, outcome)
	require.Empty(t, events, "the hold was taken with another place")

	events, outcome = act(s, boxoffice.EndPlace{Operation: operation(9), UserID: user(1), Sequence: 1}, at(0))
	requireSucceeded(t, outcome)
	require.Equal(t, boxoffice.SeatWasReleased{ReservationID: reservation(1), SeatNumber: 12, Sequence: 1}, events[0].Data)
	s.BarPlaces([]uint64{1})

	again := hold(1, 13)
	again.Operation, again.ReservationID = operation(10), reservation(10)
	_, outcome = s.Decide(again, at(0))
	requireRefused(t, boxoffice.CodeQueueTokenExpired, outcome)
}

func TestCheckAdmission(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	endsAt := at(3 * time.Minute)
	admission := boxoffice.Admission{UserID: user(1), Sequence: 1, EndsAt: endsAt}
	last := endsAt.Add(-time.Millisecond)

	require.Nil(t, s.CheckAdmission(admission, last))
	require.Equal(t, boxoffice.CodeQueueTokenExpired, s.CheckAdmission(admission, endsAt).Code)

	cmd := hold(1, 12)
	cmd.EndsAt = endsAt
	act(s, cmd, last)
	holdEnd := last.Add(holdTTL)
	require.Nil(t, s.CheckAdmission(admission, endsAt), "a live hold lengthens it")
	require.Nil(t, s.CheckAdmission(admission, holdEnd.Add(-time.Millisecond)))
	require.NotNil(t, s.CheckAdmission(admission, holdEnd))
	older := admission
	older.Sequence = 9
	require.NotNil(t, s.CheckAdmission(older, endsAt), "the hold was taken with another place")

	act(s, pay(1), endsAt)
	require.NotNil(t, s.CheckAdmission(admission, last), "a payment uses the place up")
	act(s, cancel(1), endsAt)
	require.NotNil(t, s.CheckAdmission(admission, last), "and a refund does not bring it back")
}

func TestBarredPlacesAreBounded(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	clone := s.Clone()
	sequences := make([]uint64, 1<<18)
	for i := range sequences {
		sequences[i] = uint64(i + 1)
	}
	s.BarPlaces(sequences)

	newest := boxoffice.Admission{UserID: user(1), Sequence: 1 << 18, EndsAt: at(time.Hour)}
	require.NotNil(t, s.CheckAdmission(newest, at(0)))
	require.NotNil(t, clone.CheckAdmission(newest, at(0)), "clones know as well")
	oldest := newest
	oldest.Sequence = 1
	require.Nil(t, s.CheckAdmission(oldest, at(0)), "left to its own end, and to its row")
}

func TestExpire(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 30), at(0))
	act(s, hold(2, 20), at(time.Second))
	act(s, hold(3, 10), at(time.Minute))

	require.Empty(t, s.Expire(at(holdTTL-time.Millisecond)))
	require.Equal(t, at(holdTTL), s.NextWake())

	events := s.Expire(at(holdTTL + time.Second))
	require.Len(t, events, 2)
	require.Equal(t, reservation(1), events[0].Data.(boxoffice.HoldExpired).ReservationID)
	require.Equal(t, reservation(2), events[1].Data.(boxoffice.HoldExpired).ReservationID)
	for _, e := range events {
		s.Apply(e)
	}
	require.Empty(t, s.Expire(at(holdTTL+time.Second)))
	require.Equal(t, at(time.Minute+holdTTL), s.NextWake())
}

// Two maps that differ never have the same version, whether or not an expiry was
// written down.
func TestSeatMapVersionCountsDueHolds(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 12), at(0))
	held := s.SeatMap(at(holdTTL - time.Millisecond))
	due := s.SeatMap(at(holdTTL))
	require.Equal(t, boxoffice.SeatHeld, held.Seats[11].Status)
	require.Equal(t, boxoffice.SeatAvailable, due.Seats[11].Status)
	require.Equal(t, held.Version+1, due.Version)

	for _, e := range s.Expire(at(holdTTL)) {
		s.Apply(e)
	}
	require.Equal(t, due, s.SeatMap(at(holdTTL)))
}

func TestSoldOut(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	for n := 1; n <= boxoffice.SeatCount; n++ {
		require.False(t, s.SoldOut())
		act(s, hold(n, n), at(0))
		act(s, pay(n), at(0))
	}
	require.True(t, s.SoldOut())
	require.Zero(t, s.Available(at(0)))
	act(s, cancel(4), at(0))
	require.False(t, s.SoldOut())
	require.Equal(t, []int{4}, s.AvailableSeats(at(0)))
}

func TestOperationsAreAnsweredAgain(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	var outcomes []boxoffice.Outcome
	commands := []boxoffice.ScheduleCommand{
		hold(1, 12), pay(1), cancel(1), hold(2, 12), release(2), hold(3, 12),
		boxoffice.EndPlace{Operation: operation(9), UserID: user(3), Sequence: 3},
	}
	for _, cmd := range commands {
		events, outcome := act(s, cmd, at(time.Second))
		require.NotEmpty(t, events)
		outcomes = append(outcomes, outcome)
	}
	replayed, err := boxoffice.RestoreSchedule([]byte(snapshotOf(t, s)), nil)
	require.NoError(t, err)
	for i, cmd := range commands {
		for _, restored := range []*boxoffice.Schedule{s, s.Clone(), replayed} {
			events, outcome := restored.Decide(cmd, at(time.Minute))
			require.Empty(t, events)
			require.Equal(t, outcomes[i], outcome)
		}
	}
	// Completing an answer (the journal knows the balance) leaves the memory alone.
	_, outcome := s.Decide(pay(1), at(time.Minute))
	outcome.Payment.Balance = 5
	_, outcome = s.Decide(pay(1), at(time.Minute))
	require.Zero(t, outcome.Payment.Balance)
}

func TestMemoryOfOperationsIsBounded(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	for n := 1; n <= 1000; n++ {
		act(s, hold(n, 1), at(0))
		act(s, boxoffice.Release{Operation: operation(10_000 + n), ReservationID: reservation(n), UserID: user(n)}, at(0))
	}
	require.Less(t, len(snapshotOf(t, s)), 100_000)
	_, outcome := s.Decide(hold(1000, 1), at(time.Minute))
	require.Equal(t, at(0), outcome.At, "remembered")
	_, outcome = s.Decide(hold(1000, 1), at(time.Minute+time.Millisecond))
	require.Equal(t, at(time.Minute+time.Millisecond), outcome.At, "forgotten")
}

func TestCloneIsIndependent(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 12), at(0))
	before := snapshotOf(t, s)
	a, b := s.Clone(), s.Clone()

	act(a, pay(1), at(0))
	act(b, release(1), at(0))

	require.Equal(t, before, snapshotOf(t, s))
	require.Equal(t, boxoffice.SeatSold, a.SeatMap(at(0)).Seats[11].Status)
	require.Equal(t, boxoffice.SeatAvailable, b.SeatMap(at(0)).Seats[11].Status)
	admission := hold(1, 12).Admission
	require.Nil(t, s.CheckAdmission(admission, at(0)), "a payment that was only tried uses up nothing")
	require.NotNil(t, a.CheckAdmission(admission, at(0)))
}

// Clones that go on separately never write into each other's memory, however much of it
// they share.
func TestClonesDoNotShareWhatGrows(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	for n := 1; n <= 7; n++ { // lengths with and without room to grow in place
		a, b := s.Clone(), s.Clone()
		act(a, hold(n, n), at(0))
		act(a, pay(n), at(0))
		want := snapshotOf(t, a)
		for other := 20; other < 24; other++ {
			act(b, hold(other, other), at(0))
			act(b, pay(other), at(0))
		}
		act(s, hold(30+n, 30+n), at(0))
		act(s, pay(30+n), at(0))
		require.Equal(t, want, snapshotOf(t, a))
	}
}

// A place that a payment used up stays so, over a refund and a snapshot.
func TestUsedUpPlaceSurvivesSnapshot(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 12), at(0))
	act(s, pay(1), at(0))
	act(s, cancel(1), at(0))
	restored, err := boxoffice.RestoreSchedule([]byte(snapshotOf(t, s)), nil)
	require.NoError(t, err)
	require.NotNil(t, restored.CheckAdmission(hold(1, 12).Admission, at(0)))
}

func TestApplyRefusesContradictions(t *testing.T) {
	t.Parallel()
	held := boxoffice.SeatWasHeld{
		ReservationID: reservation(5), UserID: user(5), Sequence: 5, SeatNumber: 5, ExpiresAt: at(holdTTL),
	}
	change := func(change func(*boxoffice.SeatWasHeld)) boxoffice.EventData {
		d := held
		change(&d)
		return d
	}
	tests := map[string]boxoffice.EventData{
		"opened twice":         boxoffice.ScheduleOpened{Terms: terms()},
		"of a waiting room":    boxoffice.QueueConfigured{},
		"none":                 nil,
		"no such seat":         change(func(d *boxoffice.SeatWasHeld) { d.SeatNumber = 51 }),
		"taken seat":           change(func(d *boxoffice.SeatWasHeld) { d.SeatNumber = 12 }),
		"second seat":          change(func(d *boxoffice.SeatWasHeld) { d.UserID = user(1) }),
		"released what is not": boxoffice.SeatWasReleased{ReservationID: reservation(5), SeatNumber: 5},
		"released other seat":  boxoffice.SeatWasReleased{ReservationID: reservation(1), SeatNumber: 5},
		"expired early":        boxoffice.HoldExpired{ReservationID: reservation(1), SeatNumber: 12},
		"confirmed what is not": boxoffice.SeatWasConfirmed{
			PaymentID: payment(5), ReservationID: reservation(5), SeatNumber: 5,
		},
		"confirmed without payment": boxoffice.SeatWasConfirmed{ReservationID: reservation(1), SeatNumber: 12},
		"cancelled a hold":          boxoffice.SaleWasCancelled{ReservationID: reservation(1), SeatNumber: 12},
		"cancelled with other payment": boxoffice.SaleWasCancelled{
			PaymentID: payment(1), ReservationID: reservation(1), SeatNumber: 12,
		},
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSchedule(t)
			act(s, hold(1, 12), at(0))
			require.Panics(t, func() { s.Apply(boxoffice.Event{At: at(time.Second), Data: data}) })
			_, err := boxoffice.RestoreSchedule([]byte(snapshotOf(t, s)), []boxoffice.Event{{At: at(time.Second), Data: data}})
			require.Error(t, err)
		})
	}
	require.Panics(t, func() { new(boxoffice.Schedule).Apply(boxoffice.Event{At: at(0), Data: held}) })
}

func TestRestoreScheduleRefuses(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	good := snapshotOf(t, s)
	for name, snapshot := range map[string]string{
		"nothing":     "",
		"no JSON":     "{",
		"no version":  "{}",
		"new version": `{"v":2}`,
		"more behind": good + "{}",
	} {
		_, err := boxoffice.RestoreSchedule([]byte(snapshot), nil)
		require.Error(t, err, name)
	}
	_, err := boxoffice.RestoreSchedule(nil, nil)
	require.Error(t, err)
	_, err = new(boxoffice.Schedule).Snapshot()
	require.Error(t, err)
}
