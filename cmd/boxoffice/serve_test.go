package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"boxoffice/cluster/localnats"
	"boxoffice/persistence/localpostgres"
	"boxoffice/persistence/postgrestest"
)

// onDatabase is a node's environment with a database of the test's own.
func onDatabase(t *testing.T, environ ...string) []string {
	t.Helper()
	return append([]string{
		"BOXOFFICE_DATABASE_URL=" + postgrestest.Database(t), "BOXOFFICE_DATA_DIR=" + t.TempDir(),
	}, environ...)
}

// postgresPID is the process of the private Postgres of a data directory.
func postgresPID(t *testing.T, dataDir string) int {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dataDir, "postgres", "data", "postmaster.pid"))
	require.NoError(t, err)
	line, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(line)
	require.NoError(t, err)
	return pid
}

// isRunning reports whether a process is more than a number that nobody has asked about.
func isRunning(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // where there is one
	return err != nil || !bytes.Contains(stat, []byte(") Z "))
}

// eventually waits until a node answers a path with a status.
func (n *process) eventually(path string, status int) {
	n.t.Helper()
	require.Eventually(n.t, func() bool {
		r, err := n.try(http.MethodGet, path, nil)
		return err == nil && r.status == status
	}, startLimit, pollEvery, "%s does not answer %d", path, status)
}

func TestServeEmbeddedLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := launchProcess(t, "BOXOFFICE_DATA_DIR="+dir, "BOXOFFICE_DEMO=")
	require.Equal(t, http.StatusOK, n.call(http.MethodGet, "/readyz", nil).status)
	require.Equal(t, "1", n.call(http.MethodGet, "/api/v1/schedules/1", nil).text("scheduleId"))
	postgres := postgresPID(t, dir)
	require.True(t, isRunning(postgres))

	require.Equal(t, exitStopped, n.drain(), n.logged())
	require.False(t, isRunning(postgres))
	_, err := dial(t, strings.TrimPrefix(n.url, "http://"))
	require.Error(t, err)
}

func TestServeThatIsKilledTakesItsPostgresWithIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := launchProcess(t, "BOXOFFICE_DATA_DIR="+dir)
	user := n.call(http.MethodPost, "/api/v1/users", map[string]any{"name": "Mina"})
	require.Equal(t, http.StatusCreated, user.status)
	postgres := postgresPID(t, dir)
	n.signal(syscall.SIGKILL)
	n.wait()

	// The next start waits for what is left of the old one.
	n = launchProcess(t, "BOXOFFICE_DATA_DIR="+dir)
	require.False(t, isRunning(postgres))
	again := n.call(http.MethodGet, "/api/v1/users/"+user.text("userId"), nil, "Authorization", "Bearer "+user.text("accessToken"))
	require.Equal(t, http.StatusOK, again.status)
	require.Equal(t, "Mina", again.text("name"))
}

// libpq's variables are not settings of this program.
func TestServeIgnoresTheVariablesOfLibpq(t *testing.T) {
	t.Parallel()
	var hostile []string
	for name, value := range map[string]string{
		"PGHOST": "192.0.2.1", "PGPORT": "1", "PGDATABASE": "none", "PGUSER": "nobody", "PGPASSWORD": "wrong",
		"PGPASSFILE": "/does/not/exist", "PGSERVICE": "none", "PGSERVICEFILE": "/does/not/exist", "PGOPTIONS": "-c nonsense=1",
		"PGAPPNAME": "x\x01", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": "/does/not/exist", "PGSSLCERT": "/does/not/exist",
		"PGSSLKEY": "/does/not/exist", "PGSSLSNI": "none", "PGREQUIREAUTH": "none", "PGCHANNELBINDING": "require",
		"PGTARGETSESSIONATTRS": "standby", "PGCONNECT_TIMEOUT": "never", "PGTZ": "Nowhere/Town", "PGCLIENTENCODING": "EUC_JP",
		"PGMINPROTOCOLVERSION": "9.9", "PGMAXPROTOCOLVERSION": "0.1", "PGDATA": "/does/not/exist", "PGGSSENCMODE": "require",
	} {
		hostile = append(hostile, name+"="+value)
	}
	dir := t.TempDir()
	n := launchProcess(t, append(hostile, "BOXOFFICE_DATA_DIR="+dir)...)
	require.Equal(t, http.StatusCreated, n.call(http.MethodPost, "/api/v1/users", map[string]any{"name": "Mina"}).status)
	require.Equal(t, exitStopped, n.drain(), n.logged())

	n = launchProcess(t, append(hostile, onDatabase(t)...)...)
	require.Equal(t, http.StatusCreated, n.call(http.MethodPost, "/api/v1/users", map[string]any{"name": "Mina"}).status)
	require.Equal(t, exitStopped, n.drain(), n.logged())
}

