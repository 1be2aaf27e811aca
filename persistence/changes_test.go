package persistence

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"

	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

func TestChangesOfAPlaceAreFolded(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 24, 10, 0, 0, 0, time.UTC)
	ends, until := at.Add(10*time.Minute), at.Add(5*time.Minute)
	user, operation := uuid.New(), uuid.New()
	admitted := waitingroom.Admitted{Sequences: []uint64{7}, EndsAt: ends}
	claimed := waitingroom.Claimed{Sequences: []uint64{7}}
	ended := func(status boxoffice.PlaceStatus) boxoffice.EventData {
		return waitingroom.Ended{Sequences: []uint64{7}, Status: status}
	}
	held := seatmap.Held{UserID: user, Sequence: 7, ReservationID: uuid.New(), ExpiresAt: until}
	released := seatmap.Released{Sequence: 7, ReservationID: held.ReservationID}
	before := seatmap.Expired{Sequence: 7, ReservationID: uuid.New()}
	bought := seatmap.Confirmed{Sequence: 7, ReservationID: held.ReservationID}

	for name, test := range map[string]struct {
		events   []boxoffice.EventData
		expected placeChange
	}{
		"let in and seen": {
			[]boxoffice.EventData{admitted, claimed},
			placeChange{
				rule: ruleAdmit, status: boxoffice.PlaceAdmitted, admittedAt: at, endsAt: ends, claimed: true,
			},
		},
		"let in and gone": {
			[]boxoffice.EventData{admitted, ended(boxoffice.PlaceLeft)},
			placeChange{
				rule: ruleAdmit, status: boxoffice.PlaceLeft, admittedAt: at, endsAt: ends, setsHold: true, endedAt: at,
			},
		},
		"only the first end": {
			[]boxoffice.EventData{ended(boxoffice.PlaceLeft), ended(boxoffice.PlaceExpired), claimed},
			placeChange{rule: ruleLive, status: boxoffice.PlaceLeft, setsHold: true, endedAt: at},
		},
		"learned from its payment": {
			[]boxoffice.EventData{ended(boxoffice.PlaceCompleted), claimed},
			placeChange{rule: ruleAdmitted, claimed: true},
		},
		"expired": {
			[]boxoffice.EventData{claimed, ended(boxoffice.PlaceExpired)},
			placeChange{rule: ruleExpire, status: boxoffice.PlaceExpired, claimed: true, setsHold: true, endedAt: at},
		},
		"held again": {
			[]boxoffice.EventData{before, held},
			placeChange{rule: ruleHold, userID: user, operationID: operation, setsHold: true, heldUntil: until},
		},
		"held and released": {
			[]boxoffice.EventData{held, released},
			placeChange{rule: ruleHold, userID: user, operationID: operation, setsHold: true},
		},
		"held and bought": {
			[]boxoffice.EventData{held, bought},
			placeChange{
				rule: ruleHold, userID: user, operationID: operation, setsHold: true,
				status: boxoffice.PlaceCompleted, endedAt: at,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c boxoffice.Commit
			for _, data := range test.events {
				c.Events = append(c.Events, boxoffice.Event{At: at, OperationID: operation, Data: data})
			}
			rows, err := changesOf(c)
			require.NoError(t, err)
			test.expected.sequence = 7
			require.Equal(t, []placeChange{test.expected}, rows.places)
		})
	}
}

