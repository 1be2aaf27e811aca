package waitingroom_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/waitingroom"
)

// A crowd asks as told, but each time as late as the claim TTL allows. However many are
// let in at once, nobody is taken for a no-show.
func TestWhoAsksAsToldIsNeverANoShow(t *testing.T) {
	t.Parallel()
	const (
		waiting  = 100_000
		claimTTL = 3 * time.Second
		step     = 100 * time.Millisecond
		late     = claimTTL - 2*step
	)
	for name, capacities := range map[string][]int{
		"everybody at once": {100_000},
		"little by little":  {10, 20_000, 20_000, 60_000, 60_001, 100_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := waitingroom.New(waitingroom.Limits{AdmissionTTL: 10 * time.Minute, ClaimTTL: claimTTL, MaxWaiting: waiting})
			r.Apply(queueOpened(1, 0))
			joins := waitingroom.Joined{First: 1}
			asks := make(map[int][]int) // who asks at which step
			ask := func(n, now int, p boxoffice.Place) {
				next := now + int((p.PollAfter+late)/step)
				asks[next] = append(asks[next], n)
			}
			for n := 1; n <= waiting; n++ {
				joins.UserIDs = append(joins.UserIDs, user(n))
			}
			r.Apply(event(at(0), joins))
			for n := 1; n <= waiting; n++ {
				ask(n, n%60, place(t, r, n, at(0)))
			}
			for now := 0; len(asks) > 0; now++ {
				require.Less(t, now, 10_000)
				if i := now/60 - 1; now%60 == 0 && i >= 0 && i < len(capacities) {
					tell(t, r, boxoffice.Configure{Capacity: &capacities[i]}, at(0))
				}
				clock := at(time.Duration(now) * step)
				applyAll(r, r.Admit(clock, waiting+1))
				require.Empty(t, r.Due(clock), "somebody lost the place")
				for _, n := range asks[now] {
					if p := place(t, r, n, clock); p.Status == boxoffice.PlaceWaiting {
						ask(n, now, p)
						continue
					}
					tell(t, r, waitingroom.Touch{UserID: user(n), Sequence: uint64(n)}, clock)
				}
				delete(asks, now)
			}
			require.Equal(t, waiting, r.Status(at(0)).Admitted)
		})
	}
}

// A line of a few is told to ask every second, and no-shows hold it up for no longer.
func TestClaimTimeOfShortLines(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	join(t, r, 1, 400, at(0))
	applyAll(r, r.Admit(at(0), 999))
	require.Equal(t, at(61*time.Second), r.NextWake(at(1)))
}

func TestClaimTimeOfOldEventsAndRows(t *testing.T) {
	t.Parallel()
	long := waitingroom.Joined{First: 1}
	for n := 1; n <= 4400; n++ {
		long.UserIDs = append(long.UserIDs, user(n))
	}
	events := []boxoffice.Event{
		queueOpened(1, 0), event(at(0), long),
		event(at(0), waitingroom.Admitted{Sequences: []uint64{1}, EndsAt: at(10 * time.Minute)}),
	}
	replayed, err := waitingroom.Replay(limits(), events)
	require.NoError(t, err)
	require.Equal(t, []time.Time{at(70 * time.Second)}, []time.Time{replayed.NextWake(at(1))}, "who is last was told to wait 10 s")

	row := waitingroom.PlaceRecord{
		Sequence: 1, UserID: user(1), Status: boxoffice.PlaceAdmitted, JoinedAt: at(0), AdmittedAt: at(0), EndsAt: at(10 * time.Minute),
	}
	restored, err := restoreRoom(limits(), nil, events, []waitingroom.PlaceRecord{row}, nil)
	require.NoError(t, err)
	require.Equal(t, at(70*time.Second), restored.NextWake(at(1)), "as if all had waited who ever joined")

	// Nobody is left of those who waited; still somebody may have been told to wait long.
	join(t, restored, 5000, 5000, at(1))
	admitted := restored.Admit(at(1), 9999)
	require.Empty(t, admitted)
	tell(t, restored, waitingroom.Leave{UserID: user(1), Sequence: 1}, at(1))
	admitted = restored.Admit(at(1), 9999)
	require.Equal(t, at(10*time.Second), admitted[0].Data.(waitingroom.Admitted).AskedBy)
}

func TestIntervalsAreShortBesideAnAdmission(t *testing.T) {
	t.Parallel()
	r := waitingroom.New(waitingroom.Limits{AdmissionTTL: 5 * time.Second, ClaimTTL: time.Minute, MaxWaiting: 1_000_000})
	r.Apply(queueOpened(1, 0))
	join(t, r, 1, 5000, at(0))
	applyAll(r, r.Admit(at(0), 1))
	require.Equal(t, 2500*time.Millisecond, place(t, r, 5000, at(0)).PollAfter)
	require.Equal(t, 2500*time.Millisecond, place(t, r, 1, at(0)).PollAfter)
	view := r.View()
	require.Equal(t, 2500*time.Millisecond, view.MaxPollAfter)
}

// Once sales are closed, those who wait end in bounded steps, and nothing is left.
func TestCloseEndsThoseWhoWait(t *testing.T) {
	t.Parallel()
	const waiting = 2*waitingroom.MaxExpiries + 10
	r := newRoom(1, 0)
	join(t, r, 1, waiting+1, at(0))
	closing := at(2 * time.Hour)
	applyAll(r, r.Admit(closing.Add(-time.Minute), 1))
	require.Empty(t, r.Due(closing.Add(-time.Millisecond)))
	require.Equal(t, closing, r.NextWake(closing.Add(-time.Second)))

	var ended []uint64
	for step, want := range []int{waitingroom.MaxExpiries, waitingroom.MaxExpiries, 10} {
		require.Equal(t, closing, r.NextWake(closing))
		events := r.Due(closing)
		require.Len(t, events, 1)
		d := events[0].Data.(waitingroom.Ended)
		require.Equal(t, boxoffice.PlaceExpired, d.Status)
		require.Len(t, d.Sequences, want, "step %d", step)
		ended = append(ended, d.Sequences...)
		applyAll(r, events)
		_, refusal := r.Place(user(waiting), waiting, closing)
		require.Equal(t, boxoffice.CodeQueueTokenExpired, refusal.Code, "whether or not it has ended already")
	}
	require.Len(t, ended, waiting)
	require.Empty(t, r.Due(closing))
	require.Equal(t, at(2*time.Hour+9*time.Minute), r.NextWake(closing), "who was let in stays")
	_, refusal := r.Decide(joinOf(5), closing)
	require.Equal(t, boxoffice.CodeSalesClosed, refusal.Code)
}

// The same join is the same join, however often it is delivered.
func TestWhichJoinTookThePlace(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	join(t, r, 1, 2, at(0))
	require.Empty(t, tell(t, r, waitingroom.Join{OperationID: operation(9), UserID: user(1)}, at(1)))
	applyAll(r, r.Admit(at(1), 1))
	for n := 1; n <= 2; n++ {
		sequence, operationID, ok := r.PlaceOf(user(n))
		require.True(t, ok)
		require.Equal(t, uint64(n), sequence)
		require.Equal(t, operation(n), operationID)
	}
	_, _, ok := r.PlaceOf(user(3))
	require.False(t, ok)
}
