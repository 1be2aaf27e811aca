package waitingroom_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"boxoffice"
	"boxoffice/waitingroom"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tester is a test of package testing or of rapid.
type tester interface {
	require.TestingT
	Helper()
}

// at is a time of the tests: so long after the sales of every schedule here open.
func at(after time.Duration) time.Time {
	return time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC).Add(after)
}

// id is the n-th id of a kind of thing.
func id(kind byte, n int) uuid.UUID {
	u := uuid.UUID{0: kind, 6: 0x70, 8: 0x80}
	binary.BigEndian.PutUint32(u[12:], uint32(n))
	return u
}

func user(n int) uuid.UUID { return id('u', n) }

// operation is the n-th request of the tests; the n-th user joins by it.
func operation(n int) uuid.UUID { return id('o', n) }

func joinOf(n int) waitingroom.Join {
	return waitingroom.Join{OperationID: operation(n), UserID: user(n)}
}

// restoreRoom restores a waiting room with its places and past admissions.
func restoreRoom(
	limits waitingroom.Limits, snapshot []byte, events []boxoffice.Event,
	places []waitingroom.PlaceRecord, admissions []time.Time,
) (*waitingroom.Room, error) {
	room, err := waitingroom.Restore(limits, snapshot, events)
	if err != nil {
		return nil, err
	}
	for _, place := range places {
		if err := room.RestorePlace(place); err != nil {
			return nil, err
		}
	}
	for _, at := range admissions {
		room.RestoreAdmission(at)
	}
	return room, nil
}

func snapshotOf(t tester, s interface{ Snapshot() ([]byte, error) }) string {
	t.Helper()
	data, err := s.Snapshot()
	require.NoError(t, err)
	return string(data)
}
