package seatmap_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/internal/fixture"
	"boxoffice/seatmap"
)

func FuzzDecodeEvent(f *testing.F) { fixture.FuzzEvents(f, storedEvents(), seatmap.DecodeEvent) }

// FuzzRestore restores a snapshot and one event after it, then works with what
// came of it.
func FuzzRestore(f *testing.F) {
	f.Add([]byte(fixture.Snapshot(f, newSchedule(f))), "", []byte(nil))
	for _, e := range storedEvents() {
		eventType, data, err := boxoffice.EncodeEvent(e)
		require.NoError(f, err)
		f.Add([]byte(fixture.Snapshot(f, busySchedule(f))), eventType, data)
	}
	f.Fuzz(func(t *testing.T, snapshot []byte, eventType string, data []byte) {
		var events []boxoffice.Event
		if d, err := seatmap.DecodeEvent(eventType, data); err == nil {
			events = append(events, boxoffice.Event{At: at(time.Minute), OperationID: operation(1).ID, Data: d})
		}
		s, err := seatmap.Restore(snapshot, events)
		if err != nil {
			return
		}
		stored := fixture.Snapshot(t, s)
		restored, err := seatmap.Restore([]byte(stored), nil)
		require.NoError(t, err)
		require.Equal(t, stored, fixture.Snapshot(t, restored))

		now := at(time.Hour)
		for _, e := range s.Due(now) {
			s.Apply(e)
		}
		first := hold(1001, 12)
		first.UserID = user(1)
		act(s, first, now)
		act(s, hold(1002, 13), now)
		act(s, pay(1002), now)
		act(s, cancel(1002), now)
		act(s, release(1), now)
		require.Len(t, s.AvailableSeats(now), s.Available(now))
		require.Empty(t, s.Due(now))
	})
}
