package postgrestest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// childVariable makes TestChild do what it names, in a process of its own.
const childVariable = "POSTGRESTEST_CHILD"

// TestChild is the program that the tests below run; by itself it does nothing.
func TestChild(t *testing.T) { //nolint:paralleltest // it may panic
	what := os.Getenv(childVariable)
	if what == "" {
		return
	}
	fmt.Println(Database(t))
	if directory := current.directory; directory != nil {
		fmt.Println(directory.disk)
		fmt.Println(directory.memory)
	}
	fmt.Println("ready")
	switch what {
	case "pass":
	case "leak":
		go func() { select {} }()
	case "panic":
		panic("as it was told to")
	case "block":
		select {}
	}
}

// child is a test process that runs TestChild.
type child struct {
	cmd    *exec.Cmd
	output *bufio.Reader
	server string   // host and port
	files  []string // what it keeps its servers' files in
}

func startChild(t *testing.T, what, environment string) child {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childVariable+"="+what, environment)
	// A terminal sends Ctrl-C to the process group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	c := child{cmd: cmd, output: bufio.NewReader(output)}
	for {
		line, err := c.output.ReadString('\n')
		line = strings.TrimSpace(line)
		switch {
		case err != nil || line == "ready" || strings.HasPrefix(line, "--- FAIL"):
			return c
		case strings.HasPrefix(line, "postgres:"):
			u, err := url.Parse(line)
			require.NoError(t, err)
			c.server = u.Host
		default:
			c.files = append(c.files, line)
		}
	}
}

// wait returns what else the child printed and its exit status, -1 after a signal.
func (c child) wait(t *testing.T) (output string, status int) {
	t.Helper()
	rest, err := io.ReadAll(c.output)
	require.NoError(t, err)
	_ = c.cmd.Wait() // the status says it
	return string(rest), c.cmd.ProcessState.ExitCode()
}

func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		what   string
		end    func(pid int) error
		status int
	}{
		"passed":     {what: "pass"},
		"leaked":     {what: "leak", status: 1},
		"panic":      {what: "panic", status: 2},
		"Ctrl-C":     {what: "block", end: func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) }, status: -1},
		"terminated": {what: "block", end: func(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) }, status: -1},
		"kill -9":    {what: "block", end: func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }, status: -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			child := startChild(t, test.what, urlVariable+"=")
			if test.end != nil {
				require.NoError(t, test.end(child.cmd.Process.Pid))
			}
			_, status := child.wait(t)
			require.Equal(t, test.status, status)
			require.NotEmpty(t, child.files)
			for _, file := range child.files {
				require.Eventually(t, func() bool {
					_, err := os.Stat(file)
					return os.IsNotExist(err)
				}, 20*time.Second, 10*time.Millisecond)
			}
			_, err := new(net.Dialer).DialContext(t.Context(), "tcp", child.server)
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
		})
	}
}

// A run on somebody else's server drops its databases, or the next one does.
func TestGivenServerIsLeftClean(t *testing.T) {
	t.Parallel()
	server := Server(t)
	given := urlVariable + "=" + server.URL
	conn := connect(t, server.URL)
	const ours = "SELECT count(*)::int FROM pg_database WHERE datname LIKE 'boxoffice\\_test\\_%'"

	killed := startChild(t, "block", given)
	alive := startChild(t, "block", given)
	require.NoError(t, killed.cmd.Process.Kill())
	killed.wait(t)
	require.Equal(t, 4, number(t, conn, ours), "a template and a database of each")

	// The server has to notice that a client is gone before its lock is free.
	require.Eventually(t, func() bool {
		return number(t, conn, "SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory'") == 1
	}, 10*time.Second, 10*time.Millisecond)
	_, status := startChild(t, "pass", given).wait(t)
	require.Zero(t, status)
	require.Equal(t, 2, number(t, conn, ours), "what lives is left alone")
	require.NoError(t, alive.cmd.Process.Kill())
	alive.wait(t)
}

func TestMissingDatabaseFailsTheTest(t *testing.T) {
	t.Parallel()
	child := startChild(t, "pass", urlVariable+"=postgres://127.0.0.1:1/none")
	output, status := child.wait(t)
	require.Equal(t, 1, status)
	require.Contains(t, output, "no database for the test")
}
