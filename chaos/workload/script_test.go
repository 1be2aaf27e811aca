package workload

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func visits(seed uint64, client, count int) []Visit {
	script := NewScript(seed, client, 3, 3)
	drawn := make([]Visit, count)
	for i := range drawn {
		drawn[i] = script.Next()
	}
	return drawn
}

func TestTheSameSeedRepeatsTheWorkload(t *testing.T) {
	t.Parallel()
	first := visits(1, 2, 500)
	require.Equal(t, first, visits(1, 2, 500))
	require.NotEqual(t, visits(1, 2, 500), visits(2, 2, 500), "another seed")
	require.NotEqual(t, visits(1, 2, 500), visits(1, 3, 500), "another client")
}

func TestScriptsAimAtEveryEdge(t *testing.T) {
	t.Parallel()
	endings, aftermaths := make(map[Ending]int), make(map[Aftermath]int)
	before, after := 0, 0
	for _, v := range visits(1, 1, 2000) {
		endings[v.Ending]++
		aftermaths[v.Aftermath]++
		if v.Ending == PayAtExpiry && v.Edge.Abs() < 30*time.Millisecond {
			if v.Edge < 0 {
				before++
			} else {
				after++
			}
		}
		require.LessOrEqual(t, v.Seat, hotSeats)
		require.Less(t, v.Schedule, 3)
	}
	require.Len(t, endings, 13)
	require.Len(t, aftermaths, 5)
	require.Greater(t, before, 20)
	require.Greater(t, after, 20)
}
