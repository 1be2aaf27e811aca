package http

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
)

// When nothing can be answered, the log says so, and how often, but does not fill the disk.
func TestManyUnansweredRequestsDoNotFillTheLog(t *testing.T) {
	t.Parallel()
	now := start
	f := setup(t, func(config *Config) { config.Stopwatch = func() time.Time { return now } })
	f.queueStatus = func(int64) (boxoffice.QueueStatus, error) { return boxoffice.QueueStatus{}, boxoffice.Unavailable(nil) }
	ask := func() { f.do("GET", "/api/v1/schedules/7/queue", "").refused(503, boxoffice.CodeUnavailable) }
	lines := func() int { return strings.Count(f.log.String(), `msg="request not answered"`) }
	for range maxComplaints + 5 {
		ask()
	}
	require.Equal(t, maxComplaints, lines())
	require.NotContains(t, f.log.String(), "unlogged=")
	now = now.Add(time.Second)
	ask()
	ask()
	require.Equal(t, maxComplaints+2, lines())
	require.Equal(t, 1, strings.Count(f.log.String(), "unlogged="))
	require.Contains(t, f.log.String(), "unlogged=5")
}