func TestServeDrainsAtSIGHUP(t *testing.T) {
	t.Parallel()
	n := launchProcess(t, onDatabase(t)...)
	n.signal(syscall.SIGHUP)
	require.Equal(t, exitStopped, n.wait(), n.logged())
	require.Contains(t, n.logged(), `"draining"`)
}

func TestServeWarnsOfADatabaseInPlainText(t *testing.T) {
	t.Parallel()
	_, _, stderr := runProgram(t, nil, nodeEnviron([]string{
		"BOXOFFICE_DATA_DIR=" + t.TempDir(),
		"BOXOFFICE_DATABASE_URL=postgres://192.0.2.1:1/d", "BOXOFFICE_START_TIMEOUT=10ms",
	})...)
	require.Equal(t, 1, strings.Count(stderr, "connections to PostgreSQL are not encrypted"), stderr)
	require.Contains(t, stderr, `"192.0.2.1"`)
}

func TestServeIsToldToStopWhileItStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := startProcess(t, programCommand(t), "BOXOFFICE_DATA_DIR="+dir)
	require.Eventually(t, func() bool { return strings.Contains(n.logged(), "making a postgres data directory") }, startLimit, pollEvery)
	require.Equal(t, exitStopped, n.drain(), n.logged())
	require.NotContains(t, n.logged(), "ready at")

	n = launchProcess(t, "BOXOFFICE_DATA_DIR="+dir)
	require.Equal(t, exitStopped, n.drain(), n.logged())
}

func TestServeStopsAtOnceAtTheSecondSignal(t *testing.T) {
	t.Parallel()
	n := launchProcess(t, onDatabase(t)...)
	stall(t, n)
	n.signal(syscall.SIGINT)
	require.Eventually(t, func() bool { return strings.Contains(n.logged(), `"draining"`) }, stopLimit, pollEvery)
	began := time.Now()
	n.signal(syscall.SIGINT)
	require.NotEqual(t, exitStopped, n.wait())
	require.Less(t, time.Since(began), answerLimit, "it waited for the client")
}

func TestServeDoesNotDrainForASlowClient(t *testing.T) {
	t.Parallel()
	n := launchProcess(t, onDatabase(t)...)
	stall(t, n)
	require.Equal(t, exitStopped, n.drain(), n.logged())
}

func TestServeTellsBalancersBeforeItStopsListening(t *testing.T) {
	t.Parallel()
	n := launchProcess(t, onDatabase(t, "BOXOFFICE_DRAIN_DELAY=2s")...)
	n.http.CloseIdleConnections()
	began := time.Now()
	n.signal(syscall.SIGTERM)
	n.eventually("/readyz", http.StatusServiceUnavailable)
	require.Equal(t, http.StatusCreated, n.call(http.MethodPost, "/api/v1/users", map[string]any{"name": "Mina"}).status, "it still answers")
	require.Equal(t, exitStopped, n.wait(), n.logged())
	require.GreaterOrEqual(t, time.Since(began), 2*time.Second)
	require.Less(t, time.Since(began), stopLimit)
}

