package main

import (
	"context"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/cluster/localnats"
	"boxoffice/persistence"
	"boxoffice/persistence/postgrestest"
	"boxoffice/waitingroom"
)

// TestCrowdOutlivesItsNode kills the node whose gatekeeper has a crowd in line: the other
// one goes on with the same order, the same positions and the same people inside.
func TestCrowdOutlivesItsNode(t *testing.T) {
	t.Parallel()
	const crowd, inside, spread = 20_000, 10, 1_000
	url := postgrestest.Database(t)
	t.Cleanup(func() {
		if !t.Failed() {
			requireSoundBooks(context.WithoutCancel(t.Context()), t, url)
		}
	})
	bus, err := localnats.Start(t.Context(), localnats.Config{StoreDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(bus.Stop)
	dir, environ := t.TempDir(), []string{"BOXOFFICE_DATABASE_URL=" + url, "BOXOFFICE_NATS_URL=" + bus.URL}
	owner, other := reopenHouse(t, dir, environ...), reopenHouse(t, dir, environ...)
	s := owner.stage(t, body{"capacity": inside})

	// Person n has place n*spread+1; the first is inside, the others wait among strangers.
	people := owner.registerAll(t, crowd/spread)
	users := make([]uuid.UUID, crowd)
	for i := range users {
		if users[i] = uuid.New(); i%spread == 0 {
			users[i] = uuid.MustParse(people[i/spread].id)
		}
	}
	next := owner.register(t, "Next")
	users[inside] = uuid.MustParse(next.id)
	fillLine(t, url, s.ScheduleID, users)

	places := make([]place, len(people))
	rejoin := func(h *house, p *person) place {
		return p.at(h).keepPlace(p.at(h).must(200, "POST", s.path()+"/queue-tokens", nil))
	}
	for i, p := range people {
		places[i] = rejoin([]*house{owner, other}[i%2], p)
		p.place = places[i].Token
	}
	require.Equal(t, "admitted", places[0].Status)
	require.Equal(t, "waiting", places[1].Status)
	// Who leaves does not count any more.
	people[3].leave(s)
	if owner.waiting(t) == 0 {
		owner, other = other, owner
	}
	require.Positive(t, owner.waiting(t))
	require.Zero(t, other.waiting(t))

	owner.kill()
	require.Eventually(t, func() bool {
		r, err := people[0].at(other).try("POST", s.path()+"/queue-tokens", nil)
		return err == nil && r.status == 200
	}, soon, pollEvery)
	for i, p := range people {
		if i == 3 {
			continue
		}
		want := i*spread + 1 - inside
		if i > 3 {
			want--
		}
		got := rejoin(other, p)
		require.Equal(t, places[i].Token, got.Token)
		require.Equal(t, places[i].JoinedAt, got.JoinedAt)
		require.Equal(t, places[i].AdmittedAt, got.AdmittedAt)
		polled := p.at(other).poll(s)
		if i > 0 {
			require.Equal(t, want, got.Position)
			require.Equal(t, want, polled.Position)
			require.Equal(t, crowd-inside-1, polled.Waiting)
		}
	}
	require.Equal(t, inside, other.queue(t, s).Admitted)

	// The next in line is the one who was next.
	require.Equal(t, 1, rejoin(other, next).Position)
	people[0].at(other).leave(s)
	first := next.at(other)
	first.place = rejoin(other, next).Token
	require.Equal(t, "admitted", first.untilAdmitted(s).Status)
	require.Equal(t, inside, other.queue(t, s).Admitted)
}

// fillLine lets users join a schedule that no node has asked about yet, and in as far as
// there is room, through a journal of its own.
func fillLine(t *testing.T, url string, scheduleID int64, users []uuid.UUID) {
	t.Helper()
	database, err := persistence.Open(t.Context(), url, persistence.Config{})
	require.NoError(t, err)
	defer database.Close()
	journal := persistence.NewJournal(database, persistence.JournalConfig{})
	defer journal.Close()
	activation, room, _, err := journal.ActivateWaitingRoom(t.Context(), scheduleID, "test", waitingroom.Limits{
		AdmissionTTL: time.Hour, MaxWaiting: len(users),
	})
	require.NoError(t, err)
	now := time.Now().UTC().Truncate(time.Millisecond)
	events := []boxoffice.Event{{At: now, Data: waitingroom.Joined{First: 1, UserIDs: users}}}
	room.Apply(events[0])
	for _, e := range room.Admit(now, 1) {
		room.Apply(e)
		events = append(events, e)
	}
	snapshot, err := room.Snapshot()
	require.NoError(t, err)
	done := make(chan boxoffice.CommitResult, 1)
	journal.Commit(boxoffice.Commit{
		Grain: boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: scheduleID},
		Epoch: activation.Epoch, Version: activation.Version, Events: events, Snapshot: snapshot,
	}, func(r boxoffice.CommitResult) { done <- r })
	require.NoError(t, (<-done).Err)
}

// waiting is how many wait in rooms that live on the node.
func (h *house) waiting(t *testing.T) int {
	t.Helper()
	answer, err := h.http.Get(h.url + "/metrics")
	require.NoError(t, err)
	defer func() { require.NoError(t, answer.Body.Close()) }()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	found := regexp.MustCompile(`(?m)^boxoffice_places_waiting (\S+)$`).FindSubmatch(text)
	require.NotNil(t, found)
	count, err := strconv.ParseFloat(strings.TrimSpace(string(found[1])), 64)
	require.NoError(t, err)
	return int(count)
}
