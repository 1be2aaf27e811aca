package persistence

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// takes reports whether a flusher would take a group if so many commits waited.
func (j *Journal) takes(waiting int) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue = make([]*pending, waiting)
	return j.mayTake()
}

func TestGroupsFormWhileOneIsWritten(t *testing.T) {
	t.Parallel()
	j := new(Journal)
	j.work.L = &j.mu
	require.False(t, j.takes(0))
	require.True(t, j.takes(1), "a single buyer does not wait")
	j.prompt, j.newest = 1, 1
	require.True(t, j.takes(1), "nor do two")
	j.newest = 10
	require.False(t, j.takes(9), "they make up the next group")
	require.True(t, j.takes(10), "as many as are under way are worth a group beside it")
	j.newest = maxGroup
	require.False(t, j.takes(worthAnother-1))
	require.True(t, j.takes(worthAnother), "many always are")
	j.overtaken() // it takes long, or is written
	require.True(t, j.takes(1))
}
