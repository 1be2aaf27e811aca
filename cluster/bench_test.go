package cluster

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// callers is how many goroutines per core call at the same time.
const callers = 64

func benchmarkCalls(b *testing.B, n *Node, kind string, ids []int64) {
	b.Helper()
	for _, id := range ids {
		_, err := n.Call(b.Context(), kind, id, wrapperspb.Int64(id))
		require.NoError(b, err)
	}
	var next atomic.Int64
	message := wrapperspb.Int64(1)
	b.ReportAllocs()
	b.SetParallelism(callers)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := n.Call(b.Context(), kind, ids[int(next.Add(1))%len(ids)], message); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

func BenchmarkLocalCall(b *testing.B) {
	ids := make([]int64, 1000)
	for i := range ids {
		ids[i] = int64(i)
	}
	benchmarkCalls(b, startNode(b, Config{}, echo), "grain", ids)
}

// BenchmarkRemoteCall calls grains of a node in another process.
func BenchmarkRemoteCall(b *testing.B) {
	books := startLedger(b)
	url := startNATS(b).URL
	other := startNodes(b, 1, childConfig{NATS: url, Ledger: books.URL})[0]
	n, err := New(Config{NATS: connect(b, url), ClusterName: "test", Secrets: testSecrets(), Bind: "127.0.0.1:0", Retry: isTestRetry})
	require.NoError(b, err)
	require.NoError(b, n.Start(b.Context(), registerKind(n, books.URL)))
	b.Cleanup(func() { require.NoError(b, n.Close()) })
	var ids []int64
	for id := int64(0); len(ids) < 1000; id++ {
		if n.placement.view.Load().owner(id).id == other.ID {
			ids = append(ids, id)
		}
	}
	benchmarkCalls(b, n, "register", ids)
}

func BenchmarkActivation(b *testing.B) {
	n := startNode(b, Config{}, echo)
	var next atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := n.Call(b.Context(), "grain", next.Add(1), wrapperspb.Int64(1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkOwner(b *testing.B) {
	v := viewOf(memberIDs(10, false)...)
	for i := range b.N {
		v.owner(int64(i))
	}
}
