package main

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/persistence"
	"boxoffice/persistence/postgrestest"
)

// openCatalogue opens a database of the test's own, as a node with default settings does.
func openCatalogue(t *testing.T) *persistence.Database {
	t.Helper()
	db, err := persistence.Open(t.Context(), postgrestest.Database(t), persistence.Config{QueueCapacity: 100})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}

// titles lists the concerts and how many schedules each has.
func titles(t *testing.T, db *persistence.Database, now time.Time) map[string]int {
	t.Helper()
	concerts, err := db.Concerts(t.Context(), boxoffice.PageRequest{Limit: 100})
	require.NoError(t, err)
	found := map[string]int{}
	for _, c := range concerts.Items {
		require.NotContains(t, found, c.Title)
		schedules, err := db.Schedules(t.Context(), boxoffice.ScheduleFilter{ConcertID: c.ID}, now, boxoffice.PageRequest{Limit: 100})
		require.NoError(t, err)
		found[c.Title] = len(schedules.Items)
	}
	return found
}

func wantedTitles() map[string]int {
	wanted := map[string]int{}
	for _, c := range demoConcerts() {
		wanted[c.Title] = len(c.schedules)
	}
	return wanted
}

func TestDemoIsLoadedOnce(t *testing.T) {
	t.Parallel()
	db := openCatalogue(t)
	now := time.Now().UTC().Truncate(time.Millisecond)
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		all.Go(func() { errs[i] = loadDemo(t.Context(), db.Exclusively, db, now) })
	}
	all.Wait()
	require.NoError(t, errors.Join(errs...))
	require.NoError(t, loadDemo(t.Context(), db.Exclusively, db, now.AddDate(1, 0, 0)))
	require.Equal(t, wantedTitles(), titles(t, db, now))

	first, err := db.Schedule(t.Context(), 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, first.Terms.ConcertID, "what the README buys")
	require.True(t, first.Terms.OnSale(now))
	require.Equal(t, 50, first.AvailableSeats)
}

func TestDemoIsPossibleAtAnyTime(t *testing.T) {
	t.Parallel()
	for _, now := range []string{
		"2026-03-08T06:59:59.999Z", "2026-03-29T00:30:00Z", "2026-10-25T01:00:00Z", "2028-02-29T23:59:59Z", "2026-12-31T15:00:00Z",
	} {
		at, err := time.Parse(time.RFC3339, now)
		require.NoError(t, err)
		for _, concert := range demoConcerts() {
			for _, s := range concert.schedules {
				schedule, err := s.at(at)
				require.NoError(t, err)
				_, _, refusal := schedule.Decide(at, concert.Price, boxoffice.QueueLimits{Capacity: 100})
				require.Nil(t, refusal, "%s at %s", concert.Title, now)
			}
		}
	}
}

// cutShort is a catalogue that fails at a certain schedule.
type cutShort struct {
	*persistence.Database

	left int
}

var errCutShort = errors.New("cut short")

func (c *cutShort) CreateSchedule(ctx context.Context, s boxoffice.NewSchedule, now time.Time) (boxoffice.ScheduleInfo, error) {
	if c.left == 0 {
		return boxoffice.ScheduleInfo{}, errCutShort
	}
	c.left--
	return c.Database.CreateSchedule(ctx, s, now)
}

func TestDemoGoesOnWhereItWasCutShort(t *testing.T) {
	t.Parallel()
	for left := range 4 {
		db := openCatalogue(t)
		now := time.Now().UTC().Truncate(time.Millisecond)
		require.ErrorIs(t, loadDemo(t.Context(), db.Exclusively, &cutShort{Database: db, left: left}, now), errCutShort)
		require.NoError(t, loadDemo(t.Context(), db.Exclusively, db, now.Add(time.Minute)))
		require.Equal(t, wantedTitles(), titles(t, db, now))
	}
}

func TestDemoLeavesACatalogueInUseAlone(t *testing.T) {
	t.Parallel()
	db := openCatalogue(t)
	_, err := db.CreateConcert(t.Context(), boxoffice.NewConcert{Title: "Somebody's own"})
	require.NoError(t, err)
	now := time.Now()
	require.NoError(t, loadDemo(t.Context(), db.Exclusively, db, now))
	require.Equal(t, map[string]int{"Somebody's own": 0}, titles(t, db, now))
}
