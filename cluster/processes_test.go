package cluster

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice/cluster/localnats"
	"boxoffice/internal/rig"
)

// ledger plays Postgres: it gives out epochs, and knows the last one of each grain.
type ledger struct {
	*httptest.Server
	mu       sync.Mutex
	epochs   map[string][]int64 // when each epoch began, Unix nanoseconds; epoch 1 first
	notified map[string]bool
}

func startLedger(t testing.TB) *ledger {
	t.Helper()
	l := &ledger{epochs: map[string][]int64{}, notified: map[string]bool{}}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		id := r.URL.Query().Get("id")
		switch r.URL.Path {
		case "/activate":
			l.epochs[id] = append(l.epochs[id], time.Now().UnixNano())
		case "/notified":
			l.notified[id] = true
		}
		fmt.Fprintln(w, len(l.epochs[id]))
	}))
	t.Cleanup(l.Close)
	return l
}

// requireNoneStale checks that no call that began after a grain had got a new epoch was
// answered under an old one.
func (l *ledger) requireNoneStale(t *testing.T, calls []callAt) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range calls {
		began := l.epochs[fmt.Sprint(c.ID)]
		if c.Error != "" || int(c.Epoch) >= len(began) {
			continue
		}
		next := began[c.Epoch] // of epoch c.Epoch+1
		require.Less(t, c.Start, next, "grain %d answered under epoch %d, %s after epoch %d had begun",
			c.ID, c.Epoch, time.Duration(c.Start-next), c.Epoch+1)
	}
}

// child is a process that the test has started.
type child struct {
	report
	t       testing.TB
	process *rig.Process
	orders  io.WriteCloser
	lines   *bufio.Reader
	log     *rig.Output
}

// startChild starts a process in a role; its first report is read later.
func startChild(t testing.TB, role string, cfg childConfig) *child {
	t.Helper()
	config, err := json.Marshal(cfg)
	require.NoError(t, err)
	c := &child{t: t, log: new(rig.Output)}
	cmd := rig.Command(append(os.Environ(), roleVariable+"="+role, roleVariable+"_CONFIG="+string(config)), os.Args[0])
	cmd.Stderr = c.log
	c.orders, err = cmd.StdinPipe()
	require.NoError(t, err)
	out, in := io.Pipe()
	cmd.Stdout = in
	c.lines = bufio.NewReaderSize(out, 1<<20)
	c.process, err = rig.Start(cmd)
	require.NoError(t, err)
	go func() { // ends with the process, for which the cleanup waits
		<-c.process.Ended()
		_ = in.Close() // whoever reads is told
	}()
	t.Cleanup(func() {
		c.orders.Close()
		c.process.Kill() // it may have ended
		if strings.Contains(c.log.String(), "DATA RACE") {
			t.Error("the child has a data race")
		}
		if t.Failed() {
			t.Logf("%s %s:\n%s", role, c.ID, c.log)
		}
	})
	return c
}

// startNodes starts nodes that know each other when it returns.
func startNodes(t testing.TB, count int, cfg childConfig) []*child {
	t.Helper()
	cfg.Expect = count
	nodes := make([]*child, count)
	for i := range nodes {
		nodes[i] = startChild(t, "node", cfg)
	}
	for _, n := range nodes {
		n.report = n.read()
	}
	return nodes
}

// readLimit is how long a report may take; then the child is killed.
const readLimit = time.Minute

// read reads the next report.
func (c *child) read() report {
	c.t.Helper()
	limit := time.AfterFunc(readLimit, func() { c.process.Kill() })
	defer limit.Stop()
	line, err := c.lines.ReadBytes('\n')
	require.NoError(c.t, err, c.log)
	var r report
	require.NoError(c.t, json.Unmarshal(line, &r), string(line))
	return r
}

func (c *child) order(o order) {
	c.t.Helper()
	require.NoError(c.t, json.NewEncoder(c.orders).Encode(o))
}

func (c *child) signal(s os.Signal) {
	c.t.Helper()
	c.process.Signal(s)
}

// status waits for the end of the process.
func (c *child) status() int {
	c.t.Helper()
	select {
	case <-c.process.Ended():
		return c.process.State().ExitCode()
	case <-time.After(eventually):
		require.FailNow(c.t, "the process does not end")
		return -1
	}
}

// calls ends the load and returns the calls.
func (c *child) calls() []callAt {
	c.t.Helper()
	c.order(order{Do: "report"})
	return c.read().Calls
}

// agree waits until the nodes have their leases and see these members, who follow.
func agree(t *testing.T, nodes, members []*child) {
	t.Helper()
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i] = m.ID
	}
	for _, n := range nodes {
		n.order(order{Do: "await", See: ids})
	}
	for _, n := range nodes {
		require.Empty(t, n.read().Error)
	}
}

