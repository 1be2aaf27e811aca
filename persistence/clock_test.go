package persistence

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/persistence/postgrestest"
)

// fakeClocks are the process's clock and the database's.
type fakeClocks struct {
	local, database time.Time
	trip            time.Duration // from asking to being answered
	err             error
}

func (f *fakeClocks) pass(d time.Duration) {
	f.local, f.database = f.local.Add(d), f.database.Add(d)
}

func (f *fakeClocks) ask(context.Context) (time.Time, error) {
	f.pass(f.trip / 2)
	answer := f.database
	f.pass(f.trip / 2)
	return answer, f.err
}

func newFakeClocks() *fakeClocks {
	return &fakeClocks{
		local:    time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		database: time.Date(2026, 12, 24, 10, 0, 0, 0, time.UTC),
		trip:     10 * time.Millisecond,
	}
}

func startFakeClock(t *testing.T, f *fakeClocks) *Clock {
	t.Helper()
	c, err := startClock(t.Context(), ClockConfig{Now: func() time.Time { return f.local }, Refresh: time.Hour}, f.ask)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestClockTellsTheDatabasesTime(t *testing.T) {
	t.Parallel()
	f := newFakeClocks()
	c := startFakeClock(t, f)
	require.Equal(t, f.database, c.Now())
	f.pass(1234567 * time.Microsecond)
	require.Equal(t, f.database.Truncate(time.Millisecond), c.Now())
}

func TestClockJumpsForward(t *testing.T) {
	t.Parallel()
	f := newFakeClocks()
	c := startFakeClock(t, f)
	f.database = f.database.Add(10 * time.Minute)
	require.NoError(t, c.measure(t.Context()))
	require.Equal(t, f.database, c.Now())
}

func TestClockNeverGoesBack(t *testing.T) {
	t.Parallel()
	f := newFakeClocks()
	c := startFakeClock(t, f)
	before := c.Now()
	f.database = f.database.Add(-10 * time.Second)
	require.NoError(t, c.measure(t.Context()))
	told := before
	for range 30 {
		f.pass(time.Second)
		now := c.Now()
		require.False(t, now.Before(told))
		require.False(t, now.Before(f.database))
		require.LessOrEqual(t, now.Sub(told), time.Second+clockSamples*f.trip)
		told = now
	}
	require.Equal(t, f.database, c.Now(), "it is caught up with after twice the distance")
	// Measuring again on the way changes nothing.
	f.database = f.database.Add(-10 * time.Second)
	require.NoError(t, c.measure(t.Context()))
	f.pass(10 * time.Second)
	half := c.Now()
	require.NoError(t, c.measure(t.Context()))
	require.False(t, c.Now().Before(half))
	f.pass(30 * time.Second)
	require.Equal(t, f.database, c.Now())
}

func TestClockBelievesTheShortestTrip(t *testing.T) {
	t.Parallel()
	f := newFakeClocks()
	asked := 0
	c, err := startClock(t.Context(), ClockConfig{Now: func() time.Time { return f.local }, Refresh: time.Hour},
		func(ctx context.Context) (time.Time, error) {
			asked++
			if asked%clockSamples != 2 {
				f.pass(time.Second) // a slow way there
			}
			return f.ask(ctx)
		})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	require.Equal(t, f.database, c.Now())
}

func TestClockNeedsTheDatabaseAtFirst(t *testing.T) {
	t.Parallel()
	f := newFakeClocks()
	f.err = context.DeadlineExceeded
	_, err := startClock(t.Context(), ClockConfig{Now: func() time.Time { return f.local }}, f.ask)
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err))
	f.err = nil
	c := startFakeClock(t, f)
	f.err = errors.New("gone")
	require.Error(t, c.measure(t.Context()))
	f.pass(time.Second)
	require.Equal(t, f.database, c.Now(), "it goes on")
}

func TestClockOfARealDatabase(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), postgrestest.Database(t), Config{})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	// The process's clock is an hour off.
	c, err := NewClock(t.Context(), db, ClockConfig{
		Now: func() time.Time { return time.Now().Add(time.Hour) }, Refresh: time.Millisecond,
	})
	require.NoError(t, err)
	first := c.line.Load()
	require.Eventually(t, func() bool { return c.line.Load() != first }, 10*time.Second, time.Millisecond)
	require.InDelta(t, time.Now().UnixMilli(), c.Now().UnixMilli(), 1000)
	require.Equal(t, time.UTC, c.Now().Location())
	c.Close()
}
