package waitingroom_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/internal/fixture"
	"boxoffice/waitingroom"
)

func limits() waitingroom.Limits {
	return waitingroom.Limits{AdmissionTTL: 10 * time.Minute, ClaimTTL: time.Minute, MaxWaiting: 1_000_000}
}

func queueOpened(capacity, perSecond int) boxoffice.Event {
	return boxoffice.Event{At: at(-time.Hour), Data: waitingroom.Opened{
		SalesOpenAt: at(0), SalesCloseAt: at(2 * time.Hour), Capacity: capacity, AdmitPerSecond: perSecond,
	}}
}

func newRoom(capacity, perSecond int) *waitingroom.Room {
	r := waitingroom.New(limits())
	r.ScheduleID = 7
	r.Apply(queueOpened(capacity, perSecond))
	return r
}

// tell decides a command and applies what comes of it.
func tell(t fixture.T, r *waitingroom.Room, cmd waitingroom.Command, now time.Time) []boxoffice.Event {
	t.Helper()
	events, refusal := r.Decide(cmd, now)
	if refusal != nil {
		require.Fail(t, "refused", refusal.Error())
	}
	return applyAll(r, events)
}

func applyAll(r *waitingroom.Room, events []boxoffice.Event) []boxoffice.Event {
	for _, e := range events {
		r.Apply(e)
	}
	return events
}

// join puts users first to last in line and lets nobody in.
func join(t fixture.T, r *waitingroom.Room, first, last int, now time.Time) {
	t.Helper()
	for n := first; n <= last; n++ {
		tell(t, r, joinOf(n), now)
	}
}

// hear passes a room news without a gap.
func hear(t fixture.T, r *waitingroom.Room, news boxoffice.ScheduleNews) {
	t.Helper()
	require.True(t, r.Hear(news), "something is missing")
}

func place(t fixture.T, r *waitingroom.Room, n int, now time.Time) boxoffice.Place {
	t.Helper()
	sequence, _, ok := r.PlaceOf(user(n))
	require.True(t, ok, "user %d has no place", n)
	p, refusal := r.Place(user(n), sequence, now)
	if refusal != nil {
		require.Fail(t, "refused", refusal.Error())
	}
	return p
}

func TestJoinAnswers(t *testing.T) {
	t.Parallel()
	closing := at(2 * time.Hour)
	full := limits()
	full.MaxWaiting = 2
	waiting := func(t fixture.T, r *waitingroom.Room) { join(t, r, 1, 2, at(0)) }
	admitted := func(t fixture.T, r *waitingroom.Room) {
		join(t, r, 1, 1, closing.Add(-time.Second))
		applyAll(r, r.Admit(closing.Add(-time.Second), 1))
	}
	soldOut := func(t fixture.T, r *waitingroom.Room) {
		join(t, r, 1, 1, at(0))
		hear(t, r, boxoffice.ScheduleNews{Version: 5, SoldOut: true})
	}
	paused := func(t fixture.T, r *waitingroom.Room) {
		tell(t, r, boxoffice.Configure{Paused: new(true)}, at(0))
	}
	tests := []struct {
		name   string
		before func(fixture.T, *waitingroom.Room)
		limits waitingroom.Limits
		user   int
		now    time.Time
		want   boxoffice.Code
		given  bool // a place that there was already
	}{
		{name: "first", user: 1, now: at(0)},
		{name: "before sales open", user: 1, now: at(-time.Millisecond), want: boxoffice.CodeSalesClosed},
		{name: "last millisecond", user: 1, now: closing.Add(-time.Millisecond)},
		{name: "closed", user: 1, now: closing, want: boxoffice.CodeSalesClosed},
		{name: "again", before: waiting, user: 2, now: at(1), given: true},
		{name: "again when closed", before: waiting, user: 2, now: closing, want: boxoffice.CodeSalesClosed},
		{name: "admitted again when closed", before: admitted, user: 1, now: closing, given: true},
		{name: "sold out", before: soldOut, user: 2, now: at(0), want: boxoffice.CodeSoldOut},
		{name: "again when sold out", before: soldOut, user: 1, now: at(0), given: true},
		{name: "closed and sold out", before: soldOut, user: 2, now: closing, want: boxoffice.CodeSalesClosed},
		{name: "paused", before: paused, user: 1, now: at(0)},
		{name: "full", before: func(t fixture.T, r *waitingroom.Room) {
			paused(t, r)
			waiting(t, r)
		}, limits: full, user: 3, now: at(0), want: boxoffice.CodeQueueFull},
		{name: "again when full", before: func(t fixture.T, r *waitingroom.Room) {
			paused(t, r)
			waiting(t, r)
		}, limits: full, user: 1, now: at(0), given: true},
		{name: "full but for those who are let in", before: waiting, limits: full, user: 3, now: at(0)},
		{name: "own place over, closed", before: admitted, user: 1, now: closing.Add(10 * time.Minute), want: boxoffice.CodeSalesClosed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.limits.MaxWaiting == 0 {
				tt.limits = limits()
			}
			r := waitingroom.New(tt.limits)
			r.Apply(queueOpened(100, 0))
			if tt.before != nil {
				tt.before(t, r)
			}
			next := r.NextSequence()

			events, refusal := r.Decide(joinOf(tt.user), tt.now)

			switch {
			case tt.want != "":
				require.NotNil(t, refusal)
				require.Equal(t, tt.want, refusal.Code)
				require.Equal(t, tt.want == boxoffice.CodeQueueFull, refusal.RetryAfter > 0)
			case tt.given:
				require.Nil(t, refusal)
				require.Empty(t, events)
			default:
				require.Nil(t, refusal)
				require.Equal(t, []boxoffice.Event{event(tt.now, joined(next, tt.user))}, events)
			}
		})
	}
}

