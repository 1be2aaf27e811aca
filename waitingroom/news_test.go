package waitingroom_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/internal/fixture"
	"boxoffice/waitingroom"
)

func completed(sequences ...uint64) (places []boxoffice.PlaceNews) {
	for _, sequence := range sequences {
		places = append(places, boxoffice.PlaceNews{Sequence: sequence, Completed: true})
	}
	return places
}

func endedBy(status boxoffice.PlaceStatus, sequences ...uint64) waitingroom.Ended {
	return waitingroom.Ended{Sequences: sequences, Status: status}
}

func TestNewsOfHolds(t *testing.T) {
	t.Parallel()
	r := newRoom(3, 0)
	join(t, r, 1, 3, at(0))
	applyAll(r, r.Admit(at(0), 1))
	until := at(20 * time.Minute)
	held := func(n int) bool { return place(t, r, n, at(1)).ExpiresAt.Equal(until) }
	hear(t, r, boxoffice.ScheduleNews{Version: 5, Places: []boxoffice.PlaceNews{{Sequence: 1, HeldUntil: until}, {Sequence: 2, HeldUntil: until}}})
	require.Equal(t, []bool{true, true, false}, []bool{held(1), held(2), held(3)})

	hear(t, r, boxoffice.ScheduleNews{After: 5, Version: 7, Places: []boxoffice.PlaceNews{{Sequence: 3, HeldUntil: until}}})
	require.Equal(t, []bool{true, true, true}, []bool{held(1), held(2), held(3)}, "nothing happened to 1 and 2")
	hear(t, r, boxoffice.ScheduleNews{After: 5, Version: 6, Places: []boxoffice.PlaceNews{{Sequence: 3}}})
	require.True(t, held(3), "that was earlier")
	require.False(t, r.Hear(boxoffice.ScheduleNews{After: 8, Version: 9, Places: []boxoffice.PlaceNews{{Sequence: 3}}}))
	require.True(t, held(3), "something is missing")
	require.Equal(t, int64(7), r.KnownVersion())

	hear(t, r, boxoffice.ScheduleNews{Version: 7, Places: []boxoffice.PlaceNews{{Sequence: 2, HeldUntil: until}}})
	require.Equal(t, []bool{false, true, false}, []bool{held(1), held(2), held(3)}, "that is all there is")
}

func TestPlaceThatWasPaidForEndsAtOnce(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	join(t, r, 1, 1, at(0))
	applyAll(r, r.Admit(at(0), 1))
	require.False(t, r.Owes())
	require.Empty(t, r.Settle(at(1)))
	hear(t, r, boxoffice.ScheduleNews{Version: 4, Places: completed(1)})

	_, refusal := r.Place(user(1), 1, at(1))
	require.Equal(t, boxoffice.CodeQueueTokenExpired, refusal.Code)
	_, refusal = r.Decide(waitingroom.Touch{UserID: user(1), Sequence: 1}, at(1))
	require.Equal(t, boxoffice.CodeQueueTokenExpired, refusal.Code)
	require.Empty(t, tell(t, r, waitingroom.Leave{UserID: user(1), Sequence: 1}, at(1)))
	_, _, ok := r.PlaceOf(user(1))
	require.False(t, ok)
	require.Empty(t, r.Due(at(time.Hour)), "it was not the time that ended it")

	// The buyer joins again, and the log shows how that is possible.
	events, refusal := r.Decide(joinOf(1), at(2))
	require.Nil(t, refusal)
	require.Equal(t, []boxoffice.Event{event(at(2), endedBy(boxoffice.PlaceCompleted, 1)), event(at(2), joined(2, 1))}, events)
	applyAll(r, events)
	require.False(t, r.Owes())
	require.Equal(t, uint64(2), place(t, r, 1, at(2)).Sequence)
}

func TestPlaceThatIsOverIsJoinedAgain(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	join(t, r, 1, 1, at(0))
	applyAll(r, r.Admit(at(0), 1))
	over := at(10 * time.Minute)
	events, refusal := r.Decide(joinOf(1), over)
	require.Nil(t, refusal)
	require.Equal(t, []boxoffice.Event{event(over, endedBy(boxoffice.PlaceExpired, 1)), event(over, joined(2, 1))}, events)
}

func TestSettleGivesWhatIsOwedOnce(t *testing.T) {
	t.Parallel()
	r := newRoom(3, 0)
	join(t, r, 1, 3, at(0))
	applyAll(r, r.Admit(at(0), 1))
	news := boxoffice.ScheduleNews{Version: 4, Places: completed(2, 1)}
	hear(t, r, news)
	want := []boxoffice.Event{event(at(1), endedBy(boxoffice.PlaceCompleted, 1, 2))}
	require.Equal(t, want, r.Settle(at(1)))
	require.Contains(t, fixture.Snapshot(t, r), `"nextSequence":4}`, "what is owed has to be told again after a restart")

	r.Begin()
	applyAll(r, r.Settle(at(1)))
	require.False(t, r.Owes())
	require.Contains(t, fixture.Snapshot(t, r), `"scheduleVersion":4`)
	hear(t, r, boxoffice.ScheduleNews{After: 4, Version: 6, Places: completed(3)})
	require.Contains(t, fixture.Snapshot(t, r), `"scheduleVersion":4`)
	r.Rollback()
	require.Contains(t, fixture.Snapshot(t, r), `"nextSequence":4}`)
	require.Equal(t, []boxoffice.Event{event(at(1), endedBy(boxoffice.PlaceCompleted, 1, 2, 3))}, r.Settle(at(1)))

	applyAll(r, r.Settle(at(1)))
	require.Contains(t, fixture.Snapshot(t, r), `"scheduleVersion":6`)
	hear(t, r, news)
	hear(t, r, boxoffice.ScheduleNews{Version: 6, Places: completed(1, 2, 3)})
	r.HearRow(boxoffice.PlaceRow{Sequence: 2, Status: boxoffice.PlaceCompleted})
	require.False(t, r.Owes(), "told again")
}

