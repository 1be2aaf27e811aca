package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"boxoffice/internal/apiclient"
	"boxoffice/internal/rig"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Bounds of the tests that run a cluster.
const (
	startLimit = 5 * time.Minute // a safety net, for a busy machine; nothing is built in it
	stopLimits = time.Minute
	pollEvery  = 20 * time.Millisecond
)

// running is a cluster of a test.
type running struct {
	t      *testing.T
	dir    string
	stdout *rig.Output
	stderr *rig.Output
	api    *apiclient.Client
	stop   func() int // drains it and gives the exit status
}

// start runs three nodes and returns when they are introduced.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	c := &running{t: t, dir: t.TempDir(), stdout: &rig.Output{}, stderr: &rig.Output{}, api: apiclient.New(0, time.Minute)}
	binary, err := rig.Build{Package: rig.Boxoffice, Dir: t.TempDir()}.Run(t.Context())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan int, 1)
	args = append([]string{"-dir", c.dir, "-listen", "127.0.0.1:0", "-binary", binary}, args...)
	go func() { ended <- run(ctx, args, os.Environ(), c.stdout, c.stderr) }() // stop waits for it
	c.stop = sync.OnceValue(func() int {
		cancel()
		select {
		case status := <-ended:
			return status
		case <-time.After(stopLimits):
			t.Error("the cluster does not stop")
			return -1
		}
	})
	t.Cleanup(func() {
		c.stop()
		if t.Failed() {
			t.Logf("%s\n%s", c.stdout, c.stderr)
		}
	})
	require.Eventually(t, func() bool {
		select {
		case status := <-ended:
			ended <- status
			require.FailNow(t, "the cluster has ended")
		default:
		}
		return strings.Contains(c.stdout.String(), "3 nodes are one service")
	}, startLimit, pollEvery)
	return c
}

