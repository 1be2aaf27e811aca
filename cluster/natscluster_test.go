package cluster

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// brokers are three NATS servers that are one cluster, each in a process of its own.
type brokers struct {
	servers [3]*child
	cfg     [3]childConfig
}

// prepareBrokers finds ports; nothing is started.
func prepareBrokers(t *testing.T) *brokers {
	t.Helper()
	b := &brokers{}
	var routes [3]int
	for i := range routes {
		routes[i] = freePort(t)
	}
	for i := range b.cfg {
		b.cfg[i] = childConfig{
			NATS: t.TempDir(), Port: freePort(t),
			Routes: []int{routes[i], routes[(i+1)%3], routes[(i+2)%3]},
		}
	}
	return b
}

func (b *brokers) start(t *testing.T, which ...int) {
	t.Helper()
	for _, i := range which {
		b.servers[i] = startChild(t, "nats", b.cfg[i])
	}
	for _, i := range which {
		b.servers[i].report = b.servers[i].read()
	}
}

func (b *brokers) kill(i int) {
	b.servers[i].signal(syscall.SIGKILL)
	b.servers[i].status()
}

// urls are those of the servers that were started.
func (b *brokers) urls() string {
	var urls []string
	for _, s := range b.servers {
		if s != nil {
			urls = append(urls, s.URL)
		}
	}
	return strings.Join(urls, ",")
}

// awaitCopies waits until the bucket is on so many servers, and all of them are up to date.
func (b *brokers) awaitCopies(t *testing.T, copies int) {
	t.Helper()
	js, err := jetstream.New(connect(t, b.urls()))
	require.NoError(t, err)
	var last error
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stream, err := js.Stream(ctx, "KV_test-members")
		if last = err; err != nil {
			return false
		}
		info := stream.CachedInfo()
		if info.Config.Replicas != copies || info.Cluster.Leader == "" || len(info.Cluster.Replicas) != copies-1 {
			last = errors.New("too few")
			return false
		}
		for _, r := range info.Cluster.Replicas {
			if !r.Current || r.Offline {
				last = errors.New("not up to date: " + r.Name)
				return false
			}
		}
		return true
	}, agreeWithin, 100*time.Millisecond, "%v", &last)
}

// awaitLeader waits until the servers that are left have elected a leader for the bucket: only
// that one answers.
func (b *brokers) awaitLeader(t *testing.T) {
	t.Helper()
	js, err := jetstream.New(connect(t, b.urls()))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := js.Stream(ctx, "KV_test-members")
		return err == nil
	}, agreeWithin, 100*time.Millisecond)
}

// Each of three NATS servers may die: no member is evicted, and calls go on.
//
//nolint:paralleltest // measures how long things take
func TestNodesOutliveEachNATSServer(t *testing.T) {
	books := startLedger(t)
	b := prepareBrokers(t)
	b.start(t, 0, 1, 2)
	nodes := startNodes(t, 3, childConfig{NATS: b.urls(), Ledger: books.URL})
	b.awaitCopies(t, maxCopies)
	for i := range b.servers {
		warm(t, nodes...)
		killed := time.Now()
		b.kill(i)
		window(2 * defaultExpiry) // past the leases
		agree(t, nodes, nodes)
		again := time.Since(killed)
		window(afterwards)
		longest := requireAllGoOn(t, books, nodes, killed)
		t.Logf("NATS server %d is killed: all have their leases after %s; longest answer %s",
			i, again.Round(time.Millisecond), longest.Round(time.Millisecond))
		b.start(t, i)
		b.awaitCopies(t, maxCopies)
	}

	// A node that dies while a server is away is replaced all the same.
	b.kill(0)
	b.awaitLeader(t)
	window(2 * defaultExpiry)
	agree(t, nodes, nodes)
	warm(t, nodes[:2]...)
	killed := time.Now()
	nodes[2].signal(syscall.SIGKILL)
	agree(t, nodes[:2], nodes[:2])
	window(afterwards)
	calls := append(nodes[0].calls(), nodes[1].calls()...)
	longest := requireAnswered(t, calls, killed)
	books.requireNoneStale(t, calls)
	t.Logf("longest answer while a node dies and a NATS server is away: %s", longest.Round(time.Millisecond))
}

// A node that starts before most NATS servers waits for them, and a bucket that was made by
// fewer than all comes to all of them.
//
//nolint:paralleltest // measures how long things take
func TestNodesStartBeforeTheNATSServers(t *testing.T) {
	books := startLedger(t)
	b := prepareBrokers(t)
	b.start(t, 0)
	node := startChild(t, "node", childConfig{NATS: b.urls(), Ledger: books.URL, Expect: 1})
	require.Eventually(t, func() bool { return strings.Contains(node.log.String(), "waiting for JetStream") },
		agreeWithin, 10*time.Millisecond)
	b.start(t, 1)
	node.report = node.read()
	b.awaitCopies(t, 1)
	warm(t, node)
	b.start(t, 2)
	joined := time.Now()
	b.awaitCopies(t, maxCopies)
	agree(t, []*child{node}, []*child{node})
	requireAllGoOn(t, books, []*child{node}, joined)
}

// When all NATS servers start again, the bucket in their memory is empty, and called the same
// as before.
//
//nolint:paralleltest // measures how long things take
func TestNodesOutliveTheRestartOfAllNATSServers(t *testing.T) {
	books := startLedger(t)
	b := prepareBrokers(t)
	b.start(t, 0, 1, 2)
	nodes := startNodes(t, 3, childConfig{NATS: b.urls(), Ledger: books.URL})
	b.awaitCopies(t, maxCopies)
	window(5 * time.Second) // of heartbeats: revisions that the empty bucket does not reach soon
	warm(t, nodes...)
	killed := time.Now()
	for i := range b.servers {
		b.kill(i)
	}
	b.start(t, 0, 1, 2)
	b.awaitCopies(t, maxCopies)
	again := time.Since(killed)
	window(2 * defaultExpiry) // past the leases
	agree(t, nodes, nodes)
	window(afterwards)
	longest := requireAllGoOn(t, books, nodes, killed)
	t.Logf("the bucket is back after %s; longest answer %s", again.Round(time.Millisecond), longest.Round(time.Millisecond))

	// They also see each other in it: who dies is missed.
	nodes[2].signal(syscall.SIGKILL)
	agree(t, nodes[:2], nodes[:2])
}
