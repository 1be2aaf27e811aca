package localpostgres

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// helperVariable makes the test binary start a server in the directory that it names,
// print its URL, and stop it when the input ends.
const helperVariable = "LOCALPOSTGRES_HELPER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperVariable); dir != "" {
		os.Exit(runHelper(dir))
	}
	goleak.VerifyTestMain(m)
}

func runHelper(dir string) int {
	server, err := Start(context.Background(), Config{DataDir: dir, Settings: small})
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	fmt.Println(server.URL)
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := server.Stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// helper is another process that runs a server.
type helper struct {
	cmd   *exec.Cmd
	input io.Closer
	said  string // the URL of its server, or "error: …"
}

// startHelper runs a server on dir in a process of its own, as another user if
// credential is given.
func startHelper(t *testing.T, dir string, credential *syscall.Credential) helper {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), copyOfThisBinary(t))
	cmd.Env = append(os.Environ(), helperVariable+"="+dir)
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	input, err := cmd.StdinPipe()
	require.NoError(t, err)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	return helper{cmd: cmd, input: input, said: strings.TrimSpace(line)}
}

func (h helper) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, h.input.Close())
	require.NoError(t, h.cmd.Wait())
}

// kill ends the process as kill -9 does.
func (h helper) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, h.cmd.Process.Kill())
	require.ErrorContains(t, h.cmd.Wait(), "killed")
}

// copyOfThisBinary is where every user can run it; go test builds it where only its
// own user can.
func copyOfThisBinary(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	content, err := os.ReadFile(self)
	require.NoError(t, err)
	path := filepath.Join(openDir(t), "helper")
	writeProgram(t, path, content)
	return path
}

// writeProgram writes a file that everyone may run. Nothing may be forked while it is
// open: the child would have it open for writing, and then it cannot be run.
func writeProgram(t *testing.T, path string, content []byte) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	require.NoError(t, os.WriteFile(path, content, 0o755))
}

// openDir is a directory that every user can enter; a test's own is closed to others.
func openDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	return dir
}
