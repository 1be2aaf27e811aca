package persistence

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
)

func TestCommitsOfSchedulesAreRefusedWhileOthersWaitTooLong(t *testing.T) {
	t.Parallel()
	now := time.Now()
	j := &Journal{config: JournalConfig{MaxQueued: 10, Now: func() time.Time { return now }}}
	j.work.L = &j.mu // and nobody who writes
	commit := func(kind boxoffice.Kind, id int64) (refusal error) {
		j.Commit(boxoffice.Commit{Grain: boxoffice.Grain{Kind: kind, ID: id}, Epoch: 1, Version: 1},
			func(r boxoffice.CommitResult) { refusal = r.Err })
		return refusal
	}
	require.NoError(t, commit(boxoffice.KindSchedule, 1))
	now = now.Add(maxWait)
	require.NoError(t, commit(boxoffice.KindSchedule, 2))
	now = now.Add(1)
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(commit(boxoffice.KindSchedule, 3)))
	require.NoError(t, commit(boxoffice.KindGatekeeper, 3))
	require.Equal(t, 3, j.QueueLength())

	require.Len(t, j.take(0), 3)
	require.NoError(t, commit(boxoffice.KindSchedule, 3), "what is being written does not wait any more")
}
