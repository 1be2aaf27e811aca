package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// fasthttp looks after idle connections on a goroutine that ends some seconds after the
// last of them was closed.
const idleConnections = "github.com/valyala/fasthttp.(*HostClient).connsCleaner"

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(idleConnections))
}

func TestWrongUseIsToldAndEndsWithTwo(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"one scenario is wanted":              {"-admin-token", "x"},
		"no scenario \"rush\"":                {"-admin-token", "x", "rush"},
		"an admin token is wanted":            {"sellout"},
		"must be positive":                    {"-admin-token", "x", "-connections", "0", "sellout"},
		"-addr has an empty address":          {"-admin-token", "x", "-addr", "127.0.0.1:1,", "sellout"},
		"flag provided but not defined: -big": {"-big", "sellout"},
	} {
		var stderr bytes.Buffer
		require.Equal(t, 2, run(t.Context(), args, func(string) string { return "" }, &stderr, &stderr), name)
		require.Contains(t, stderr.String(), name)
	}
}

func TestHelpIsNoFailure(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-h"}, os.Getenv, &stderr, &stderr))
	for name := range scenarios() {
		require.Contains(t, stderr.String(), name)
	}
}

func TestReportAddsUpWhatConnectionsRecorded(t *testing.T) {
	t.Parallel()
	r := newReport(options{scenario: "sellout", connections: 2})
	r.begin()
	for i := range 2 {
		recorder := r.recorder(nil)
		for n := range 100 {
			recorder.record("hold", 201+208*i, time.Duration(n+1)*time.Millisecond)
		}
		recorder.booked = 7
	}
	r.end()
	require.EqualValues(t, 200, r.Answers)
	require.EqualValues(t, 14, r.Booked)
	require.Len(t, r.Operations, 1)
	hold := r.Operations[0]
	require.Equal(t, map[int]int64{201: 100, 409: 100}, hold.Statuses)
	require.InDelta(t, 50, hold.P50, 0.5)
	require.InDelta(t, 99, hold.P99, 0.5)
	require.InDelta(t, 100, hold.Max, 0.5)
	var text bytes.Buffer
	require.NoError(t, r.writeText(&text))
	require.Contains(t, text.String(), "100×201 100×409")
}

func TestFreeSeats(t *testing.T) {
	t.Parallel()
	free, err := freeSeats([]byte(`{"scheduleId":1,"version":3,"seats":[{"seatNumber":1,"status":"sold","price":10},` +
		`{"seatNumber":2,"status":"available","price":10},{"status":"available","price":10,"seatNumber":50}]}`))
	require.NoError(t, err)
	require.Equal(t, []int{2, 50}, free)
	for _, broken := range []string{`{}`, `{"seats":[{"status":"available"}]}`} {
		_, err := freeSeats([]byte(broken))
		require.ErrorIs(t, err, errUnexpected)
	}
}

// TestSalesOnARealNode sells out two schedules of a boxoffice, and lets a crowd loose
// on a third.
func TestSalesOnARealNode(t *testing.T) {
	t.Parallel()
	address, token := startNode(t)
	load := func(args ...string) *report {
		var stdout, stderr bytes.Buffer
		all := append([]string{"-quiet", "-json", "-addr", address, "-admin-token", token, "-connections", "8", "-waiting", "40"}, args...)
		require.Zero(t, run(t.Context(), all, os.Getenv, &stdout, &stderr), stderr.String())
		var r report
		require.NoError(t, json.Unmarshal(stdout.Bytes(), &r))
		return &r
	}
	sold := load("-schedules", "2", "sellout")
	require.EqualValues(t, 100, sold.Booked)
	require.EqualValues(t, 100, sold.VerifiedSold)
	require.LessOrEqual(t, load("-duration", "500ms", "stampede").Held, int64(seatsPerShow))
	for _, scenario := range [][]string{{"seats"}, {"-etag", "seats"}, {"polls"}, {"-schedules", "1", "mixed"}, {"-schedules", "1", "-rate", "200", "steady"}} {
		r := load(append([]string{"-duration", "300ms"}, scenario...)...)
		require.Positive(t, r.Answers, scenario)
		require.Equal(t, r.Booked, r.VerifiedSold, scenario)
		if scenario[0] == "-etag" {
			require.Positive(t, r.Operations[0].Statuses[http.StatusNotModified])
		}
	}
}

// startNode starts a boxoffice with its embedded defaults, and gives its address and an
// admin's token.
func startNode(t *testing.T) (address, adminToken string) {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "boxoffice")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "boxoffice/cmd/boxoffice").CombinedOutput()
	require.NoError(t, err, string(out))
	environ := append(os.Environ(), "BOXOFFICE_LISTEN=127.0.0.1:0", "BOXOFFICE_DEMO=false", "BOXOFFICE_DATA_DIR="+filepath.Join(dir, "data"))
	node := exec.CommandContext(context.WithoutCancel(t.Context()), program) // the cleanup stops it
	node.Env = environ
	stderr, err := node.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, node.Start())
	var log bytes.Buffer
	lines := bufio.NewScanner(stderr)
	ready := regexp.MustCompile(`ready at http://(\S+) `)
	for address == "" && lines.Scan() {
		log.WriteString(lines.Text() + "\n")
		if m := ready.FindStringSubmatch(lines.Text()); m != nil {
			address = m[1]
		}
	}
	t.Cleanup(func() {
		require.NoError(t, node.Process.Signal(syscall.SIGTERM))
		for lines.Scan() {
			log.WriteString(lines.Text() + "\n")
		}
		require.NoError(t, node.Wait(), log.String())
	})
	require.NotEmpty(t, address, log.String())
	token := exec.CommandContext(t.Context(), program, "token", "-role", "admin")
	token.Env = environ
	printed, err := token.Output()
	require.NoError(t, err)
	return address, strings.TrimSpace(string(printed))
}