func TestPlaceThatLeftIsGoneAndTheNextIsLetIn(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	join(t, r, 1, 4, at(0))
	applyAll(r, r.Admit(at(0), 1))
	require.Equal(t, 3, place(t, r, 4, at(0)).Position)

	tell(t, r, waitingroom.Leave{UserID: user(2), Sequence: 2}, at(1))
	require.Equal(t, 2, place(t, r, 4, at(0)).Position, "who left does not count")
	require.Empty(t, r.Admit(at(1), 99), "nothing became free")

	events := tell(t, r, waitingroom.Leave{UserID: user(1), Sequence: 1}, at(2))
	require.Equal(t, waitingroom.Ended{Sequences: []uint64{1}, Status: boxoffice.PlaceLeft}, events[0].Data)
	require.Empty(t, tell(t, r, waitingroom.Leave{UserID: user(1), Sequence: 1}, at(2)), "repeatable")
	events = applyAll(r, r.Admit(at(2), 99))
	require.Equal(t, []uint64{3}, events[0].Data.(waitingroom.Admitted).Sequences)

	_, refusal := r.Place(user(1), 1, at(2))
	require.Equal(t, boxoffice.CodeQueueTokenExpired, refusal.Code)
	_, refusal = r.Place(user(1), 3, at(2))
	require.Equal(t, boxoffice.CodeQueueTokenInvalid, refusal.Code)
	_, refusal = r.Decide(waitingroom.Leave{UserID: user(1), Sequence: 3}, at(2))
	require.Equal(t, boxoffice.CodeQueueTokenInvalid, refusal.Code)

	join(t, r, 1, 1, at(3))
	require.Equal(t, uint64(5), place(t, r, 1, at(3)).Sequence, "back at the end of the line")
}

func TestTouchClaims(t *testing.T) {
	t.Parallel()
	r := newRoom(2, 0)
	join(t, r, 1, 3, at(0))
	applyAll(r, r.Admit(at(0), 99))
	claimEnds := at(time.Minute + time.Second) // they were told to ask every second

	require.Empty(t, tell(t, r, waitingroom.Touch{UserID: user(3), Sequence: 3}, at(1)), "waiting is not claimed")
	events := tell(t, r, waitingroom.Touch{UserID: user(1), Sequence: 1}, claimEnds.Add(-time.Millisecond))
	require.Equal(t, waitingroom.Claimed{Sequences: []uint64{1}}, events[0].Data)
	require.Empty(t, tell(t, r, waitingroom.Touch{UserID: user(1), Sequence: 1}, claimEnds), "claimed once")

	_, refusal := r.Decide(waitingroom.Touch{UserID: user(2), Sequence: 2}, claimEnds)
	require.Equal(t, boxoffice.CodeQueueTokenExpired, refusal.Code, "too late")
	_, refusal = r.Decide(waitingroom.Touch{UserID: user(2), Sequence: 1}, at(1))
	require.Equal(t, boxoffice.CodeQueueTokenInvalid, refusal.Code)
	_, refusal = r.Decide(waitingroom.Touch{UserID: user(9), Sequence: 9}, at(1))
	require.Equal(t, boxoffice.CodeQueueTokenExpired, refusal.Code)

	require.Equal(t, claimEnds, r.NextWake(at(2)))
	events = r.Due(claimEnds)
	require.Equal(t, []boxoffice.Event{{At: claimEnds, Data: waitingroom.Ended{
		Sequences: []uint64{2}, Status: boxoffice.PlaceExpired,
	}}}, events)
	applyAll(r, events)
	require.Equal(t, []uint64{1}, r.AdmittedSequences())
	require.Equal(t, at(10*time.Minute), place(t, r, 1, claimEnds).ExpiresAt)
}

