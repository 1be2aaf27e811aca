package persistence

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// resting is a journal without flushers that has just written a group of so many commits.
func resting(commits int, took time.Duration) *Journal {
	j := &Journal{prompt: 1}
	j.work.L = &j.mu
	j.written(true, commits, took)
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
	for name, test := range map[string]struct {
		commits int
		took    time.Duration
		rest    time.Duration
	}{
		"a single buyer":         {commits: someCommits - 1, took: 4 * time.Millisecond},
		"a group that took long": {commits: maxGroup, took: leastCycle},
		"without a clock":        {commits: someCommits},
		"a quick group":          {commits: someCommits, took: leastCycle / 4, rest: leastCycle - leastCycle/4},
		"a large group":          {commits: maxGroup, took: leastCycle - time.Millisecond, rest: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				j := resting(test.commits, test.took)
				require.False(t, j.takes(0))
				require.Equal(t, test.rest == 0, j.takes(1))
				require.True(t, j.takes(worthAnother), "many do not wait")
				if test.rest == 0 {
					return
				}
				require.False(t, j.takes(worthAnother-1))
				time.Sleep(test.rest - time.Nanosecond) //nolint:forbidigo // the time of a synctest bubble
				synctest.Wait()
				require.False(t, j.takes(1))
				time.Sleep(time.Nanosecond) //nolint:forbidigo // the time of a synctest bubble
				synctest.Wait()
				require.True(t, j.takes(1))
			})
		})
	}
}

func TestARestIsOverWithTheNextGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := resting(someCommits, leastCycle/2)
		j.queue = slices.Repeat([]*pending{{rows: &changes{}}}, worthAnother)
		require.NotEmpty(t, j.take())
		require.False(t, j.takes(1), "a group is under way")
		require.True(t, j.takes(worthAnother))
		time.Sleep(leastCycle / 4) //nolint:forbidigo // the time of a synctest bubble
		j.written(true, someCommits, leastCycle/2)
		time.Sleep(leastCycle * 3 / 8) //nolint:forbidigo // the time of a synctest bubble
		synctest.Wait()
		require.False(t, j.takes(1), "the end of the first rest is not that of the second")
		time.Sleep(leastCycle / 8) //nolint:forbidigo // the time of a synctest bubble
		synctest.Wait()
		require.True(t, j.takes(1))

		j = resting(someCommits, leastCycle/2)
		j.closed = true
		require.True(t, j.takes(1), "the last ones are written at once")
		time.Sleep(leastCycle) //nolint:forbidigo // the time of a synctest bubble
	})
}

func TestAGroupThatTakesLongIsOvertaken(t *testing.T) {
	t.Parallel()
	j := &Journal{prompt: 1}
	j.work.L = &j.mu
	require.False(t, j.takes(1))
	j.overtaken()
	require.True(t, j.takes(1))
	j.written(false, maxGroup, time.Second)
	require.Zero(t, j.prompt)
}
