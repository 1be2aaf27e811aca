package waitingroom_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"boxoffice"
	"boxoffice/internal/fixture"
	"boxoffice/waitingroom"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	at   = fixture.At
	user = fixture.User
)

// operation is the n-th request of the tests; the n-th user joins by it.
func operation(n int) uuid.UUID { return fixture.ID('o', n) }

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
