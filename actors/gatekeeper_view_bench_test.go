package actors

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/waitingroom"
)

// BenchmarkEncodeWaiting is what a watch of a room of a million keeps its gatekeeper from
// doing.
func BenchmarkEncodeWaiting(b *testing.B) {
	now := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	room := waitingroom.New(waitingroom.Limits{})
	room.Apply(boxoffice.Event{At: now, Data: waitingroom.Opened{
		SalesOpenAt: now, SalesCloseAt: now.Add(time.Hour), Capacity: 1,
	}})
	users := make([]uuid.UUID, 1_000_000)
	for i := range users {
		users[i] = uuid.New()
	}
	room.Apply(boxoffice.Event{At: now, Data: waitingroom.Joined{First: 1, UserIDs: users}})
	b.ReportAllocs()
	for b.Loop() {
		_, err := encodeWaiting(room)
		require.NoError(b, err)
	}
}
