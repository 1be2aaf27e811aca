package cluster

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func viewOf(ids ...string) *view {
	v := &view{self: ids[0], settled: true}
	for _, id := range ids {
		v.owners = append(v.owners, &peer{id: id, hash: hashString(id)})
	}
	v.peers = v.owners
	return v
}

// memberIDs returns ids as nodes have them, and ids that differ in a port only.
func memberIDs(n int, ports bool) []string {
	ids := make([]string, n)
	for i := range ids {
		if ports {
			ids[i] = fmt.Sprintf("127.0.0.1:%d", 7946+i)
			continue
		}
		ids[i] = uuid.NewString()
	}
	return ids
}

func TestGrainsSpreadEvenly(t *testing.T) {
	t.Parallel()
	const grains = 100_000
	for _, ports := range []bool{false, true} {
		for n := 3; n <= 10; n++ {
			ids := memberIDs(n, ports)
			v := viewOf(ids...)
			counts := map[string]int{}
			for id := range int64(grains) {
				counts[v.owner(id).id]++
			}
			for _, id := range ids {
				require.InEpsilon(t, grains/n, counts[id], 0.1, "%d members, %v", n, ids)
			}
		}
	}
}

func TestGrainsMoveOnlyToWhoJoinsAndFromWhoLeaves(t *testing.T) {
	t.Parallel()
	ids := memberIDs(5, false)
	few, many := viewOf(ids[:4]...), viewOf(ids...)
	moved := 0
	for range 10_000 {
		id := rand.Int64() - rand.Int64()
		before, after := few.owner(id).id, many.owner(id).id
		if before != after {
			require.Equal(t, ids[4], after)
			moved++
		}
	}
	require.InDelta(t, 2000, moved, 300)
}

func TestOwnerDoesNotDependOnOrder(t *testing.T) {
	t.Parallel()
	ids := memberIDs(4, false)
	a, b := viewOf(ids...), viewOf(ids[2], ids[0], ids[3], ids[1])
	for id := range int64(1000) {
		require.Equal(t, a.owner(id).id, b.owner(id).id)
	}
	require.Nil(t, (&view{}).owner(1))
}
