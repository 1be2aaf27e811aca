package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"boxoffice/internal/rig"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWrongUseIsToldAndEndsWithTwo(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"one scenario is wanted":              {"-admin-token", "x"},
		"no scenario \"rush\"":                {"-admin-token", "x", "rush"},
		"an admin token is wanted":            {"sellout"},
		"-client must be fast or net/http":    {"-admin-token", "x", "-client", "curl", "sellout"},
		"must be positive":                    {"-admin-token", "x", "-connections", "0", "sellout"},
		"-purchases must be a percentage":     {"-admin-token", "x", "-purchases", "101", "mixed"},
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

func TestBuyersOfOneMomentAreDifferentPeople(t *testing.T) {
	t.Parallel()
	for _, schedules := range []int{1, 2, 100, 300, 1000, usersAtMost, 2 * usersAtMost} {
		w := &world{schedules: make([]*show, schedules)}
		for range min(schedules*seatsPerShow, usersAtMost) {
			w.users = append(w.users, &user{})
		}
		newest := map[*user]int{} // turn of who bought last
		for turn := range min(schedules*seatsPerShow, 4*usersAtMost) {
			buyer := w.buyer(turn%schedules, turn/schedules)
			before, again := newest[buyer]
			require.False(t, again && turn-before < len(w.users)-1, "turns %d and %d of %d schedules", before, turn, schedules)
			newest[buyer] = turn
		}
		inLine := map[*user]bool{}
		for place := range seatsPerShow {
			buyer := w.buyer(schedules-1, place)
			require.False(t, inLine[buyer], "place %d of one of %d schedules", place, schedules)
			inLine[buyer] = true
		}
	}
}

func TestReportAddsUpWhatConnectionsRecorded(t *testing.T) {
	t.Parallel()
	r := newReport(options{scenario: "sellout", connections: 2})
	r.begin(0)
	for i := range 2 {
		recorder := r.recorder()
		for n := range 100 {
			recorder.record("hold", 201+208*i, time.Duration(n+1)*time.Millisecond)
		}
		for range 7 {
			recorder.book()
		}
		recorder.fail(errUnexpected)
	}
	r.end()
	require.EqualValues(t, 200, r.Answers)
	require.EqualValues(t, 100, r.Good)
	require.EqualValues(t, 2, r.Errors)
	require.Equal(t, errUnexpected.Error(), r.FirstError)
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

func TestRatesLeaveOutWhatCameTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newReport(options{scenario: "steady", connections: 1})
		r.begin(2 * time.Second)
		recorder := r.recorder()
		for range 10 {
			recorder.record("pay", http.StatusCreated, time.Millisecond)
			recorder.book()
		}
		<-time.After(3 * time.Second)
		recorder.record("pay", http.StatusCreated, time.Second)
		recorder.book()
		r.end()
		require.EqualValues(t, 11, r.Answers)
		require.EqualValues(t, 10, r.Good)
		require.InDelta(t, 5, r.GoodPerSec, 1e-9)
		require.EqualValues(t, 11, r.Booked)
		require.InDelta(t, 5, r.BookedPerSec, 1e-9)
		require.Equal(t, r.StartedAt.Add(2*time.Second), r.TimeOverAt)
	})
}

// TestShedRequests lets boxload loose on a server that sends every other request away.
func TestShedRequests(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	after := atomic.Pointer[string]{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%2 == 0 {
			return
		}
		if after := after.Load(); after != nil {
			w.Header().Set("Retry-After", *after)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	o := options{scenario: "steady", connections: 1, addresses: []string{server.Listener.Addr().String()}}
	api := newAPI(o)
	defer api.close()
	r := newReport(o)
	r.begin(0)
	w := &worker{load: &load{options: o, api: api, report: r}, call: api.calls[0], times: r.recorder()}
	send := func() (int, error) { return w.timed("poll", "GET", "/", nil) }

	_, err := w.insist(send)
	require.ErrorIs(t, err, errUnexpected, "nobody was told until when")
	asked.Store(0)
	at := "0"
	after.Store(&at)
	status, err := w.insist(send)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.EqualValues(t, 2, asked.Load())
	w.open = true
	status, err = w.insist(send)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status)
	r.end()
	require.EqualValues(t, 2, r.Shed)
	require.EqualValues(t, 1, r.Good)
}

// TestCallsKeepTheirConnection until it breaks, one of the two sides closes it, or it is old.
func TestCallsKeepTheirConnection(t *testing.T) {
	t.Parallel()
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/last":
			w.Header().Set("Connection", "close")
		case "/broken":
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Etag", "of "+r.URL.Path)
		_, _ = w.Write([]byte(r.Header.Get("Queue-Token")))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	api := newAPI(options{connections: 1, addresses: []string{server.Listener.Addr().String()}})
	defer api.close()
	c := api.calls[0]
	answered := func(path string, connection int64) {
		t.Helper()
		status, err := c.do("GET", path, nil, "Queue-Token", "token for "+path)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "of "+path, c.header("Etag"))
		require.Equal(t, "token for "+path, string(c.body()))
		require.Equal(t, connection, connections.Load())
	}
	answered("/one", 1)
	answered("/two", 1)
	answered("/last", 1)
	answered("/after", 2)
	_, err := c.do("GET", "/broken", nil)
	require.Error(t, err)
	require.Empty(t, c.header("Etag"), "an answer of before")
	require.Empty(t, c.body(), "an answer of before")
	answered("/after", 3)
	fast, isFast := c.connection.(*fastConnection)
	require.True(t, isFast)
	fast.usedAt = fast.usedAt.Add(-2 * idleLimit)
	answered("/late", 4)
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
	for _, scenario := range [][]string{
		{"seats"},
		{"-etag", "seats"},
		{"polls"},
		{"charges"},
		{"-client", "net/http", "-schedules", "1", "mixed"},
		{"-schedules", "1", "mixed"},
		{"-schedules", "1", "-rate", "200", "steady"},
		{"-schedules", "2", "-purchases", "100", "-rate", "200", "-patience", "50ms", "steady"},
	} {
		r := load(append([]string{"-duration", "300ms"}, scenario...)...)
		require.Zero(t, r.Errors, r.FirstError)
		require.Positive(t, r.Answers, scenario)
		require.Equal(t, r.Booked, r.VerifiedSold, scenario)
		if scenario[0] == "-etag" {
			require.Positive(t, r.Operations[0].Statuses[http.StatusNotModified])
		}
	}
}

// startNode starts a boxoffice with its embedded defaults, and returns its address and an
// admin's token.
func startNode(t *testing.T) (address, adminToken string) {
	t.Helper()
	dir := t.TempDir()
	path, err := rig.Build{Package: rig.Boxoffice, Dir: dir}.Run(t.Context())
	require.NoError(t, err)
	program := rig.Program{Path: path, Environ: append(os.Environ(),
		"BOXOFFICE_LISTEN=127.0.0.1:0", "BOXOFFICE_DEMO=false", "BOXOFFICE_DATA_DIR="+filepath.Join(dir, "data"))}
	node, err := rig.Serve(t.Context(), program.Command(nil, "serve"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, node.Stop(rig.StopLimit)) })
	adminToken, err = program.AdminToken(t.Context())
	require.NoError(t, err)
	return strings.TrimPrefix(node.URL, "http://"), adminToken
}
