package main

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOthersSlowAMachineDown(t *testing.T) {
	t.Parallel()
	const second = time.Second
	m := &machine{processors: 2, samples: []sample{
		{0, usage{}},
		{1 * second, usage{busy: 2 * second, ours: 2 * second}}, // busy, but with us
		{2 * second, usage{busy: 3 * second, ours: 2 * second}}, // another takes one processor
		{3 * second, usage{busy: 5 * second, ours: 2 * second}}, // and both
	}}
	require.InDelta(t, 1, m.slowdown(0, second), 0.01)
	require.InDelta(t, 2, m.slowdown(second, 2*second), 0.01)
	require.InDelta(t, 4.0/3, m.slowdown(0, 2*second), 0.01)
	require.InDelta(t, maxSlowdown, m.slowdown(2500*time.Millisecond, 2600*time.Millisecond), 0.01)
	require.InDelta(t, 1, m.slowdown(9*second, 10*second), 0.01, "nothing is known of then")
	require.InDelta(t, 1, new(machine).slowdown(0, second), 0.01)
}

func TestUsageOfThisMachine(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		_, err := readUsage()
		require.Error(t, err)
		return
	}
	before, err := readUsage()
	require.NoError(t, err)
	require.Eventually(t, func() bool { // which takes some itself
		now, err := readUsage()
		return err == nil && now.ours > before.ours && now.busy > before.busy && now.ours < now.busy
	}, time.Minute, time.Millisecond)
}

func TestSeeds(t *testing.T) {
	t.Parallel()
	seeds, err := parseSeeds("3-5, 9")
	require.NoError(t, err)
	require.Equal(t, []uint64{3, 4, 5, 9}, seeds)
	for _, bad := range []string{"", "x", "5-3", "1-", "1-99999999"} {
		_, err := parseSeeds(bad)
		require.Error(t, err, bad)
	}
}
