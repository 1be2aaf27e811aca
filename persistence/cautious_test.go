package persistence_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
)

// Whoever cannot pay makes the groups after theirs be checked first, for a while.
func TestAFailedPresumptionMakesTheNextGroupsCautious(t *testing.T) {
	t.Parallel()
	const groups = 16
	f := setup(t)
	flusher := f.journal.Flusher()
	id := f.schedule(300)
	r, s := f.room(id), f.seller(id)
	seat := 0
	try := func(user uuid.UUID) (boxoffice.CommitResult, boxoffice.Commit) {
		seat++
		held := hold(r.admit(user)[0], seat)
		s.do(held)
		c, _ := s.decide(pay(held, newID().String()))
		results, err := flusher.WriteGroup(f.ctx, c)
		require.NoError(t, err)
		return results[0], c
	}
	refused := func() (transactions int) {
		result, _ := try(f.user(299))
		require.NoError(t, result.Err)
		require.Len(t, result.Refusals, 1)
		require.Equal(t, boxoffice.RefusedPoints, result.Refusals[0].Reason)
		return f.reports.last().Transactions
	}
	paid := func() {
		result, c := try(f.user(300))
		require.NoError(t, result.Err)
		require.Empty(t, result.Refusals)
		require.Len(t, result.Balances, 1)
		s.applied(c)
	}

	presumed := refused()
	require.Equal(t, groups, flusher.Cautious())
	checked := refused()
	require.Equal(t, presumed-1, checked, "nothing was presumed")
	require.Equal(t, groups-1, flusher.Cautious(), "and nothing has failed")
	for left := groups - 2; left >= 0; left-- {
		paid()
		require.Equal(t, left, flusher.Cautious())
	}
	paid()
	require.Zero(t, flusher.Cautious())
	require.Equal(t, presumed, refused())
	require.Equal(t, groups, flusher.Cautious())
	f.sound()
}
