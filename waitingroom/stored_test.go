package waitingroom_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/waitingroom"
)

// What is stored is read for ever: every file in testdata/stored was written by some
// version of this package and has to mean the same. Files are added, never edited. With
// BOXOFFICE_WRITE_STORED=1 the test adds what is missing.

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

// golden returns the content of a file of testdata/stored; missing ones get want.
func golden(t *testing.T, name, want string) string {
	t.Helper()
	path := filepath.Join("testdata", "stored", name+".json")
	data, err := os.ReadFile(path)
	if os.IsNotExist(err) && os.Getenv("BOXOFFICE_WRITE_STORED") != "" {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(want+"\n"), 0o644))
		return want
	}
	require.NoError(t, err)
	return strings.TrimSuffix(string(data), "\n")
}

func TestStoredEvents(t *testing.T) {
	t.Parallel()
	for name, e := range storedEvents() {
		eventType, data, err := boxoffice.EncodeEvent(e)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(name, "event-"+eventType), name)
		require.Equal(t, golden(t, name, string(data)), string(data))
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
	stored := golden(t, "snapshot-waiting-room", snapshotOf(t, r))
	require.Equal(t, stored, snapshotOf(t, r))
	room, err := restoreRoom(limits(), []byte(stored), nil, nil, nil)
	require.NoError(t, err)
	require.Equal(t, stored, snapshotOf(t, room))
	require.Equal(t, uint64(21), room.NextSequence())
	require.Zero(t, room.KnownVersion(), "everything is asked for")

	r.Hear(boxoffice.ScheduleNews{Version: 12})
	stored = golden(t, "snapshot-waiting-room-heard", snapshotOf(t, r))
	require.Equal(t, stored, snapshotOf(t, r))
	room, err = restoreRoom(limits(), []byte(stored), nil, nil, nil)
	require.NoError(t, err)
	require.Equal(t, stored, snapshotOf(t, room))
	require.Equal(t, int64(12), room.KnownVersion())
}
