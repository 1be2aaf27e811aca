//go:build failpoint

package failpoint_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice/internal/failpoint"
)

// asVictim makes this test binary hit a place and exit with status 0.
const asVictim = "FAILPOINT_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(asVictim) != "" {
		failpoint.Hit(failpoint.BeforeReply)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func victim(dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = []string{asVictim + "=1", "CHAOS_FAILPOINTS=" + dir}
	return cmd
}

func TestAnArmedPlaceKillsOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, victim(dir).Run())
	require.NoError(t, victim("").Run())
	path := filepath.Join(dir, string(failpoint.BeforeReply))
	require.NoError(t, os.WriteFile(path, []byte(failpoint.Kill), 0o600))
	cmd := victim(dir)
	require.Error(t, cmd.Run())
	require.Equal(t, syscall.SIGKILL, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal())
	require.NoFileExists(t, path)
	require.NoError(t, victim(dir).Run())
}

func TestAnArmedPlacePauses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, string(failpoint.BeforeReply))
	require.NoError(t, os.WriteFile(path, []byte(failpoint.Pause), 0o600))
	cmd := victim(dir)
	require.NoError(t, cmd.Start())
	var status syscall.WaitStatus
	_, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(t, err)
	require.True(t, status.Stopped())
	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
	require.NoError(t, cmd.Wait())
}

func TestASkewedClock(t *testing.T) {
	t.Setenv("CHAOS_CLOCK_SKEW", "-1h")
	require.WithinDuration(t, time.Now().Add(-time.Hour), failpoint.Now(), time.Minute)
}
