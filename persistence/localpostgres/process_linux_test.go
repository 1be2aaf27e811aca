package localpostgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestServerEndsWithItsParent(t *testing.T) {
	t.Parallel()
	dir := closedDir(t)
	parent := startHelper(t, dir, nil)
	require.NotEmpty(t, processesOf(t, dir))
	parent.kill(t)
	require.Eventually(t, func() bool { return len(processesOf(t, dir)) == 0 }, 10*time.Second, pollInterval)
}
