package actors

import (
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/actors/messages"
	"boxoffice/waitingroom"
)

// recordingViews is a member that watches everything.
type recordingViews struct {
	noViews
	changes chan *messages.Change
}

func (v recordingViews) Changed(c *messages.Change) bool {
	v.changes <- c
	return true
}

// Who watches a room is given who waits and then what changes, before it is answered.
func TestWatchingARoom(t *testing.T) {
	t.Parallel()
	views := recordingViews{changes: make(chan *messages.Change, 16)}
	h := setup(t, func(c *Config) { c.Views = views })
	h.gate = h.spawn(boxoffice.KindGatekeeper, scheduleID)
	users := make([]uuid.UUID, 6)
	for i := range users {
		users[i] = uuid.New()
	}
	join := func(n int) *messages.Place {
		return h.ask(h.gate, &messages.Join{UserId: users[n][:]})().(*messages.Place)
	}
	for n := range 4 {
		join(n) // two are admitted
	}
	state := h.ask(h.gate, &messages.Watch{Watcher: "b"})().(*messages.RoomState)
	waiting := roaring.New()
	require.NoError(t, waiting.UnmarshalBinary(state.GetWaiting()))
	require.Equal(t, []uint32{3, 4}, waiting.ToArray())
	require.Equal(t, int64(2), state.GetView().GetWaiting())
	require.Equal(t, int64(2), state.GetView().GetAdmitted())
	require.Equal(t, int64(2), state.GetPace()[0].GetCount())

	place := join(4)
	change := <-views.changes
	require.Equal(t, []int64{state.GetMark().GetEpoch(), state.GetMark().GetVersion() + 1},
		[]int64{change.GetEpoch(), change.GetVersion()})
	require.Equal(t, change.GetVersion(), place.GetViewVersion())
	require.Equal(t, []uint64{5, 1}, []uint64{change.GetRoom().GetFirst(), change.GetRoom().GetJoined()})

	// The slot of who leaves goes to the next in line in the same commit.
	h.ask(h.gate, &messages.Leave{UserId: users[0][:], Sequence: 1})()
	change = <-views.changes
	require.Equal(t, []uint64{1, 3}, change.GetRoom().GetGone())
	require.Equal(t, int64(1), change.GetRoom().GetAdmissions().GetCount())
	require.Equal(t, int64(2), change.GetRoom().GetView().GetWaiting())

	// What a schedule tells of its seats changes no place, but what everybody is told.
	h.system.Root.Send(h.gate, &messages.ScheduleNews{After: 1, Version: 9, SoldOut: true})
	change = <-views.changes
	require.True(t, change.GetRoom().GetView().GetSoldOut())
	require.Zero(t, change.GetRoom().GetAdmissions())

	// Joining again changes nothing that anybody is shown.
	join(4)
	require.Empty(t, views.changes)
}

// A room that replicas cannot count says so, and not that it is unavailable: it answers
// everything else.
func TestWatchingARoomPastWhatReplicasCount(t *testing.T) {
	t.Parallel()
	snapshot := []byte(`{"v":1,"salesOpenAt":"2026-11-21T09:00:00Z","salesCloseAt":"2026-12-24T19:00:00Z","capacity":1,"nextSequence":4294967296}`)
	room, err := waitingroom.Restore(waitingroom.Limits{}, snapshot, nil)
	require.NoError(t, err)
	_, err = (&gatekeeperGrain{room: room}).watch(&messages.Mark{})
	require.Error(t, err)
}
