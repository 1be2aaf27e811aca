package waitingroom_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/waitingroom"
)

func TestJoinWithFreeCapacityIsAdmittedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	before := r.NextSequence()
	join(t, r, 1, 2, at(time.Minute))
	events := applyAll(r, r.Admit(at(time.Minute), before))

	require.Equal(t, []boxoffice.Event{{At: at(time.Minute), Data: waitingroom.Admitted{
		Sequences: []uint64{1}, EndsAt: at(11 * time.Minute), Claimed: true,
	}}}, events)
	require.Equal(t, boxoffice.Place{
		ScheduleID: 7, UserID: user(1), Sequence: 1, Status: boxoffice.PlaceAdmitted, Waiting: 1,
		PollAfter: 10 * time.Second, JoinedAt: at(time.Minute), AdmittedAt: at(time.Minute),
		ExpiresAt: at(11 * time.Minute), AdmissionEndsAt: at(11 * time.Minute),
	}, place(t, r, 1, at(time.Minute)))
	require.Equal(t, boxoffice.Place{
		ScheduleID: 7, UserID: user(2), Sequence: 2, Status: boxoffice.PlaceWaiting, Position: 1, Waiting: 1,
		PollAfter: time.Second, JoinedAt: at(time.Minute), ExpiresAt: at(2 * time.Hour),
	}, place(t, r, 2, at(time.Minute)))
	require.Equal(t, boxoffice.QueueStatus{
		ScheduleID: 7, State: boxoffice.QueueOpen, Waiting: 1, Admitted: 1, Capacity: 1, AvailableSeats: 50,
	}, r.Status(at(time.Minute)))
}

func TestAdmitTellsWhoIsBeingAnswered(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	tell(t, r, boxoffice.Configure{Paused: new(true)}, at(0))
	join(t, r, 1, 2, at(0))
	tell(t, r, boxoffice.Configure{Paused: new(false), Capacity: new(10)}, at(0))
	before := r.NextSequence()
	join(t, r, 3, 3, at(time.Second))

	events := r.Admit(at(time.Second), before)

	require.Equal(t, []boxoffice.Event{
		{At: at(time.Second), Data: waitingroom.Admitted{
			Sequences: []uint64{1, 2}, EndsAt: at(time.Second + 10*time.Minute), AskedBy: at(2 * time.Second),
		}},
		{At: at(time.Second), Data: waitingroom.Admitted{
			Sequences: []uint64{3}, EndsAt: at(time.Second + 10*time.Minute), Claimed: true,
		}},
	}, events)
}

func TestCapacityLoweredExpelsNobody(t *testing.T) {
	t.Parallel()
	r := newRoom(3, 0)
	join(t, r, 1, 5, at(0))
	applyAll(r, r.Admit(at(0), 1))
	tell(t, r, boxoffice.Configure{Capacity: new(1)}, at(0))
	require.Equal(t, 3, r.Status(at(0)).Admitted)
	tell(t, r, waitingroom.Leave{UserID: user(1), Sequence: 1}, at(0))
	tell(t, r, waitingroom.Leave{UserID: user(2), Sequence: 2}, at(0))
	require.Empty(t, r.Admit(at(0), 99), "one is in, which is the capacity")
	tell(t, r, waitingroom.Leave{UserID: user(3), Sequence: 3}, at(0))
	require.Len(t, r.Admit(at(0), 99), 1)
}

