package rig_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"boxoffice/internal/rig"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shell keeps a shell script running.
func shell(t *testing.T, script string, more ...func(*rig.Keeping)) *rig.Kept {
	t.Helper()
	k := rig.Keeping{
		Name: "shell", Now: time.Now, Pause: time.Millisecond, Log: filepath.Join(t.TempDir(), "log"),
		Command: func() (*exec.Cmd, error) { return rig.Command(nil, "/bin/sh", "-c", script), nil },
	}
	for _, change := range more {
		change(&k)
	}
	p := rig.Keep(k)
	t.Cleanup(p.Close)
	return p
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, time.Minute, 5*time.Millisecond)
}

func isUp(p *rig.Kept) func() bool { return func() bool { return p.Process() != nil } }

func TestAProcessIsStartedAgainWhenItEnds(t *testing.T) {
	t.Parallel()
	pidFile := filepath.Join(t.TempDir(), "pid")
	p := shell(t, "exec sleep 60", func(k *rig.Keeping) { k.PIDFile = pidFile })
	require.Nil(t, p.Process())
	p.Up()
	eventually(t, isUp(p))
	first := p.Process()
	content, err := os.ReadFile(pidFile)
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(first.PID()), strings.TrimSpace(string(content)))
	first.Kill()
	eventually(t, func() bool { return len(p.Exits()) == 1 && p.Process() != nil })
	require.NotEqual(t, first.PID(), p.Process().PID())
	require.False(t, p.Exits()[0].Wanted)
	require.False(t, p.Exits()[0].Clean)
	p.Close()
	require.NoFileExists(t, pidFile)
}

func TestAKilledProcessStaysDown(t *testing.T) {
	t.Parallel()
	p := shell(t, "exec sleep 60")
	p.Up()
	eventually(t, isUp(p))
	p.Signal(syscall.SIGSTOP) // it can be killed all the same
	p.Kill()
	require.Nil(t, p.Process())
	require.True(t, p.Exits()[0].Wanted)
	p.Up()
	eventually(t, isUp(p))
}

func TestDraining(t *testing.T) {
	t.Parallel()
	drained := func(trap string, limit time.Duration) error {
		log := filepath.Join(t.TempDir(), "log")
		p := shell(t, "trap '"+trap+"' TERM; echo ready; while :; do sleep 0.01; done", func(k *rig.Keeping) { k.Log = log })
		p.Up()
		eventually(t, func() bool {
			content, err := os.ReadFile(log)
			return err == nil && strings.Contains(string(content), "ready")
		})
		err := p.Drain(limit)
		require.Nil(t, p.Process())
		require.NoError(t, p.Drain(limit), "it is down already")
		return err
	}
	require.NoError(t, drained("exit 0", time.Minute))
	require.EqualError(t, drained("exit 3", time.Minute), "shell did not stop cleanly: exit status 3")
	require.ErrorIs(t, drained("", time.Millisecond), rig.ErrSlow)
}

func TestAProcessThatIsGivenUp(t *testing.T) {
	t.Parallel()
	p := shell(t, "exit 2", func(k *rig.Keeping) {
		k.Ended = func(e rig.Exit) error {
			require.Equal(t, 2, e.Code)
			return os.ErrInvalid
		}
	})
	p.Up()
	<-p.GivenUp()
	require.ErrorIs(t, p.Err(), os.ErrInvalid)
	require.Len(t, p.Exits(), 1)
}

func TestAProgramThatIsNotThereIsNoted(t *testing.T) {
	t.Parallel()
	p := shell(t, "", func(k *rig.Keeping) {
		k.Command = func() (*exec.Cmd, error) { return rig.Command(nil, "/nowhere/to/be/found"), nil }
	})
	p.Up()
	eventually(t, func() bool { return len(p.Exits()) > 0 })
	require.Contains(t, p.Exits()[0].Status, "start shell")
	require.ErrorIs(t, p.Exits()[0].Err, os.ErrNotExist)
}
