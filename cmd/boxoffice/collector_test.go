package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCollectorsPace(t *testing.T) {
	t.Parallel()
	require.Equal(t, startPercent, percentFor(0))
	require.Equal(t, startPercent, percentFor(1<<20))
	require.Equal(t, 400, percentFor(32<<20), "128 MB")
	require.Equal(t, 50, percentFor(256<<20), "128 MB")
	require.Equal(t, headroomPercent, percentFor(4<<30))
}
