package localpostgres

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStartAfterParentWasKilled(t *testing.T) {
	t.Parallel()
	dir := closedDir(t)
	parent := startHelper(t, dir, nil)
	run(t, parent.said, "CREATE TABLE kept ()")
	_, err := Start(t.Context(), Config{DataDir: dir})
	require.ErrorContains(t, err, "in use by process "+strconv.Itoa(parent.cmd.Process.Pid)+":")

	parent.kill(t)
	run(t, startServer(t, Config{DataDir: dir}).URL, "TABLE kept")
}

// Where nothing tells the server that its parent died, the next start does.
func TestStartStopsAnOrphan(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	orphan := startServer(t, Config{DataDir: dir})
	run(t, orphan.URL, "CREATE TABLE kept ()")
	unlock(orphan.lock) // as the death of its parent does

	server := startServer(t, Config{DataDir: dir})
	<-orphan.Done()
	pid, ready := readPIDFile(filepath.Join(dir, "data"))
	require.True(t, ready)
	require.Equal(t, server.process.Pid, pid)
	run(t, server.URL, "TABLE kept")
}

// An orphan that does not obey is killed, its children too.
func TestKillOrphans(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	orphan := startServer(t, Config{DataDir: dir})
	require.NoError(t, syscall.Kill(orphan.process.Pid, syscall.SIGSTOP))
	require.Greater(t, len(processesOf(t, dir)), 1)
	require.NoError(t, orphan.cluster.stopOrphans(t.Context(), filepath.Join(dir, "data"), syscall.SIGKILL))
	require.Empty(t, processesOf(t, dir))
	<-orphan.Done()
	startServer(t, Config{DataDir: dir}) // removes the shared memory that the killed one left
}

func TestPIDFileOfAStrangerDoesNotStopTheStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, startServer(t, Config{DataDir: dir}).Kill(t.Context()))
	file := filepath.Join(dir, "data", "postmaster.pid")
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	left, _ := readPIDFile(filepath.Join(dir, "data"))
	require.NotZero(t, left, "a killed server leaves its file")

	stranger := exec.CommandContext(t.Context(), "cat")
	input, err := stranger.StdinPipe()
	require.NoError(t, err)
	c, err := openCluster(t.Context(), dir, installed(), nil)
	require.NoError(t, err)
	stranger.SysProcAttr = &syscall.SysProcAttr{Credential: c.credential}
	require.NoError(t, stranger.Start())
	pid := strconv.Itoa(left)
	content = append([]byte(strconv.Itoa(stranger.Process.Pid)), content[len(pid):]...)
	require.NoError(t, os.WriteFile(file, content, 0o600))

	startServer(t, Config{DataDir: dir})
	require.NoError(t, stranger.Process.Signal(syscall.Signal(0)), "it was left alone")
	require.NoError(t, input.Close())
	require.NoError(t, stranger.Wait())
}

// An ordinary user's server runs as that user. (Where the tests run as one, all of
// them show it.)
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	var credential *syscall.Credential
	dir := filepath.Join(openDir(t), "boxoffice")
	require.NoError(t, os.Mkdir(dir, 0o700))
	if os.Geteuid() == 0 {
		nobody := uint32(65534)
		credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		require.NoError(t, os.Chown(dir, int(nobody), int(nobody)))
	}
	user := startHelper(t, dir, credential)
	run(t, user.said, "CREATE TABLE kept ()")
	user.stop(t)
	info, err := os.Stat(filepath.Join(dir, "data"))
	require.NoError(t, err)
	owner := info.Sys().(*syscall.Stat_t).Uid

	// Whoever may run it for its owner, does.
	run(t, startServer(t, Config{DataDir: dir}).URL, "TABLE kept")
	info, err = os.Stat(filepath.Join(dir, "data"))
	require.NoError(t, err)
	require.Equal(t, owner, info.Sys().(*syscall.Stat_t).Uid)
}

func TestClusterKeepsItsUser(t *testing.T) {
	t.Parallel()
	_, err := keepUser(1001, 1002, 1002)
	require.ErrorContains(t, err, "run as that user")
	_, err = keepUser(0, 0, 0)
	require.ErrorContains(t, err, "choose another directory", "PostgreSQL never runs as root")
	credential, err := keepUser(0, 1234, 12)
	require.NoError(t, err)
	require.Equal(t, &syscall.Credential{Uid: 1234, Gid: 12}, credential)
	credential, err = keepUser(1234, 1234, 12)
	require.NoError(t, err)
	require.Nil(t, credential)
}