func startNATS(t testing.TB) *localnats.Server {
	t.Helper()
	s, err := localnats.Start(t.Context(), localnats.Config{StoreDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(s.Stop)
	return s
}

const (
	loadRate = 100 // calls a second and node
	loadIDs  = 200
)

// requireAnswered checks that no call failed, and returns the longest one of those that
// were under way at or after a time.
func requireAnswered(t *testing.T, calls []callAt, after time.Time) time.Duration {
	t.Helper()
	require.NotEmpty(t, calls)
	var longest time.Duration
	for _, c := range calls {
		require.Empty(t, c.Error)
		if c.End >= after.UnixNano() {
			longest = max(longest, c.took())
		}
	}
	return longest
}

// window is how long something lasts, or calls go on, in a test. It waits for nothing.
func window(d time.Duration) { <-time.After(d) }

// afterwards is the window in which calls show that all is well again.
const afterwards = 500 * time.Millisecond

// warm activates all grains and starts the load.
func warm(t *testing.T, nodes ...*child) {
	t.Helper()
	nodes[0].order(order{Do: "touch", IDs: loadIDs})
	requireAnswered(t, nodes[0].read().Calls, time.Time{})
	for _, n := range nodes {
		n.order(order{Do: "load", Rate: loadRate, IDs: loadIDs})
	}
	window(300 * time.Millisecond)
}

//nolint:paralleltest // measures how long things take
func TestKilledNodeIsReplaced(t *testing.T) {
	books := startLedger(t)
	cfg := childConfig{NATS: startNATS(t).URL, Ledger: books.URL}
	nodes := startNodes(t, 3, cfg)
	warm(t, nodes[:2]...)
	killed := time.Now()
	nodes[2].signal(syscall.SIGKILL)
	agree(t, nodes[:2], nodes[:2])
	window(afterwards)
	calls := append(nodes[0].calls(), nodes[1].calls()...)
	longest := requireAnswered(t, calls, killed)
	books.requireNoneStale(t, calls)
	recovered := killed
	for _, c := range calls {
		if c.took() > 50*time.Millisecond && c.End > recovered.UnixNano() {
			recovered = time.Unix(0, c.End)
		}
	}
	t.Logf("%d calls; all grains answer again %s after the kill; longest answer %s",
		len(calls), recovered.Sub(killed).Round(time.Millisecond), longest.Round(time.Millisecond))
}

//nolint:paralleltest // measures how long things take
func TestNodesComeAndGo(t *testing.T) {
	books := startLedger(t)
	cfg := childConfig{NATS: startNATS(t).URL, Ledger: books.URL}
	nodes := startNodes(t, 3, cfg)
	warm(t, nodes[:2]...)

	nodes[1].order(order{Do: "notify", IDs: loadIDs})
	require.Eventually(t, func() bool {
		books.mu.Lock()
		defer books.mu.Unlock()
		return len(books.notified) == loadIDs
	}, eventually, time.Millisecond)

	joining := time.Now()
	cfg.Expect = 4
	fourth := startChild(t, "node", cfg)
	fourth.report = fourth.read()
	require.Equal(t, 4, fourth.Members)
	window(afterwards)
	leaving := time.Now()
	nodes[2].signal(syscall.SIGTERM)
	require.Zero(t, nodes[2].status(), nodes[2].log)
	left := time.Since(leaving)
	agree(t, nodes[:2], append(nodes[:2:2], fourth))
	window(afterwards)

	calls := append(nodes[0].calls(), nodes[1].calls()...)
	books.requireNoneStale(t, calls)
	var joined []callAt
	for _, c := range calls {
		if c.Start < leaving.UnixNano() {
			joined = append(joined, c)
		}
	}
	longestJoin, longestLeave := requireAnswered(t, joined, joining), requireAnswered(t, calls, leaving)
	t.Logf("%d calls; longest answer while a node joins %s, while one leaves %s (gone in %s)", len(calls),
		longestJoin.Round(time.Millisecond), longestLeave.Round(time.Millisecond), left.Round(time.Millisecond))
}

//nolint:paralleltest // measures how long things take
func TestFrozenNodeEndsWhenItWakes(t *testing.T) {
	books := startLedger(t)
	cfg := childConfig{NATS: startNATS(t).URL, Ledger: books.URL}
	nodes := startNodes(t, 3, cfg)
	warm(t, nodes...)
	frozen := time.Now()
	nodes[2].signal(syscall.SIGSTOP)
	agree(t, nodes[:2], nodes[:2])
	window(afterwards)
	nodes[2].signal(syscall.SIGCONT)
	require.Equal(t, exitFenced, nodes[2].status(), nodes[2].log)
	calls := append(nodes[0].calls(), nodes[1].calls()...)
	longest := requireAnswered(t, calls, frozen)
	books.requireNoneStale(t, calls)
	t.Logf("%d calls; longest answer %s", len(calls), longest.Round(time.Millisecond))
}

//nolint:paralleltest // measures how long things take
func TestFrozenNATSChangesNothing(t *testing.T) {
	books := startLedger(t)
	broker := startChild(t, "nats", childConfig{NATS: t.TempDir()})
	broker.report = broker.read()
	nodes := startNodes(t, 3, childConfig{NATS: broker.URL, Ledger: books.URL})
	warm(t, nodes...)
	frozen := time.Now()
	broker.signal(syscall.SIGSTOP)
	window(4 * time.Second)
	broker.signal(syscall.SIGCONT)
	agree(t, nodes, nodes)
	window(afterwards)
	longest := requireAllGoOn(t, books, nodes, frozen)
	t.Logf("longest answer while NATS is frozen for 4 s, and after: %s", longest.Round(time.Millisecond))
}

//nolint:paralleltest // measures how long things take
func TestRestartedNATSWithEmptyStore(t *testing.T) {
	books := startLedger(t)
	port := freePort(t)
	broker := startChild(t, "nats", childConfig{NATS: t.TempDir(), Port: port})
	broker.report = broker.read()
	nodes := startNodes(t, 3, childConfig{NATS: broker.URL, Ledger: books.URL})
	warm(t, nodes...)
	killed := time.Now()
	broker.signal(syscall.SIGKILL)
	broker.status()
	window(1500 * time.Millisecond) // past the leases
	again := startChild(t, "nats", childConfig{NATS: t.TempDir(), Port: port})
	again.report = again.read()
	agree(t, nodes, nodes)
	window(afterwards)
	longest := requireAllGoOn(t, books, nodes, killed)
	t.Logf("longest answer while NATS loses everything: %s", longest.Round(time.Millisecond))
}

// requireAllGoOn checks that all nodes are still there and know each other, and that all
// calls were answered. It returns the longest.
func requireAllGoOn(t *testing.T, books *ledger, nodes []*child, after time.Time) time.Duration {
	t.Helper()
	var calls []callAt
	for _, n := range nodes {
		n.order(order{Do: "report"})
		r := n.read()
		require.Equal(t, len(nodes), r.Members)
		calls = append(calls, r.Calls...)
	}
	books.requireNoneStale(t, calls)
	return requireAnswered(t, calls, after)
}

// A node that comes back on its port under another id must not get what was meant for
// the one before, and must be reached at once.
//
//nolint:paralleltest // measures how long things take
func TestNodeReturnsToItsPort(t *testing.T) {
	books := startLedger(t)
	cfg := childConfig{NATS: startNATS(t).URL, Ledger: books.URL}
	nodes := startNodes(t, 2, cfg)
	port := freePort(t)
	fixed := cfg
	fixed.Port, fixed.Expect = port, 3
	third := startChild(t, "node", fixed)
	third.report = third.read()
	warm(t, nodes...)
	killed := time.Now()
	third.signal(syscall.SIGKILL)
	third.status()
	fixed.Expect = 0
	again := startChild(t, "node", fixed)
	again.report = again.read()
	require.NotEqual(t, third.ID, again.ID)
	require.Equal(t, third.Address, again.Address)
	agree(t, nodes, append(nodes[:2:2], again))
	window(afterwards)
	calls := append(nodes[0].calls(), nodes[1].calls()...)
	longest := requireAnswered(t, calls, killed)
	books.requireNoneStale(t, calls)
	t.Logf("longest answer while a node is replaced on its port: %s", longest.Round(time.Millisecond))
}

//nolint:paralleltest // measures how long things take
func TestNodesVerifyEachOther(t *testing.T) {
	books := startLedger(t)
	cfg := childConfig{NATS: startNATS(t).URL, Ledger: books.URL}
	authority := newAuthority(t)
	cfg.Roots = authority.roots
	cfg.Pair = authority.issue(t, "127.0.0.1")
	nodes := startNodes(t, 2, cfg)
	stranger := cfg
	stranger.Pair = newAuthority(t).issue(t, "127.0.0.1")
	stranger.Expect = 0
	startChild(t, "node", stranger).read()
	nodes[0].order(order{Do: "touch", IDs: loadIDs})
	calls := nodes[0].read().Calls
	owned := viewOf(nodes[0].ID, nodes[1].ID)
	answered := map[string]bool{}
	for _, c := range calls {
		if c.Error == "" {
			answered[owned.owner(c.ID).id] = true
		} else {
			require.Contains(t, c.Error, "unavailable")
		}
	}
	require.Len(t, answered, 2, "both nodes answer")
}
