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
	j.prompt = 1
	require.False(t, j.takes(worthAnother-1), "they make up the next group")
	require.True(t, j.takes(worthAnother), "many are worth a group beside it")
	j.overtaken() // it takes long, or is written
	require.True(t, j.takes(1))
}
