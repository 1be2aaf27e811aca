package waitingroom_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/internal/fixture"
	"boxoffice/waitingroom"
)

// storedEvents are the events of testdata/stored, by file name.
func storedEvents() map[string]boxoffice.Event {
	caused := func(data boxoffice.EventData) boxoffice.Event {
		return boxoffice.Event{At: at(1234 * time.Millisecond), OperationID: operation(1), Data: data}
	}
	return map[string]boxoffice.Event{
		"event-queue-opened":     caused(queueOpened(100, 5).Data),
		"event-queue-configured": caused(waitingroom.Configured{Capacity: 10, AdmitPerSecond: 2, Paused: true}),
		"event-places-joined":    caused(joinedOnce(18, 1, 2)),
		"event-places-joined-by": caused(joined(18, 1, 2)),
		"event-places-admitted": caused(waitingroom.Admitted{
			Sequences: []uint64{18, 19}, EndsAt: at(10 * time.Minute), Claimed: true,
		}),
		"event-places-admitted-unseen": caused(waitingroom.Admitted{
			Sequences: []uint64{18, 19}, EndsAt: at(10 * time.Minute), AskedBy: at(7 * time.Second),
		}),
		"event-places-claimed": caused(waitingroom.Claimed{Sequences: []uint64{18}}),
		"event-places-ended":   caused(waitingroom.Ended{Sequences: []uint64{18}, Status: boxoffice.PlaceExpired}),
	}
}

func TestStoredEvents(t *testing.T) {
	t.Parallel()
	for name, e := range storedEvents() {
		eventType, data, err := boxoffice.EncodeEvent(e)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(name, "event-"+eventType), name)
		require.Equal(t, fixture.Golden(t, name, string(data)), string(data))
		decoded, err := waitingroom.DecodeEvent(eventType, data)
		require.NoError(t, err)
		require.Equal(t, e.Data, decoded)
	}
}

func TestStoredSnapshots(t *testing.T) {
	t.Parallel()
	r := newRoom(100, 5)
	join(t, r, 1, 20, at(0))
	tell(t, r, boxoffice.Configure{Paused: new(true)}, at(0))
	stored := fixture.Golden(t, "snapshot-waiting-room", fixture.Snapshot(t, r))
	require.Equal(t, stored, fixture.Snapshot(t, r))
	room, err := restoreRoom(limits(), []byte(stored), nil, nil, nil)
	require.NoError(t, err)
	require.Equal(t, stored, fixture.Snapshot(t, room))
	require.Equal(t, uint64(21), room.NextSequence())
	require.Zero(t, room.KnownVersion(), "everything is asked for")

	r.Hear(boxoffice.ScheduleNews{Version: 12})
	stored = fixture.Golden(t, "snapshot-waiting-room-heard", fixture.Snapshot(t, r))
	require.Equal(t, stored, fixture.Snapshot(t, r))
	room, err = restoreRoom(limits(), []byte(stored), nil, nil, nil)
	require.NoError(t, err)
	require.Equal(t, stored, fixture.Snapshot(t, room))
	require.Equal(t, int64(12), room.KnownVersion())
}
