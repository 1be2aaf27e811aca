package seatmap_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/seatmap"
)

func TestPay(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 12), at(0))

	events, outcome := act(s, pay(1), at(time.Minute))

	require.Equal(t, []boxoffice.Event{{
		At: at(time.Minute), OperationID: operation(101).ID,
		Data: seatmap.Confirmed{
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
	require.Equal(t, boxoffice.SeatSold, s.SeatMap(at(time.Hour)).Statuses[11])
	require.Zero(t, s.NextDue(), "what is sold does not expire")
}

func TestPayAnswers(t *testing.T) {
	t.Parallel()
	byAnother := pay(1)
	byAnother.UserID = user(2)
	again := pay(1)
	again.Operation, again.PaymentID = operation(9), payment(9)

	tests := []struct {
		name   string
		before []seatmap.Command // at 1 min
		cmd    seatmap.Pay
		now    time.Time
		want   boxoffice.Code
	}{
		{name: "last millisecond", cmd: pay(1), now: at(6*time.Minute - time.Millisecond)},
		{name: "hold is over", cmd: pay(1), now: at(6 * time.Minute), want: boxoffice.CodeHoldExpired},
		{name: "unknown", cmd: pay(5), now: at(time.Minute), want: boxoffice.CodeHoldExpired},
		{name: "somebody else's", cmd: byAnother, now: at(time.Minute), want: boxoffice.CodeReservationNotFound},
		{
			name: "paid", before: []seatmap.Command{pay(1)},
			cmd: again, now: at(time.Minute), want: boxoffice.CodeAlreadyPaid,
		},
		{
			name: "released", before: []seatmap.Command{release(1)},
			cmd: pay(1), now: at(time.Minute), want: boxoffice.CodeHoldExpired,
		},
		{
			name: "cancelled", before: []seatmap.Command{pay(1), cancel(1)},
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
		Data: seatmap.Cancelled{
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
	require.Equal(t, seatmap.Released{ReservationID: reservation(1), SeatNumber: 12, Sequence: 1}, events[0].Data)

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

	events, outcome := s.Decide(seatmap.EndPlace{Operation: operation(9), UserID: user(1), EndedPlace: boxoffice.EndedPlace{Sequence: 8, EndsAt: at(20 * time.Minute)}}, at(0))
	requireSucceeded(t, outcome)
	require.Len(t, events, 1, "the hold was taken with another place")
	require.IsType(t, seatmap.PlaceEnded{}, events[0].Data)

	events, outcome = act(s, seatmap.EndPlace{Operation: operation(9), UserID: user(1), EndedPlace: boxoffice.EndedPlace{Sequence: 1, EndsAt: at(20 * time.Minute)}}, at(0))
	requireSucceeded(t, outcome)
	require.Equal(t, seatmap.Released{ReservationID: reservation(1), SeatNumber: 12, Sequence: 1}, events[0].Data)

	again := hold(1, 13)
	again.Operation, again.ReservationID = operation(10), reservation(10)
	_, outcome = s.Decide(again, at(0))
	requireRefused(t, boxoffice.CodeQueueTokenExpired, outcome)
}
