package http

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheNewestAreRemembered(t *testing.T) {
	t.Parallel()
	r := newRecent[int, string](4)
	require.False(t, r.add(1, "one"))
	require.True(t, r.add(1, "uno"))
	for key := 2; key <= 100; key++ {
		require.False(t, r.add(key, "many"))
		value, ok := r.get(1)
		require.True(t, ok, "asked for again and again, and forgotten after %d", key)
		require.Equal(t, "uno", value)
		_, ok = r.get(key)
		require.True(t, ok, key)
		require.LessOrEqual(t, len(r.young)+len(r.old), 4)
	}
	_, ok := r.get(50)
	require.False(t, ok)
}
