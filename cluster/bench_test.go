package cluster

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// callers is how many goroutines per core call at the same time.
const callers = 64

// cpuTime is what processes have used of the processors. Unlike times it means something on
// a machine that has other things to do. The kernel counts in hundredths of a second.
func cpuTime(b *testing.B, pids ...int) time.Duration {
	b.Helper()
	var ticks int
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		require.NoError(b, err)
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest) // utime is the 14th of all, stime the 15th
		for _, field := range fields[11:13] {
			n, err := strconv.Atoi(field)
			require.NoError(b, err)
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func benchmarkCalls(b *testing.B, n *Node, kind string, ids []int64, pids ...int) {
	b.Helper()
	pids = append(pids, os.Getpid())
	for _, id := range ids {
		_, err := n.Call(b.Context(), kind, id, wrapperspb.Int64(id))
		require.NoError(b, err)
	}
	var next atomic.Int64
	message := wrapperspb.Int64(1)
	b.ReportAllocs()
	b.SetParallelism(callers)
	before := cpuTime(b, pids...)
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
	b.ReportMetric(float64((cpuTime(b, pids...)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
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
	benchmarkCalls(b, n, "register", ids, other.process.PID())
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

// BenchmarkRoad shows what protoactor's cluster API costs of a local call: the same message
// to the same grain, over Node.Call and without it.
func BenchmarkRoad(b *testing.B) {
	n := startNode(b, Config{}, echo)
	message := wrapperspb.Int64(1)
	_, err := n.Call(b.Context(), "grain", 7, message)
	require.NoError(b, err)
	b.Run("Node.Call", func(b *testing.B) {
		b.ReportAllocs()
		before := cpuTime(b, os.Getpid())
		for b.Loop() {
			if _, err := n.Call(b.Context(), "grain", 7, message); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64((cpuTime(b, os.Getpid())-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
	})
	b.Run("direct", func(b *testing.B) {
		b.ReportAllocs()
		before := cpuTime(b, os.Getpid())
		for b.Loop() {
			k := key{id: 7}
			if owner := n.placement.view.Load().owner(k.id); owner.id != n.ID {
				b.Fatal("it lives elsewhere")
			}
			pid, err := n.placement.activate(k)
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithTimeoutCause(b.Context(), callTimeout, errTimeout)
			_, err = n.ask(ctx, pid, message)
			cancel()
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64((cpuTime(b, os.Getpid())-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
	})
}
