package system

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shell keeps a shell script running.
func shell(t *testing.T, script string) *process {
	t.Helper()
	p := newProcess("shell", filepath.Join(t.TempDir(), "log"), func() *exec.Cmd { return exec.Command("sh", "-c", script) })
	t.Cleanup(p.Close)
	return p
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 20*time.Second, 5*time.Millisecond)
}

func (p *process) isUp() bool {
	pid, _ := p.running()
	return pid != 0
}

func TestAProcessIsStartedAgainWhenItEnds(t *testing.T) {
	t.Parallel()
	p := shell(t, "exec sleep 60")
	require.False(t, p.isUp())
	p.Up()
	eventually(t, p.isUp)
	first, ended := p.running()
	p.Signal(syscall.SIGKILL)
	<-ended
	eventually(t, p.isUp)
	second, _ := p.running()
	require.NotEqual(t, first, second)
	require.Len(t, p.Exits(), 1)
	require.False(t, p.Exits()[0].Wanted)
	require.False(t, p.Exits()[0].Clean)
}

func TestAKilledProcessStaysDown(t *testing.T) {
	t.Parallel()
	p := shell(t, "exec sleep 60")
	p.Up()
	eventually(t, p.isUp)
	p.Signal(syscall.SIGSTOP) // it can be killed all the same
	p.Kill()
	require.False(t, p.isUp())
	require.True(t, p.Exits()[0].Wanted)
	p.Up()
	eventually(t, p.isUp)
}

func TestDraining(t *testing.T) {
	t.Parallel()
	const ready = "; echo ready; while :; do sleep 0.01; done"
	clean := shell(t, "trap 'exit 0' TERM"+ready)
	clean.Up()
	awaitLog(t, clean, "ready")
	require.NoError(t, clean.Drain(t.Context()))
	require.NoError(t, clean.Drain(t.Context()), "it is down already")

	broken := shell(t, "trap 'exit 3' TERM"+ready)
	broken.Up()
	awaitLog(t, broken, "ready")
	require.ErrorContains(t, broken.Drain(t.Context()), "exit status 3")
}

func TestAProgramThatIsNotThereIsNoted(t *testing.T) {
	t.Parallel()
	p := newProcess("ghost", filepath.Join(t.TempDir(), "log"), func() *exec.Cmd { return exec.Command("/nowhere/to/be/found") })
	t.Cleanup(p.Close)
	p.Up()
	eventually(t, func() bool { return len(p.Exits()) > 0 })
	require.Contains(t, p.Exits()[0].Status, "start ghost")
}

func awaitLog(t *testing.T, p *process, text string) {
	t.Helper()
	eventually(t, func() bool {
		content, err := os.ReadFile(p.log)
		return err == nil && strings.Contains(string(content), text)
	})
}