// No span of one second, both ends included, holds more admissions than the rate.
func TestAdmissionsPerSecondAreExact(t *testing.T) {
	t.Parallel()
	r := newRoom(1000, 2)
	join(t, r, 1, 7, at(0))
	admit := func(now time.Time, want int) {
		t.Helper()
		count := 0
		for _, e := range applyAll(r, r.Admit(now, 99)) {
			count += len(e.Data.(waitingroom.Admitted).Sequences)
		}
		require.Equal(t, want, count)
	}
	ms := time.Millisecond
	admit(at(0), 2)
	require.Equal(t, at(1001*ms), r.NextWake(at(0)))
	admit(at(1000*ms), 0)
	admit(at(1001*ms), 2)
	require.Equal(t, at(2002*ms), r.NextWake(at(1002*ms)))
	// A lower rate counts what a higher one let in.
	tell(t, r, boxoffice.Configure{AdmitPerSecond: new(1)}, at(1500*ms))
	admit(at(2001*ms), 0)
	admit(at(2002*ms), 1)
	tell(t, r, boxoffice.Configure{AdmitPerSecond: new(2)}, at(2002*ms))
	admit(at(2002*ms), 1)
	admit(at(2500*ms), 0)
	// Clocks that go back let nobody in.
	tell(t, r, boxoffice.Configure{AdmitPerSecond: new(2)}, at(2500*ms))
	admit(at(1000*ms), 0)
	require.Equal(t, at(3003*ms), r.NextWake(at(1000*ms)))
	tell(t, r, boxoffice.Configure{AdmitPerSecond: new(0)}, at(2500*ms))
	admit(at(2500*ms), 1)
}

// A clock that goes back a little cannot see all that was let in, and so lets nobody in.
func TestAdmissionsPerSecondWhenTheClockGoesBack(t *testing.T) {
	t.Parallel()
	ms := time.Millisecond
	r := newRoom(1000, 2)
	join(t, r, 1, 2, at(0))
	require.Len(t, applyAll(r, r.Admit(at(0), 99)), 1)
	join(t, r, 3, 3, at(1001*ms))
	require.Len(t, applyAll(r, r.Admit(at(1001*ms), 99)), 1)
	join(t, r, 4, 4, at(1001*ms))
	require.Empty(t, r.Admit(at(900*ms), 99), "two came in 900 ms ago")
	require.Equal(t, at(1001*ms), r.NextWake(at(900*ms)))
	require.Len(t, r.Admit(at(1001*ms), 99), 1)
}

// Those who fill a room that opens say nothing about how fast it empties.
func TestEstimateLeavesOutTheFirstRush(t *testing.T) {
	t.Parallel()
	r := newRoom(100, 0)
	join(t, r, 1, 200, at(0))
	applyAll(r, r.Admit(at(0), 1))
	require.Zero(t, place(t, r, 110, at(time.Minute)).ETAMax)
	for n := 1; n <= 18; n++ {
		now := at(time.Duration(n) * 10 * time.Second)
		tell(t, r, waitingroom.Leave{UserID: user(n), Sequence: uint64(n)}, now)
		applyAll(r, r.Admit(now, 1))
	}
	p := place(t, r, 128, at(3*time.Minute))
	require.Equal(t, 10, p.Position)
	require.InDelta(t, 100, (p.ETAMin+p.ETAMax).Seconds()/2, 0.01)
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	// Two a second.
	r := newRoom(1000, 2)
	join(t, r, 1, 1000, at(0))
	now := at(0)
	require.Zero(t, place(t, r, 1000, now).ETAMax, "nothing is measured")
	for second := range 100 {
		now = at(time.Duration(second) * 1001 * time.Millisecond)
		applyAll(r, r.Admit(now, 9999))
	}
	var last time.Duration
	for n := 201; n <= 1000; n++ {
		p := place(t, r, n, now)
		want := time.Duration(p.Position) * time.Second / 2
		require.InDelta(t, want.Seconds(), (p.ETAMin+p.ETAMax).Seconds()/2, 0.05*want.Seconds(), "position %d", p.Position)
		require.Greater(t, p.ETAMax-p.ETAMin, last, "the range narrows as it nears")
		last = p.ETAMax - p.ETAMin
	}
	tell(t, r, boxoffice.Configure{Paused: new(true)}, now)
	require.Zero(t, place(t, r, 1000, now).ETAMax, "paused")
	tell(t, r, boxoffice.Configure{Paused: new(false)}, now)
	require.NotZero(t, place(t, r, 1000, now.Add(waitingroom.RateWindow/2)).ETAMax)
	require.Zero(t, place(t, r, 1000, now.Add(waitingroom.RateWindow+time.Second)).ETAMax, "too long ago")
}
