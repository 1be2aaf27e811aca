package waitingroom_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/waitingroom"
)

func event(now time.Time, data boxoffice.EventData) boxoffice.Event {
	return boxoffice.Event{At: now, Data: data}
}

func joined(first uint64, users ...int) waitingroom.Joined {
	d := waitingroom.Joined{First: first}
	for _, n := range users {
		d.UserIDs = append(d.UserIDs, user(n))
		d.OperationIDs = append(d.OperationIDs, operation(n))
	}
	return d
}

// joinedOnce returns the event as it was before it had operations.
func joinedOnce(first uint64, users ...int) waitingroom.Joined {
	d := joined(first, users...)
	d.OperationIDs = nil
	return d
}

func TestAppendEventsMergesNeighbours(t *testing.T) {
	t.Parallel()
	admitted := func(claimed bool, ends time.Time, sequences ...uint64) waitingroom.Admitted {
		return waitingroom.Admitted{Sequences: sequences, EndsAt: ends, Claimed: claimed}
	}
	ended := func(status boxoffice.PlaceStatus, sequences ...uint64) waitingroom.Ended {
		return waitingroom.Ended{Sequences: sequences, Status: status}
	}
	configured := waitingroom.Configured{Capacity: 3}
	caused := event(at(0), joined(2, 2))
	caused.OperationID = operation(1)

	tests := []struct {
		name string
		a, b boxoffice.Event
		want boxoffice.EventData // nil: not merged
	}{
		{name: "joins", a: event(at(0), joined(1, 1, 2)), b: event(at(0), joined(3, 3)), want: joined(1, 1, 2, 3)},
		{
			name: "joins without operations", a: event(at(0), joinedOnce(1, 1, 2)), b: event(at(0), joinedOnce(3, 3)),
			want: joinedOnce(1, 1, 2, 3),
		},
		{name: "joins with and without operations", a: event(at(0), joined(1, 1)), b: event(at(0), joinedOnce(2, 2))},
		{name: "joins with a gap", a: event(at(0), joined(1, 1, 2)), b: event(at(0), joined(4, 3))},
		{name: "joins at two times", a: event(at(0), joined(1, 1)), b: event(at(1), joined(2, 2))},
		{name: "joins of two operations", a: event(at(0), joined(1, 1)), b: caused},
		{
			name: "admissions", a: event(at(0), admitted(true, at(5), 1)), b: event(at(0), admitted(true, at(5), 2)),
			want: admitted(true, at(5), 1, 2),
		},
		{name: "claimed and not", a: event(at(0), admitted(true, at(5), 1)), b: event(at(0), admitted(false, at(5), 2))},
		{
			name: "asked by two times", a: event(at(0), waitingroom.Admitted{Sequences: []uint64{1}, AskedBy: at(1)}),
			b: event(at(0), waitingroom.Admitted{Sequences: []uint64{2}, AskedBy: at(2)}),
		},
		{name: "two ends", a: event(at(0), admitted(true, at(5), 1)), b: event(at(0), admitted(true, at(6), 2))},
		{
			name: "claims", a: event(at(0), waitingroom.Claimed{Sequences: []uint64{1}}),
			b:    event(at(0), waitingroom.Claimed{Sequences: []uint64{2}}),
			want: waitingroom.Claimed{Sequences: []uint64{1, 2}},
		},
		{
			name: "ends", a: event(at(0), ended(boxoffice.PlaceLeft, 1)), b: event(at(0), ended(boxoffice.PlaceLeft, 2)),
			want: ended(boxoffice.PlaceLeft, 1, 2),
		},
		{name: "two reasons", a: event(at(0), ended(boxoffice.PlaceLeft, 1)), b: event(at(0), ended(boxoffice.PlaceExpired, 2))},
		{name: "settings", a: event(at(0), configured), b: event(at(0), configured)},
		{name: "two kinds", a: event(at(0), joined(1, 1)), b: event(at(0), ended(boxoffice.PlaceLeft, 1))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := waitingroom.AppendEvents(nil, tt.a, tt.b)
			if tt.want == nil {
				require.Equal(t, []boxoffice.Event{tt.a, tt.b}, got)
				return
			}
			require.Equal(t, []boxoffice.Event{event(at(0), tt.want)}, got)
		})
	}
}

func TestAppendEventsMakesABatchOneEvent(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	var events []boxoffice.Event
	for n := 1; n <= 10_000; n++ {
		events = waitingroom.AppendEvents(events, tell(t, r, joinOf(n), at(0))...)
	}
	require.Len(t, events, 1)
	require.Len(t, events[0].Data.(waitingroom.Joined).UserIDs, 10_000)
	require.Len(t, events[0].Data.(waitingroom.Joined).OperationIDs, 10_000)
}

func TestAppendEventsLeavesItsArgumentsAlone(t *testing.T) {
	t.Parallel()
	roomy := make([]uuid.UUID, 2, 10)
	roomy[0], roomy[1] = user(1), operation(1)
	a := event(at(0), waitingroom.Joined{First: 1, UserIDs: roomy[:1], OperationIDs: roomy[1:]})
	one := waitingroom.AppendEvents(nil, a, event(at(0), joined(2, 2)))
	two := waitingroom.AppendEvents(nil, a, event(at(0), joined(2, 3)))
	require.Equal(t, joined(1, 1, 2), one[0].Data)
	require.Equal(t, joined(1, 1, 3), two[0].Data)
	require.Equal(t, operation(1), roomy[1])
	require.Zero(t, roomy[:3][2])
}
