package lab

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestProcessorTimeBetweenTwoTimes(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	var taken samples
	for i, at := time.Duration(0), start; i < 10; i, at = i+1, at.Add(sampleEvery) {
		taken = append(taken, sample{at, CPU{Nodes: i * 40, Postgres: i * 20, Client: i}})
	}
	require.Equal(t, CPU{Nodes: 200, Postgres: 100, Client: 5},
		taken.between(start.Add(2*sampleEvery), start.Add(7*sampleEvery)))
	require.Equal(t, CPU{Nodes: 190, Postgres: 95, Client: 5},
		taken.between(start.Add(2*sampleEvery+sampleEvery/2), start.Add(7*sampleEvery+sampleEvery/4)), "between samples")
	require.Equal(t, CPU{Nodes: 360, Postgres: 180, Client: 9}, taken.between(start.Add(-time.Hour), start.Add(time.Hour)))
	require.Zero(t, samples{}.between(start, start))
}

func TestPostmaster(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "postmaster.pid")
	require.Zero(t, postmaster(file))
	require.NoError(t, os.WriteFile(file, []byte("4242\n/data\n"), 0o600))
	require.Equal(t, 4242, postmaster(file))
}