func TestChangesOfNewPlacesGoIntoTheirRows(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 24, 10, 0, 0, 0, time.UTC)
	users := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	event := func(data boxoffice.EventData) boxoffice.Event { return boxoffice.Event{At: at, Data: data} }
	rows, err := changesOf(boxoffice.Commit{Events: []boxoffice.Event{
		event(waitingroom.Joined{First: 5, UserIDs: users[:2]}),
		event(waitingroom.Admitted{Sequences: []uint64{4, 5}, EndsAt: at.Add(time.Hour), Claimed: true}),
		event(waitingroom.Joined{First: 7, UserIDs: users[2:]}),
		event(waitingroom.Ended{Sequences: []uint64{6}, Status: boxoffice.PlaceLeft}),
	}})
	require.NoError(t, err)
	require.Len(t, rows.joined, 3)
	statuses := make([]boxoffice.PlaceStatus, 0, 3)
	for i, place := range rows.joined {
		require.Equal(t, uint64(5+i), place.sequence)
		require.Equal(t, users[i], place.userID)
		statuses = append(statuses, place.status)
	}
	require.Equal(t, []boxoffice.PlaceStatus{
		boxoffice.PlaceAdmitted, boxoffice.PlaceLeft, boxoffice.PlaceWaiting,
	}, statuses)
	require.Len(t, rows.places, 1)
	require.Equal(t, uint64(4), rows.places[0].sequence)

	_, err = changesOf(boxoffice.Commit{Events: []boxoffice.Event{
		event(waitingroom.Joined{First: 5, UserIDs: users}), event(waitingroom.Joined{First: 7, UserIDs: users}),
	}})
	require.ErrorContains(t, err, "sequence 7 follows 7")
	_, err = changesOf(boxoffice.Commit{Events: []boxoffice.Event{
		event(seatmap.Held{}), event(seatmap.Released{}), event(seatmap.Released{}),
	}})
	require.ErrorContains(t, err, "is released, not held")
	_, err = changesOf(boxoffice.Commit{Answers: []boxoffice.Answer{{}}})
	require.ErrorContains(t, err, "no idempotency key")
}

func TestAGroupHasOneCommitPerSchedule(t *testing.T) {
	t.Parallel()
	commit := func(kind boxoffice.Kind, id int64, places int) *pending {
		return &pending{
			commit: boxoffice.Commit{Grain: boxoffice.Grain{Kind: kind, ID: id}},
			rows:   &changes{joined: make([]placeChange, places)},
		}
	}
	one, same, two := commit(boxoffice.KindSchedule, 1, 0), commit(boxoffice.KindGatekeeper, 1, 0), commit(boxoffice.KindSchedule, 2, 0)
	group, left := cutGroup([]*pending{one, same, two}, maxGroup)
	require.Equal(t, []*pending{one, two}, group)
	require.Equal(t, []*pending{same}, left)

	huge := commit(boxoffice.KindGatekeeper, 3, maxGroupRows+1)
	group, left = cutGroup([]*pending{one, same, huge, two}, maxGroup)
	require.Equal(t, []*pending{one}, group)
	require.Equal(t, []*pending{same, huge, two}, left, "in their order")
	group, left = cutGroup([]*pending{huge, two}, maxGroup)
	require.Equal(t, []*pending{huge}, group)
	require.Equal(t, []*pending{two}, left)

	var many []*pending
	for id := range int64(maxGroup + 1) {
		many = append(many, commit(boxoffice.KindSchedule, id, 0))
	}
	group, left = cutGroup(many, maxGroup)
	require.Len(t, group, maxGroup)
	require.Len(t, left, 1)
}

func TestAGroupHasOneCommitPerAccount(t *testing.T) {
	t.Parallel()
	alice, bob := uuid.New(), uuid.New()
	commit := func(kind boxoffice.Kind, schedule int64, payers ...uuid.UUID) *pending {
		rows := &changes{}
		for _, userID := range payers {
			rows.movements = append(rows.movements, movement{userID: userID})
		}
		return &pending{commit: boxoffice.Commit{Grain: boxoffice.Grain{Kind: kind, ID: schedule}}, rows: rows}
	}
	one, two := commit(boxoffice.KindSchedule, 1, alice), commit(boxoffice.KindSchedule, 2, bob, alice)
	three, four := commit(boxoffice.KindSchedule, 3, bob, bob), commit(boxoffice.KindSchedule, 4)
	sameAsTwo := commit(boxoffice.KindGatekeeper, 2)
	group, left := cutGroup([]*pending{one, two, sameAsTwo, three, four}, maxGroup)
	require.Equal(t, []*pending{one, three, four}, group)
	require.Equal(t, []*pending{two, sameAsTwo}, left, "what is left keeps its order, also within a schedule")
	group, left = cutGroup(left, maxGroup)
	require.Equal(t, []*pending{two}, group)
	require.Equal(t, []*pending{sameAsTwo}, left)
}
