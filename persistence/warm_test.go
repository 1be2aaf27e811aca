package persistence_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWarmConnections(t *testing.T) {
	t.Parallel()
	f := setup(t)
	db := open(t, f.url)
	require.NoError(t, db.Warm(f.ctx))
	queries, journal := db.Stats()
	require.Equal(t, 4, queries.Idle)
	require.Equal(t, 2, journal.Idle)
	require.NoError(t, db.Warm(f.ctx), "what is open stays open")
}