// stall leaves a request half-way.
func stall(t *testing.T, n *process) {
	t.Helper()
	connection, err := dial(t, strings.TrimPrefix(n.url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { connection.Close() })
	_, err = io.WriteString(connection, "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n")
	require.NoError(t, err)
	// The node asks for the body: so it is under way.
	reply := make([]byte, len("HTTP/1.1 100 Continue"))
	_, err = io.ReadFull(connection, reply)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 100 Continue", string(reply))
}

func TestServeAnswersWhatItHasAccepted(t *testing.T) {
	t.Parallel()
	n := launchHere(t, onDatabase(t)...)
	const requests = 20
	replies := make(chan reply, requests)
	for range requests {
		go func() {
			r, err := n.try(http.MethodPost, "/api/v1/users", map[string]any{"name": "Mina"})
			if err != nil {
				r.status = -1 // refused before it was accepted
			}
			replies <- r
		}()
	}
	answered := []reply{<-replies}
	require.Equal(t, exitStopped, n.drain(), n.logged())
	for len(answered) < requests {
		answered = append(answered, <-replies)
	}
	for _, r := range answered {
		require.Contains(t, []int{-1, http.StatusCreated}, r.status)
	}
	require.Equal(t, http.StatusCreated, answered[0].status)
}

func TestServeAsAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	const nobody = 65534
	cmd := programCommand(t)
	dir := t.TempDir()
	if os.Getuid() == 0 {
		open, err := os.MkdirTemp("", "boxoffice-user-") //nolint:usetesting // t.TempDir is closed to others
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, os.RemoveAll(open)) })
		require.NoError(t, os.Chmod(open, 0o755))
		dir = filepath.Join(open, "data")
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.Chown(dir, nobody, nobody))
		program, err := os.ReadFile(cmd.Path)
		require.NoError(t, err)
		cmd.Path = filepath.Join(open, "boxoffice")
		require.NoError(t, os.WriteFile(cmd.Path, program, 0o755))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	cmd.Dir = dir
	n := startProcess(t, cmd, "BOXOFFICE_DATA_DIR=.boxoffice").ready()
	require.Equal(t, http.StatusOK, n.call(http.MethodGet, "/readyz", nil).status)
	require.Equal(t, exitStopped, n.drain(), n.logged())
}

func TestServeStartsItsPostgresAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := launchProcess(t, "BOXOFFICE_DATA_DIR="+dir)
	old := postgresPID(t, dir)
	require.NoError(t, syscall.Kill(old, syscall.SIGKILL))
	require.Eventually(t, func() bool { return strings.Contains(n.logged(), "starting it again") }, startLimit, pollEvery)
	n.eventually("/readyz", http.StatusOK)
	require.NotEqual(t, old, postgresPID(t, dir))
	require.Equal(t, http.StatusCreated, n.call(http.MethodPost, "/api/v1/users", map[string]any{"name": "Mina"}).status)
}

func TestServeTwiceOnOneDataDirectory(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]string{"private": "", "external": "BOXOFFICE_DATABASE_URL=" + postgrestest.Database(t)} {
		dir := t.TempDir()
		launchProcess(t, "BOXOFFICE_DATA_DIR="+dir, database)
		status, _, stderr := runProgram(t, nil, nodeEnviron([]string{"BOXOFFICE_DATA_DIR=" + dir, database})...)
		require.Equal(t, exitFailed, status, name)
		require.Contains(t, stderr, dir)
		require.Contains(t, stderr, "use")
	}
}

func TestServeOnATakenAddress(t *testing.T) {
	t.Parallel()
	listener := listenSomewhere(t)
	defer listener.Close()
	status, _, stderr := runProgram(t, nil, "BOXOFFICE_LISTEN="+listener.Addr().String(), "BOXOFFICE_DATA_DIR="+t.TempDir())
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, "BOXOFFICE_LISTEN")
	require.Contains(t, stderr, "address already in use")
}

func TestServeNamesTheSettingOfWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	key := "BOXOFFICE_JWT_KEY=" + encodeKey(t, private)
	listener := listenSomewhere(t)
	defer listener.Close()
	external := "BOXOFFICE_DATABASE_URL=" + postgrestest.Database(t)
	for name, environ := range map[string][]string{
		"BOXOFFICE_DATA_DIR, key":      {"BOXOFFICE_DATA_DIR=" + file},
		"BOXOFFICE_DATA_DIR, Postgres": {"BOXOFFICE_DATA_DIR=" + file, key},
		"BOXOFFICE_DATA_DIR, NATS":     {"BOXOFFICE_DATA_DIR=" + file, key, external},
		"BOXOFFICE_NODE_ADDRESS":       {"BOXOFFICE_DATA_DIR=" + t.TempDir(), external, "BOXOFFICE_NODE_ADDRESS=" + listener.Addr().String()},
	} {
		n := startProcess(t, programCommand(t), environ...)
		require.Equal(t, exitFailed, n.wait(), name)
		setting, _, _ := strings.Cut(name, ",")
		require.Contains(t, n.logged(), setting, name)
	}
}

func TestServeIsReadyOnceItsDatabaseIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	postgres, err := localpostgres.Start(t.Context(), localpostgres.Config{DataDir: dir})
	require.NoError(t, err)
	database := "BOXOFFICE_DATABASE_URL=" + postgres.URL
	status, _, stderr := runProgram(t, []string{"migrate"}, database)
	require.Equal(t, exitStopped, status, stderr)
	require.NoError(t, postgres.Stop(t.Context()))

	address := nobody(t)
	n := startProcess(t, programCommand(t), database, "BOXOFFICE_DATA_DIR="+t.TempDir(), "BOXOFFICE_LISTEN="+address)
	n.url = "http://" + address
	n.eventually("/livez", http.StatusOK)
	refused := n.call(http.MethodGet, "/readyz", nil)
	require.Equal(t, http.StatusServiceUnavailable, refused.status)
	require.Equal(t, "unavailable", refused.text("code"))
	require.Equal(t, "1", refused.header.Get("Retry-After"))
	require.Equal(t, refused.header.Get("X-Request-Id"), refused.text("requestId"))

	postgres, err = localpostgres.Start(t.Context(), localpostgres.Config{DataDir: dir, Port: postgres.Port})
	require.NoError(t, err)
	defer func() { require.NoError(t, postgres.Stop(t.Context())) }()
	n.ready()
	require.Equal(t, http.StatusOK, n.call(http.MethodGet, "/readyz", nil).status)
	require.Equal(t, exitStopped, n.drain())
}

func TestServeLosesAndFindsItsNATS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, err := localnats.Start(t.Context(), localnats.Config{StoreDir: dir})
	require.NoError(t, err)
	n := launchProcess(t, onDatabase(t, "BOXOFFICE_NATS_URL="+server.URL)...)
	n.eventually("/readyz", http.StatusOK)
	server.Stop()
	n.eventually("/readyz", http.StatusServiceUnavailable)
	require.Equal(t, http.StatusOK, n.call(http.MethodGet, "/livez", nil).status)

	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	port, err := strconv.Atoi(at.Port())
	require.NoError(t, err)
	server, err = localnats.Start(t.Context(), localnats.Config{StoreDir: dir, Port: port})
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	n.eventually("/readyz", http.StatusOK)
	require.Equal(t, exitStopped, n.drain(), n.logged())
}

func TestServeWithoutNATS(t *testing.T) {
	t.Parallel()
	status, _, stderr := runProgram(t, nil, nodeEnviron(onDatabase(t,
		"BOXOFFICE_NATS_URL=nats://"+nobody(t), "BOXOFFICE_START_TIMEOUT=4s"))...)
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, "BOXOFFICE_NATS_URL: not there after 4s")
	require.Equal(t, 1, strings.Count(stderr, "waiting for NATS"), stderr)
	require.Equal(t, 1, strings.Count(stderr, "the same BOXOFFICE_JWT_KEY"), stderr)
}