// A place that was put to the journal as expired, and that its row says is paid for.
func TestRowOfAPlaceThatWasPaidFor(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	join(t, r, 1, 1, at(0))
	applyAll(r, r.Admit(at(0), 1))
	over := at(10 * time.Minute)
	r.Begin()
	require.Len(t, applyAll(r, r.Due(over)), 1)
	r.Rollback()
	r.HearRow(boxoffice.PlaceRow{Sequence: 1, Status: boxoffice.PlaceCompleted})
	require.Empty(t, r.Due(over))
	require.Equal(t, []boxoffice.Event{event(over, endedBy(boxoffice.PlaceCompleted, 1))}, r.Settle(over))
}

// Who waits for the slot of a buyer does not wait for more than a commit; a sale out in an
// empty room does not cost one for each payment.
func TestWhenWhatIsOwedIsDue(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	join(t, r, 1, 2, at(0))
	applyAll(r, r.Admit(at(0), 1))
	hear(t, r, boxoffice.ScheduleNews{Version: 4, Places: completed(1)})
	require.Equal(t, at(time.Minute), r.NextWake(at(time.Minute)), "user 2 waits")

	tell(t, r, waitingroom.Leave{UserID: user(2), Sequence: 2}, at(time.Minute))
	ms := time.Millisecond
	require.Equal(t, at(time.Minute+time.Second), r.NextWake(at(time.Minute+300*ms)), "since it was heard")
	hear(t, r, boxoffice.ScheduleNews{After: 4, Version: 5, Places: completed(7)})
	require.Equal(t, at(time.Minute+time.Second), r.NextWake(at(time.Minute+600*ms)))
	applyAll(r, r.Settle(at(time.Minute+time.Second)))
	require.Zero(t, r.NextWake(at(time.Minute+time.Second)))

	hear(t, r, boxoffice.ScheduleNews{After: 5, Version: 6, Places: completed(8)})
	require.Equal(t, at(time.Hour+time.Second), r.NextWake(at(time.Hour)))
}

// Join, let in, paid for; the node ends before the room has heard of it; the same user
// joins again. The log can be replayed.
func TestReplayAfterACrashBeforeTheEndWasAnEvent(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	log := []boxoffice.Event{queueOpened(1, 0)}
	log = append(log, tell(t, r, joinOf(1), at(0))...)
	log = append(log, applyAll(r, r.Admit(at(0), 1))...)
	snapshot := []byte(fixture.Snapshot(t, r))

	// The row of place 1 was completed by the payment: it is not restored.
	r, err := restoreRoom(limits(), snapshot, nil, nil, nil)
	require.NoError(t, err)
	hear(t, r, boxoffice.ScheduleNews{After: r.KnownVersion(), Version: 9, Places: completed(1)})
	log = append(log, applyAll(r, r.Settle(at(1)))...)
	log = append(log, tell(t, r, waitingroom.Join{OperationID: operation(2), UserID: user(1)}, at(1))...)

	replayed, err := waitingroom.Replay(limits(), log)
	require.NoError(t, err)
	hear(t, replayed, boxoffice.ScheduleNews{Version: 9, Places: completed(1)})
	places := []waitingroom.PlaceRecord{{Sequence: 1, UserID: user(1)}, {Sequence: 2, UserID: user(1)}}
	require.Equal(t, observe(t, r, places, at(1)), observe(t, replayed, places, at(1)))
	sequence, operationID, ok := replayed.PlaceOf(user(1))
	require.True(t, ok)
	require.Equal(t, uint64(2), sequence)
	require.Equal(t, operation(2), operationID)
}

// A payment between two looks of an activation: its row is not restored, and the room has
// not heard of it. The next activation of the schedule tells only what is live.
func TestCompleteNewsAreAGapToARoomThatIsBehind(t *testing.T) {
	t.Parallel()
	r := newRoom(1, 0)
	join(t, r, 1, 1, at(0))
	applyAll(r, r.Admit(at(0), 1))
	hear(t, r, boxoffice.ScheduleNews{Version: 5})
	r, err := restoreRoom(limits(), []byte(fixture.Snapshot(t, r)), nil, nil, nil)
	require.NoError(t, err)

	require.False(t, r.Hear(boxoffice.ScheduleNews{Version: 9}))
	require.Equal(t, int64(5), r.KnownVersion())
	hear(t, r, boxoffice.ScheduleNews{After: 5, Version: 9, Places: completed(1)})
	require.Equal(t, []boxoffice.Event{event(at(1), endedBy(boxoffice.PlaceCompleted, 1))}, r.Settle(at(1)))
}
