package seatmap_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/internal/fixture"
	"boxoffice/seatmap"
)

func TestHold(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)

	events, outcome := act(s, hold(1, 12), at(time.Minute))

	require.Equal(t, []boxoffice.Event{{
		At: at(time.Minute), OperationID: operation(1).ID,
		Data: seatmap.Held{
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
	require.Equal(t, at(6*time.Minute), s.NextDue())
	require.Equal(t, boxoffice.SeatHeld, s.SeatMap(at(time.Minute)).Statuses[11])
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
		before []seatmap.Command // at 1 min
		cmd    seatmap.Hold
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
			name: "held by somebody else", before: []seatmap.Command{hold(1, 12)},
			cmd: bySomeoneElse, now: at(time.Minute), want: boxoffice.CodeSeatTaken,
		},
		{
			name: "sold", before: []seatmap.Command{hold(1, 12), pay(1)},
			cmd: bySomeoneElse, now: at(time.Minute), want: boxoffice.CodeSeatTaken,
		},
		{
			name: "released", before: []seatmap.Command{hold(1, 12), release(1)},
			cmd: bySomeoneElse, now: at(time.Minute),
		},
		{
			name: "cancelled", before: []seatmap.Command{hold(1, 12), pay(1), cancel(1)},
			cmd: bySomeoneElse, now: at(time.Minute),
		},
		{
			name: "last millisecond of a hold", before: []seatmap.Command{hold(1, 12)},
			cmd: bySomeoneElse, now: at(6*time.Minute - time.Millisecond), want: boxoffice.CodeSeatTaken,
		},
		{
			name: "hold is over", before: []seatmap.Command{hold(1, 12)},
			cmd: bySomeoneElse, now: at(6 * time.Minute),
		},
		{
			name: "own other seat held", before: []seatmap.Command{hold(1, 11)},
			cmd: again, now: at(time.Minute), want: boxoffice.CodeAlreadyReserved,
		},
		{
			name: "own other seat held and wanted one taken", before: []seatmap.Command{hold(1, 11), bySomeoneElse},
			cmd: again, now: at(time.Minute), want: boxoffice.CodeAlreadyReserved,
		},
		{
			name: "own hold of another seat is over", before: []seatmap.Command{hold(1, 11)},
			cmd: again, now: at(6 * time.Minute),
		},
		{
			name: "own hold after sales closed", before: []seatmap.Command{hold(1, 12)},
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
			before := fixture.Snapshot(t, s)

			events, outcome := s.Decide(tt.cmd, tt.now)

			require.Equal(t, before, fixture.Snapshot(t, s), "deciding changed the state")
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
	require.Equal(t, seatmap.Expired{ReservationID: reservation(1), SeatNumber: 12, Sequence: 1}, events[0].Data)
	require.Zero(t, events[0].OperationID, "time caused it")

	// User 2's own hold on seat 13 is over as well, and so must be gone before 14 is theirs.
	other := hold(2, 14)
	other.Operation, other.ReservationID = operation(9), reservation(9)
	events, outcome = act(s, other, at(holdTTL))
	requireSucceeded(t, outcome)
	require.Len(t, events, 2)
	require.Equal(t, seatmap.Expired{ReservationID: reservation(2), SeatNumber: 13, Sequence: 2}, events[0].Data)

	// The same seat again after its hold is over is one expiry, not two.
	same := hold(3, 12)
	same.Operation, same.ReservationID = operation(10), reservation(10)
	events, outcome = act(s, same, at(2*holdTTL))
	requireSucceeded(t, outcome)
	require.True(t, outcome.Created)
	require.Len(t, events, 2)
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

func TestEndedPlacesAreBounded(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	clone := s.Clone()
	for i := range uint64(1 << 18) {
		clone.Apply(boxoffice.Event{At: at(0), Data: seatmap.PlaceEnded{Sequence: i + 1, EndsAt: at(time.Hour)}})
	}
	newest := boxoffice.Admission{UserID: user(1), Sequence: 1 << 18, EndsAt: at(time.Hour)}
	require.Nil(t, s.CheckAdmission(newest, at(0)), "not durable yet")
	clone.Keep()
	require.NotNil(t, clone.CheckAdmission(newest, at(0)))
	oldest := newest
	oldest.Sequence = 1
	require.Nil(t, clone.CheckAdmission(oldest, at(0)), "left to its own end, and to its row")
}

func TestExpire(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 30), at(0))
	act(s, hold(2, 20), at(time.Second))
	act(s, hold(3, 10), at(time.Minute))

	require.Empty(t, s.Due(at(holdTTL-time.Millisecond)))
	require.Equal(t, at(holdTTL), s.NextDue())

	events := s.Due(at(holdTTL + time.Second))
	require.Len(t, events, 2)
	require.Equal(t, reservation(1), events[0].Data.(seatmap.Expired).ReservationID)
	require.Equal(t, reservation(2), events[1].Data.(seatmap.Expired).ReservationID)
	for _, e := range events {
		s.Apply(e)
	}
	require.Empty(t, s.Due(at(holdTTL+time.Second)))
	require.Equal(t, at(time.Minute+holdTTL), s.NextDue())
}

// Two maps that differ never have the same version, whether or not an expiry was
// written down.
func TestSeatMapVersionCountsDueHolds(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 12), at(0))
	held := s.SeatMap(at(holdTTL - time.Millisecond))
	due := s.SeatMap(at(holdTTL))
	require.Equal(t, boxoffice.SeatHeld, held.Statuses[11])
	require.Equal(t, boxoffice.SeatAvailable, due.Statuses[11])
	require.Equal(t, held.Version+1, due.Version)

	for _, e := range s.Due(at(holdTTL)) {
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

// While something is being written that takes long, time goes on for everything else.
func TestWhatIsShownWhileADraftIsWritten(t *testing.T) {
	t.Parallel()
	s := newSchedule(t)
	act(s, hold(1, 12), at(0))
	act(s, hold(2, 13), at(0))
	draft := s.Clone()
	require.Same(t, s, s.While(draft, at(holdTTL)), "nothing was decided")
	act(draft, pay(1), at(holdTTL-time.Millisecond))
	require.Same(t, s, s.While(draft, at(holdTTL-time.Millisecond)), "nothing is due")
	shown := s.While(draft, at(2*holdTTL)).SeatMap(at(2 * holdTTL))
	require.Equal(t, boxoffice.SeatHeld, shown.Statuses[11], "it may be paid by now")
	require.Equal(t, boxoffice.SeatAvailable, shown.Statuses[12])
	require.Equal(t, s.SeatMap(at(0)).Version+1, shown.Version)
	require.Equal(t, boxoffice.SeatAvailable, s.SeatMap(at(2 * holdTTL)).Statuses[11], "it is as it was")
}
