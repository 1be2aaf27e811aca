package waitingroom_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/waitingroom"
)

func TestRoomRefusesContradictions(t *testing.T) {
	t.Parallel()
	joined := func(first uint64, n int) boxoffice.Event {
		return boxoffice.Event{At: at(0), Data: waitingroom.Joined{First: first, UserIDs: []uuid.UUID{user(n)}}}
	}
	for name, events := range map[string][]boxoffice.Event{
		"before it opened":     {joined(1, 1)},
		"opened twice":         {queueOpened(1, 0), queueOpened(1, 0)},
		"a gap in the line":    {queueOpened(1, 0), joined(2, 1)},
		"joins of nobody":      {queueOpened(1, 0), {Data: waitingroom.Joined{First: 1, OperationIDs: []uuid.UUID{user(1)}}}},
		"two places of a user": {queueOpened(1, 0), joined(1, 1), joined(2, 1)},
		"of a schedule":        {queueOpened(1, 0), {Data: strange{}}},
	} {
		require.Panics(t, func() { applyAll(waitingroom.New(limits()), events) }, name)
		_, err := waitingroom.Replay(limits(), events)
		require.Error(t, err, name)
	}
	// What has ended meanwhile is passed over.
	r := newRoom(1, 0)
	for _, data := range []boxoffice.EventData{
		waitingroom.Admitted{Sequences: []uint64{1}},
		waitingroom.Claimed{Sequences: []uint64{1}},
		waitingroom.Ended{Sequences: []uint64{1}, Status: boxoffice.PlaceLeft},
	} {
		r.Apply(boxoffice.Event{At: at(0), Data: data})
	}
	require.Zero(t, r.Status(at(0)).Admitted)
}

func TestRestoreWaitingRoomRefuses(t *testing.T) {
	t.Parallel()
	events := []boxoffice.Event{
		queueOpened(1, 0),
		{At: at(0), Data: waitingroom.Joined{First: 1, UserIDs: []uuid.UUID{user(1), user(2)}}},
	}
	record := func(sequence uint64, n int, status boxoffice.PlaceStatus) waitingroom.PlaceRecord {
		return waitingroom.PlaceRecord{Sequence: sequence, UserID: user(n), Status: status, JoinedAt: at(0)}
	}
	waiting := record(1, 1, boxoffice.PlaceWaiting)
	for name, places := range map[string][]waitingroom.PlaceRecord{
		"never joined":         {record(3, 3, boxoffice.PlaceWaiting)},
		"out of order":         {record(2, 2, boxoffice.PlaceWaiting), waiting},
		"twice":                {waiting, waiting},
		"waiting and admitted": {waiting, record(1, 2, boxoffice.PlaceAdmitted)},
		"admitted and waiting": {record(1, 2, boxoffice.PlaceAdmitted), waiting},
		"sequence 0":           {record(0, 1, boxoffice.PlaceWaiting)},
		"two places of a user": {waiting, record(2, 1, boxoffice.PlaceAdmitted)},
		"ended":                {record(1, 1, boxoffice.PlaceLeft)},
	} {
		_, err := restoreRoom(limits(), nil, events, places, nil)
		require.Error(t, err, name)
	}
	for _, snapshot := range []string{"", "{}", `{"v":2,"nextSequence":1}`, `{"v":1}`} {
		_, err := restoreRoom(limits(), []byte(snapshot), nil, nil, nil)
		require.Error(t, err, snapshot)
	}
	_, err := restoreRoom(limits(), nil, nil, nil, nil)
	require.Error(t, err)
	_, err = waitingroom.New(limits()).Snapshot()
	require.Error(t, err)
	_, err = restoreRoom(limits(), nil, events, []waitingroom.PlaceRecord{waiting}, nil)
	require.NoError(t, err)
}

// strange is an event of something else.
type strange struct{}

func (strange) EventType() string { return "strange" }