func TestHoldLengthensAnAdmission(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	join(t, r, 1, 1, at(0))
	applyAll(r, r.Admit(at(0), 1))
	ends := at(10 * time.Minute)
	require.Empty(t, r.Due(ends.Add(-time.Millisecond)))
	require.Len(t, r.Due(ends), 1)

	// The journal refuses to expire it: its row has a hold.
	row := boxoffice.PlaceRow{Sequence: 1, Status: boxoffice.PlaceAdmitted, HeldUntil: ends.Add(time.Minute)}
	r.HearRow(row)
	require.Empty(t, r.Due(ends))
	p := place(t, r, 1, ends)
	require.Equal(t, ends.Add(time.Minute), p.ExpiresAt)
	require.Equal(t, ends, p.AdmissionEndsAt, "the token does not change")
	require.Equal(t, ends.Add(time.Minute), r.NextWake(ends))

	row.HeldUntil = time.Time{}
	r.HearRow(row)
	require.Len(t, r.Due(ends), 1, "released: over at once")
	require.False(t, r.Owes())

	row.Status = boxoffice.PlaceCompleted
	r.HearRow(row)
	require.True(t, r.Owes())
	require.Empty(t, r.Due(ends), "it has ended, and has not expired")
}

func TestHoldIsAsGoodAsAClaim(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	join(t, r, 1, 1, at(0))
	applyAll(r, r.Admit(at(0), 99))
	hear(t, r, boxoffice.ScheduleNews{Version: 3, Places: []boxoffice.PlaceNews{{Sequence: 1, HeldUntil: at(30 * time.Second)}}})
	require.Equal(t, at(10*time.Minute), r.NextWake(at(1)))
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	r := newRoom(10, 0)
	require.Empty(t, tell(t, r, boxoffice.Configure{}, at(0)))
	require.Empty(t, tell(t, r, boxoffice.Configure{Capacity: new(10), Paused: new(false)}, at(0)))
	events := tell(t, r, boxoffice.Configure{AdmitPerSecond: new(3)}, at(0))
	require.Equal(t, []boxoffice.Event{{At: at(0), Data: waitingroom.Configured{Capacity: 10, AdmitPerSecond: 3}}}, events)
	tell(t, r, boxoffice.Configure{Paused: new(true), Capacity: new(boxoffice.MaxCapacity)}, at(0))
	require.Equal(t, boxoffice.QueueStatus{
		ScheduleID: 7, State: boxoffice.QueuePaused, Capacity: boxoffice.MaxCapacity, AdmitPerSecond: 3, AvailableSeats: 50,
	}, r.Status(at(0)))

	for _, wrong := range []boxoffice.Configure{
		{Capacity: new(0), AdmitPerSecond: new(-1)},
		{Capacity: new(boxoffice.MaxCapacity + 1), AdmitPerSecond: new(boxoffice.MaxAdmitPerSecond + 1)},
	} {
		events, refusal := r.Decide(wrong, at(0))
		require.Empty(t, events)
		require.Equal(t, boxoffice.CodeInvalidRequest, refusal.Code)
		require.Equal(t, "body.capacity", refusal.Fields[0].Location)
		require.Equal(t, "body.admitPerSecond", refusal.Fields[1].Location)
	}
}

func TestQueueStates(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	join(t, r, 1, 1, at(0))
	state := func(now time.Time) boxoffice.QueueState { return r.Status(now).State }
	require.Equal(t, boxoffice.QueueClosed, state(at(-time.Millisecond)))
	require.Equal(t, boxoffice.QueueOpen, state(at(0)))
	tell(t, r, boxoffice.Configure{Paused: new(true)}, at(0))
	require.Equal(t, boxoffice.QueuePaused, state(at(0)))
	require.Empty(t, r.Admit(at(0), 1))
	hear(t, r, boxoffice.ScheduleNews{Version: 10, SoldOut: true})
	require.Equal(t, boxoffice.QueueSoldOut, state(at(0)))
	require.True(t, place(t, r, 1, at(0)).SoldOut)
	hear(t, r, boxoffice.ScheduleNews{After: 8, Version: 9, AvailableSeats: 3})
	require.Equal(t, boxoffice.QueueSoldOut, state(at(0)), "that was earlier")
	require.Equal(t, boxoffice.QueueClosed, state(at(2*time.Hour)))
	require.Zero(t, r.Status(at(2*time.Hour)).Waiting, "waiting ends with the sales")
	require.Equal(t, at(2*time.Hour), r.NextWake(at(2*time.Hour)), "who waits is to be told")
	_, refusal := r.Place(user(1), 1, at(2*time.Hour))
	require.Equal(t, boxoffice.CodeQueueTokenExpired, refusal.Code)

	tell(t, r, boxoffice.Configure{Paused: new(false)}, at(1))
	require.Empty(t, r.Admit(at(1), 1), "sold out")
	require.Equal(t, at(2*time.Hour), r.NextWake(at(1)), "sales close on those who wait")
	hear(t, r, boxoffice.ScheduleNews{After: 10, Version: 11, AvailableSeats: 1})
	require.Equal(t, 1, r.Status(at(1)).AvailableSeats)
	require.Equal(t, at(1), r.NextWake(at(1)), "somebody can be let in now")
	require.Len(t, r.Admit(at(1), 1), 1, "a seat came back")
}
