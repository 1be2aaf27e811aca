package localpostgres

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// small keeps the servers of tests light.
var small = map[string]string{"shared_buffers": "16MB", "min_wal_size": "32MB"}

// run executes one statement on a server.
func run(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}

// startServer starts a server that is stopped when the test ends.
func startServer(t *testing.T, config Config) *Server {
	t.Helper()
	if config.Settings == nil {
		config.Settings = small
	}
	server, err := Start(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.StopImmediate(context.Background())) })
	return server
}

// closedDir is a directory that nobody but its owner can enter, like /root.
func closedDir(t *testing.T) string {
	t.Helper()
	closed := filepath.Join(t.TempDir(), "home")
	require.NoError(t, os.Mkdir(closed, 0o700))
	return filepath.Join(closed, ".boxoffice", "postgres")
}

func TestStopKeepsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	dir := closedDir(t)
	server := startServer(t, Config{DataDir: dir})
	require.LessOrEqual(t, server.Port, lastPort, "a connection on its way out could take it while the server is down")
	run(t, server.URL, "CREATE TABLE kept ()")
	require.NoError(t, server.Stop(t.Context()))
	require.NoError(t, server.Stop(t.Context()), "a stopped server")
	<-server.Done()
	require.Empty(t, processesOf(t, dir))

	again := startServer(t, Config{DataDir: dir, Port: server.Port})
	require.Equal(t, server.URL, again.URL, "the password is kept, the port was asked for")
	run(t, again.URL, "TABLE kept")

	require.NoError(t, again.Stop(t.Context()))
	require.NoError(t, os.Remove(filepath.Join(dir, "password")))
	_, err := Start(t.Context(), Config{DataDir: dir})
	require.ErrorContains(t, err, "get the password: open "+filepath.Join(dir, "password"))
}

func TestKillKeepsWhatWasCommitted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := startServer(t, Config{DataDir: dir})
	conn, err := pgx.Connect(t.Context(), server.URL)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), "CREATE TABLE kept ()")
	require.NoError(t, err)
	require.NoError(t, server.Kill(t.Context()))
	require.Empty(t, processesOf(t, dir))

	again := startServer(t, Config{DataDir: dir})
	run(t, again.URL, "TABLE kept")
	require.NoError(t, syscall.Kill(again.process.Pid, syscall.SIGKILL)) // somebody else does
	<-again.Done()
	run(t, startServer(t, Config{DataDir: dir}).URL, "TABLE kept")
}

func TestServerIsDurablePrivateAndAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := startServer(t, Config{DataDir: dir})
	conn, err := pgx.Connect(t.Context(), server.URL)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	for name, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "",
		"shared_buffers": "16MB", // a setting of the caller's
	} {
		var got string
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got))
		require.Equal(t, want, got, name)
	}

	config, err := pgx.ParseConfig(server.URL)
	require.NoError(t, err)
	config.Password = "wrong"
	_, err = pgx.ConnectConfig(t.Context(), config)
	require.ErrorContains(t, err, "password authentication failed")

	info, err := os.Stat(filepath.Join(dir, "password"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())

	_, err = Start(t.Context(), Config{DataDir: dir})
	require.ErrorContains(t, err, "in use by process "+strconv.Itoa(os.Getpid()))
	require.ErrorContains(t, err, dir)
}

func TestStartRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))

	for name, test := range map[string]struct {
		config Config
		want   string
	}{
		"no directory":    {Config{}, "no data directory given"},
		"not a directory": {Config{DataDir: file}, "not a directory"},
		"setting":         {Config{DataDir: dir, Settings: map[string]string{"work_mem": "much"}}, `invalid value for parameter "work_mem"`},
		"port":            {Config{DataDir: dir, Port: listener.Addr().(*net.TCPAddr).Port}, "Address already in use"},
	} {
		// Not parallel: two of them use one directory, which each must give back.
		t.Run(name, func(t *testing.T) {
			_, err := Start(t.Context(), test.config)
			require.ErrorContains(t, err, test.want)
		})
	}
	startServer(t, Config{DataDir: dir})
}

func TestCancelledStartLeavesNothingRunning(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	// The first thing that the start writes of a cluster.
	go func() {
		defer cancel()
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(dir, "data.new", "PG_VERSION")); err == nil {
				return
			}
		}
	}()
	_, err := Start(ctx, Config{DataDir: dir})
	require.ErrorIs(t, err, context.Canceled)
	require.NoDirExists(t, filepath.Join(dir, "data"))
	startServer(t, Config{DataDir: dir}) // throws the unfinished cluster away
}

// processesOf lists the server processes of a data directory.
func processesOf(t *testing.T, dir string) []int {
	t.Helper()
	pids, err := clusterProcesses(filepath.Join(dir, "data"))
	require.NoError(t, err)
	return pids
}

func TestKeptServerIsStartedAgainUntilItDoesNotStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, err := Keep(t.Context(), Config{DataDir: dir, Settings: small})
	require.NoError(t, err)
	for range shortLives {
		run(t, server.URL, "SELECT 1")
		pid, _ := readPIDFile(filepath.Join(dir, "data"))
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		require.Eventually(t, func() bool {
			again, ready := readPIDFile(filepath.Join(dir, "data"))
			return len(server.Failed) > 0 || ready && again != pid
		}, startTimeout, pollInterval)
	}
	require.ErrorContains(t, <-server.Failed, "does not stay up")
	require.NoError(t, server.Stop(t.Context()))
}
