package lab

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	itself := func(x float64) float64 { return x }
	require.InDelta(t, 3, Median([]float64{3}, itself), 0)
	require.InDelta(t, 2, Median([]float64{9, 1, 2}, itself), 0)
	require.InDelta(t, 5, Median([]float64{9, 1, 8, 2}, itself), 0)
}
