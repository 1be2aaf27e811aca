package persistence

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// resting is a journal without flushers that has just written a group of so many commits.
func resting(commits int) *Journal {
	j := &Journal{prompt: 1}
	j.work.L = &j.mu
	j.written(true, commits)
	return j
}

// takes tells whether a flusher would take a group if so many commits waited.
func (j *Journal) takes(waiting int) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue = make([]*pending, waiting)
	return j.mayTake()
}

func TestTheJournalRestsAfterAGroupOfACrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		require.True(t, resting(someCommits-1).takes(1), "a single buyer does not wait")
		j := resting(someCommits)
		require.False(t, j.takes(0))
		require.False(t, j.takes(worthAnother-1))
		require.True(t, j.takes(worthAnother), "many do not wait")
		time.Sleep(restFor - time.Nanosecond) //nolint:forbidigo // the time of a synctest bubble
		synctest.Wait()
		require.False(t, j.takes(1))
		time.Sleep(time.Nanosecond) //nolint:forbidigo // the time of a synctest bubble
		synctest.Wait()
		require.True(t, j.takes(1))
	})
}

func TestARestIsOverWithTheNextGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := resting(someCommits)
		j.queue = slices.Repeat([]*pending{{rows: &changes{}}}, worthAnother)
		require.NotEmpty(t, j.take())
		require.False(t, j.takes(1), "a group is under way")
		require.True(t, j.takes(worthAnother))
		time.Sleep(restFor / 2) //nolint:forbidigo // the time of a synctest bubble
		j.written(true, someCommits)
		time.Sleep(restFor * 3 / 4) //nolint:forbidigo // the time of a synctest bubble
		synctest.Wait()
		require.False(t, j.takes(1), "the end of the first rest is not that of the second")
		time.Sleep(restFor / 4) //nolint:forbidigo // the time of a synctest bubble
		synctest.Wait()
		require.True(t, j.takes(1))

		j = resting(someCommits)
		j.closed = true
		require.True(t, j.takes(1), "the last ones are written at once")
		time.Sleep(restFor) //nolint:forbidigo // the time of a synctest bubble
	})
}

func TestAGroupThatTakesLongIsOvertaken(t *testing.T) {
	t.Parallel()
	j := &Journal{prompt: 1}
	j.work.L = &j.mu
	require.False(t, j.takes(1))
	j.overtaken()
	require.True(t, j.takes(1))
	j.written(false, maxGroup)
	require.Zero(t, j.prompt)
}
