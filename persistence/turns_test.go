package persistence

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestTurnsAreOneAtATimePerAccount(t *testing.T) {
	t.Parallel()
	all := newTurns()
	account := uuid.New()
	var inside, most atomic.Int32
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			done, err := all.take(context.Background(), account)
			if err != nil {
				return
			}
			defer done()
			most.Store(max(most.Load(), inside.Add(1)))
			inside.Add(-1)
		})
	}
	group.Wait()
	require.EqualValues(t, 1, most.Load())
	require.Empty(t, all.lines, "nobody is remembered")
}

func TestWaitingForATurnEndsWithItsContext(t *testing.T) {
	t.Parallel()
	all := newTurns()
	account := uuid.New()
	done, err := all.take(t.Context(), account)
	require.NoError(t, err)
	other, err := all.take(t.Context(), uuid.New())
	require.NoError(t, err, "another account has its own line")
	other()
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = all.take(impatient, account)
	require.ErrorIs(t, err, context.Canceled)
	done()
	require.Empty(t, all.lines)
}