// BOXOFFICE_START_TIMEOUT is for all that a start waits for, one after the other.
func TestServeWaitsForEverythingOnlySoLong(t *testing.T) {
	t.Parallel()
	const patience, silence = 2 * time.Second, 1500 * time.Millisecond
	proxy := postgrestest.NewProxy(t, postgrestest.Database(t))
	proxy.Delay([]byte("user"), silence) // the first message of a session
	began := time.Now()
	status, _, stderr := runProgram(t, nil, nodeEnviron([]string{
		"BOXOFFICE_DATABASE_URL=" + proxy.URL, "BOXOFFICE_DATA_DIR=" + t.TempDir(),
		"BOXOFFICE_NATS_URL=nats://" + nobody(t), "BOXOFFICE_START_TIMEOUT=" + patience.String(),
	})...)
	took := time.Since(began)
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, "not there after 2s")
	require.GreaterOrEqual(t, took, patience)
	require.Less(t, took, patience+silence, "each step was given all the time")
}

func TestServeEndsWhenOthersHaveTakenOver(t *testing.T) {
	t.Parallel()
	server, err := localnats.Start(t.Context(), localnats.Config{StoreDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	n := launchProcess(t, onDatabase(t, "BOXOFFICE_NATS_URL="+server.URL)...)

	connection, err := nats.Connect(server.URL)
	require.NoError(t, err)
	defer connection.Close()
	js, err := jetstream.New(connection)
	require.NoError(t, err)
	members, err := js.KeyValue(t.Context(), "boxoffice-members")
	require.NoError(t, err)
	keys, err := members.Keys(t.Context())
	require.NoError(t, err)
	require.Len(t, keys, 1)
	entry, err := members.Get(t.Context(), keys[0])
	require.NoError(t, err)
	record := map[string]any{}
	require.NoError(t, json.Unmarshal(entry.Value(), &record))
	record["state"] = "evicted" // what the others write in its place
	evicted, err := json.Marshal(record)
	require.NoError(t, err)
	_, err = members.Put(t.Context(), keys[0], evicted)
	require.NoError(t, err)
	require.Equal(t, exitFailed, n.wait())
	require.Contains(t, n.logged(), errFenced.Error())
}

func TestServeLogs(t *testing.T) {
	t.Parallel()
	coverage := "GOCOVERDIR=" + t.TempDir() // without it a binary that is covered warns on stderr
	n := launchProcess(t, onDatabase(t, coverage, "BOXOFFICE_LOG_LEVEL=error", "BOXOFFICE_HOLD_TLL=1m")...)
	require.Equal(t, exitStopped, n.drain())
	var line struct{ Level, Msg, URL string }
	require.NoError(t, json.Unmarshal([]byte(n.logged()), &line), "nothing but the ready line, as JSON: %s", n.logged())
	require.Equal(t, n.url, line.URL)
	require.Equal(t, "INFO", line.Level)
	require.Contains(t, line.Msg, fmt.Sprintf("boxoffice is ready at %[1]s - try: curl %[1]s/api/v1/concerts or open %[1]s/docs; ", n.url))
	require.Regexp(t, `; an admin's token: BOXOFFICE_DATA_DIR=/\S+ .+ token -role admin; Ctrl-C or SIGTERM stops it$`, line.Msg)

	n = launchProcess(t, onDatabase(t, "BOXOFFICE_LOG_FORMAT=text", "BOXOFFICE_HOLD_TLL=1m")...)
	require.Equal(t, exitStopped, n.drain())
	require.Contains(t, n.logged(), `msg="boxoffice is ready at `+n.url+" - try: ")
	require.Equal(t, 1, strings.Count(n.logged(), "BOXOFFICE_HOLD_TLL"))
}

// What the ready line says of a token and of stopping is right for this node.
func TestReadyLineOfEveryNode(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	alone, err := loadSettings(nil)
	require.NoError(t, err)
	require.Equal(t, "an admin's token: bin/boxoffice token -role admin; Ctrl-C or SIGTERM stops it", alone.advice("bin/boxoffice"))
	require.Contains(t, alone.advice("/tmp/go-build1/b001/exe/boxoffice"), ": go run ./cmd/boxoffice token -role admin;")
	one, err := loadSettings([]string{"BOXOFFICE_DATA_DIR=/data", "BOXOFFICE_NATS_URL=nats://h"})
	require.NoError(t, err)
	require.Equal(t, "an admin's token: BOXOFFICE_DATA_DIR=/data boxoffice token -role admin; SIGTERM stops this node", one.advice("boxoffice"))
	one, err = loadSettings([]string{"BOXOFFICE_JWT_KEY=" + encodeKey(t, private), "BOXOFFICE_DATA_DIR=/data", "BOXOFFICE_NATS_URL=nats://h"})
	require.NoError(t, err)
	require.Equal(t, "an admin's token: boxoffice token -role admin, with the BOXOFFICE_JWT_KEY of the nodes; SIGTERM stops this node", one.advice("boxoffice"))
}

func TestServeProfiles(t *testing.T) {
	t.Parallel()
	n := launchProcess(t, onDatabase(t, "BOXOFFICE_DEBUG_LISTEN=127.0.0.1:0")...)
	address := regexp.MustCompile(`serving profiles.*"address":"([0-9.:]+)"`).FindStringSubmatch(n.logged())
	require.NotNil(t, address, n.logged())
	require.Contains(t, n.fetch("http://"+address[1]+"/debug/pprof/goroutine?debug=1"), "goroutine profile")
	require.Equal(t, http.StatusNotFound, n.call(http.MethodGet, "/debug/pprof/", nil).status)
}

func TestServeIsHealthy(t *testing.T) {
	t.Parallel()
	n := launchProcess(t, onDatabase(t)...)
	address := strings.TrimPrefix(n.url, "http://")
	status, _, stderr := runProgram(t, []string{"healthcheck"}, "BOXOFFICE_LISTEN="+address)
	require.Equal(t, exitStopped, status, stderr)
}

func TestServeCounts(t *testing.T) {
	t.Parallel()
	n := launchProcess(t, onDatabase(t, "BOXOFFICE_DEMO=true")...)
	user := n.call(http.MethodPost, "/api/v1/users", map[string]any{"name": "Mina"})
	place := n.call(http.MethodPost, "/api/v1/schedules/1/queue-tokens", nil, "Authorization", "Bearer "+user.text("accessToken"))
	require.Equal(t, http.StatusCreated, place.status)
	held := n.call(http.MethodPost, "/api/v1/schedules/1/reservations", map[string]any{"seatNumber": 7},
		"Authorization", "Bearer "+user.text("accessToken"), "Queue-Token", place.text("token"))
	require.Equal(t, http.StatusCreated, held.status)

	content := n.fetch(n.url + "/metrics")
	for _, line := range []string{
		`boxoffice_http_requests_total{method="POST",route="/api/v1/users",status="201"} 1`,
		`boxoffice_http_request_duration_seconds_count{method="POST",route="/api/v1/users"} 1`,
		`boxoffice_grain_batch_commands_count{kind="schedule"} `,
		`boxoffice_grain_activation_seconds_count{kind="gatekeeper"} 1`,
		`boxoffice_seat_changes_total{change="held"} 1`,
		`boxoffice_place_changes_total{change="joined"} 1`,
		`boxoffice_place_changes_total{change="admitted"} 1`,
		`boxoffice_holds 1`, `boxoffice_places_waiting 0`, `boxoffice_places_admitted 1`,
		`boxoffice_journal_commits_total{result="durable"} `, `boxoffice_journal_commits_total{result="fenced"} 0`,
		`boxoffice_journal_group_commits_count `, `boxoffice_journal_queue_length 0`,
		`boxoffice_pool_connections_max{pool="queries"} 16`, `boxoffice_clock_offset_seconds `,
		`boxoffice_grain_stops_total{kind="schedule",reason="broken"} 0`, `boxoffice_cluster_dropped_messages_total{queue="publications"} 0`,
		`boxoffice_http_failures_total 0`, `boxoffice_grain_call_tries_total{kind="gatekeeper"} `, `boxoffice_cluster_heartbeats_total{result="failed"} `,
		`boxoffice_cluster_members 1`, `boxoffice_build_info{`, `go_goroutines `, `process_open_fds `,
	} {
		require.Contains(t, content, "\n"+line)
	}
}