// file reads one of the files that the cluster leaves for scripts.
func (c *running) file(name string) string {
	content, err := os.ReadFile(filepath.Join(c.dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(content))
}

// postgresPID is the process of PostgreSQL.
func (c *running) postgresPID() int {
	c.t.Helper()
	line, _, _ := strings.Cut(c.file("postgres/data/postmaster.pid"), "\n")
	pid, err := strconv.Atoi(line)
	require.NoError(c.t, err)
	return pid
}

// get returns the status that a node answers with; 0 if it does not.
func (c *running) get(node, path string) int {
	answer, err := c.api.Do(c.t.Context(), apiclient.Request{Method: http.MethodGet, URL: c.file(node+".url") + path})
	if err != nil {
		return 0
	}
	return answer.Status
}

// TestCluster follows the README's section about many nodes, and looks at what that does
// not show.
func TestCluster(t *testing.T) {
	t.Parallel()
	c := start(t)
	requireREADME(t, c)

	pid, err := strconv.Atoi(c.file("node-2.pid"))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	for _, node := range []string{"node-1", "node-3"} {
		for _, schedule := range []string{"1", "2", "3", "4"} { // the call waits until the others have taken over
			require.Equal(t, http.StatusOK, c.get(node, "/api/v1/schedules/"+schedule+"/queue"), node)
		}
	}
	require.Eventually(t, func() bool {
		again := c.file("node-2.pid")
		return again != "" && again != strconv.Itoa(pid) && c.get("node-2", "/readyz") == http.StatusOK
	}, startLimit, pollEvery, "the node does not come back")
	require.Equal(t, http.StatusOK, c.get("node-2", "/api/v1/schedules/1/queue"))
	require.Contains(t, c.stderr.String(), "node-2 | has ended (signal: killed); starting it again\n")

	pid = c.postgresPID()
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(t, func() bool { return strings.Contains(c.stderr.String(), "postgres | has ended; starting it again\n") }, startLimit, pollEvery)
	for _, node := range []string{"node-1", "node-2", "node-3"} {
		require.Eventually(t, func() bool { return c.get(node, "/readyz") == http.StatusOK }, startLimit, pollEvery, node)
	}
	require.NotEqual(t, pid, c.postgresPID())

	require.Equal(t, exitStopped, c.stop(), c.stderr)
	for _, node := range []string{"node-1", "node-2", "node-3"} {
		require.Empty(t, c.file(node+".pid"))
		require.Regexp(t, `(?m)^`+node+` \| .*msg=stopped`, c.stderr.String())
	}
	require.NoFileExists(t, filepath.Join(c.dir, "postgres", "data", "postmaster.pid"))
}

// requireREADME pastes what the README shows of many nodes into a shell, and compares
// what that prints.
func requireREADME(t *testing.T, c *running) {
	t.Helper()
	content, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	const end = "--- end of block ---\n"
	var script strings.Builder
	var shown []string
	for _, block := range regexp.MustCompile("(?s)```sh cluster\n(.*?)```\n(?:\n```text\n(.*?)```\n)?").FindAllStringSubmatch(string(content), -1) {
		script.WriteString(block[1] + "echo '" + strings.TrimSpace(end) + "'\n")
		shown = append(shown, normalise(block[2]))
	}
	require.NotEmpty(t, shown)
	shell := exec.CommandContext(t.Context(), "bash")
	shell.Stdin = strings.NewReader(script.String())
	shell.Env = append(os.Environ(), "BOXCLUSTER="+c.dir)
	printed, err := shell.CombinedOutput()
	require.NoError(t, err, "%s", printed)
	outputs := strings.Split(string(printed), end)
	require.Len(t, outputs, len(shown)+1, "%s", printed)
	for i := range shown {
		require.Equal(t, shown[i], normalise(outputs[i]))
	}
}

// normalise replaces what differs from one purchase to the next.
func normalise(text string) string {
	return regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`).ReplaceAllString(text, "ID")
}

func TestBadUse(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"unknown flag": {"-port", "1"}, "an argument": {"now"}, "no node": {"-nodes", "0"}, "too many nodes": {"-nodes", "10"},
	} {
		var stdout, stderr rig.Output
		require.Equal(t, exitUsage, run(t.Context(), args, nil, &stdout, &stderr), name)
		require.Contains(t, stderr.String(), "boxcluster:", name)
	}
	var stdout, stderr rig.Output
	require.Equal(t, exitStopped, run(t.Context(), []string{"-h"}, nil, &stdout, &stderr))
	require.Contains(t, stderr.String(), "-haproxy")
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	got, err := addresses("127.0.0.1:8081", 3)
	require.NoError(t, err)
	require.Equal(t, []string{"127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8083"}, got)
	got, err = addresses("127.0.0.1:0", 2)
	require.NoError(t, err)
	require.NotEqual(t, got[0], got[1])
	for _, address := range got {
		_, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		number, err := strconv.Atoi(port)
		require.NoError(t, err)
		require.LessOrEqual(t, number, 32_767, "a connection on its way out could take it")
	}
	for _, bad := range []string{"8081", "127.0.0.1:http", "127.0.0.1:65536"} {
		_, err = addresses(bad, 1)
		require.ErrorContains(t, err, "-listen", bad)
	}
}

// child of a test: a shell script instead of a node.
func scripted(t *testing.T, script string) (*child, *rig.Output) {
	t.Helper()
	var out rig.Output
	return &child{
		name: "node-1", pidFile: filepath.Join(t.TempDir(), "pid"), out: newLines(&out).of("node-1"),
		program: "/bin/sh", args: []string{"-c", script},
	}, &out
}

func TestChildThatCannotStart(t *testing.T) {
	t.Parallel()
	n, out := scripted(t, "echo bad setting >&2; exit 2")
	require.EqualError(t, n.keep(t.Context()), "node-1 cannot start: exit status 2")
	require.Equal(t, "node-1 | bad setting\n", out.String())
}

func TestChildThatDoesNotStayUp(t *testing.T) {
	t.Parallel()
	n, out := scripted(t, "exit 1")
	require.EqualError(t, n.keep(t.Context()), "node-1 does not stay up: exit status 1")
	require.Equal(t, shortLives-1, strings.Count(out.String(), "starting it again"))
}

func TestChildThatDoesNotStopCleanly(t *testing.T) {
	t.Parallel()
	n, out := scripted(t, `trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- n.keep(ctx) }() // received below
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "up") }, startLimit, pollEvery)
	cancel()
	require.EqualError(t, <-ended, "node-1 did not stop cleanly: exit status 3")
}

func TestChildOfNoProgram(t *testing.T) {
	t.Parallel()
	n, _ := scripted(t, "")
	n.program = filepath.Join(t.TempDir(), "missing")
	require.ErrorContains(t, n.keep(t.Context()), "run node-1")
}

func TestLinesStayWhole(t *testing.T) {
	t.Parallel()
	var out rig.Output
	all := newLines(&out)
	one, two := all.of("one"), all.of("two")
	for _, w := range []struct {
		to   io.Writer
		text string
	}{{one, "half "}, {two, "a\nb\n"}, {one, "a line\nrest"}, {two, strings.Repeat("x", maxLine)}, {one, "\n"}} {
		n, err := io.WriteString(w.to, w.text)
		require.NoError(t, err)
		require.Equal(t, len(w.text), n)
	}
	require.Equal(t, "two | a\ntwo | b\none | half a line\ntwo | "+strings.Repeat("x", maxLine)+"\none | rest\n", out.String())
}
