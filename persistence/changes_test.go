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
		expected placeRow
	}{
		"let in and seen": {
			[]boxoffice.EventData{admitted, claimed},
			placeRow{
				Rule: ruleAdmit, Status: boxoffice.PlaceAdmitted, AdmittedAt: at, EndsAt: ends, Claimed: true,
			},
		},
		"let in and gone": {
			[]boxoffice.EventData{admitted, ended(boxoffice.PlaceLeft)},
			placeRow{
				Rule: ruleAdmit, Status: boxoffice.PlaceLeft, AdmittedAt: at, EndsAt: ends, SetsHold: true, EndedAt: at,
			},
		},
		"only the first end": {
			[]boxoffice.EventData{ended(boxoffice.PlaceLeft), ended(boxoffice.PlaceExpired), claimed},
			placeRow{Rule: ruleLive, Status: boxoffice.PlaceLeft, SetsHold: true, EndedAt: at},
		},
		"learned from its payment": {
			[]boxoffice.EventData{ended(boxoffice.PlaceCompleted), claimed},
			placeRow{Rule: ruleAdmitted, Claimed: true},
		},
		"expired": {
			[]boxoffice.EventData{claimed, ended(boxoffice.PlaceExpired)},
			placeRow{Rule: ruleExpire, Status: boxoffice.PlaceExpired, Claimed: true, SetsHold: true, EndedAt: at},
		},
		"held again": {
			[]boxoffice.EventData{before, held},
			placeRow{Rule: ruleHold, UserID: user, OperationID: operation, SetsHold: true, HeldUntil: until},
		},
		"held and released": {
			[]boxoffice.EventData{held, released},
			placeRow{Rule: ruleHold, UserID: user, OperationID: operation, SetsHold: true},
		},
		"held and bought": {
			[]boxoffice.EventData{held, bought},
			placeRow{
				Rule: ruleHold, UserID: user, OperationID: operation, SetsHold: true,
				Status: boxoffice.PlaceCompleted, EndedAt: at,
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
			test.expected.Sequence, test.expected.Required = 7, test.expected.Rule.required()
			require.Equal(t, []placeRow{test.expected}, rows.places)
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
		require.Equal(t, uint64(5+i), place.Sequence)
		require.Equal(t, users[i], place.UserID)
		statuses = append(statuses, place.Status)
	}
	require.Equal(t, []boxoffice.PlaceStatus{
		boxoffice.PlaceAdmitted, boxoffice.PlaceLeft, boxoffice.PlaceWaiting,
	}, statuses)
	require.Len(t, rows.places, 1)
	require.Equal(t, uint64(4), rows.places[0].Sequence)

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
			rows:   &changes{joined: make([]placeRow, places)},
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
