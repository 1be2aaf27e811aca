package localpostgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// orphanPatience is how long an orphaned server may take to shut down by itself
// before the next stronger signal.
const orphanPatience = 10 * time.Second

// stopOrphans ends what is left of a server whose parent died. The caller holds the
// lock, so nobody uses that server. It fails, naming the processes, if they stay.
func (c cluster) stopOrphans(ctx context.Context, logger *slog.Logger) error {
	if !c.exists {
		return nil
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		pids, err := clusterProcesses(c.dataDir())
		if err != nil {
			return fmt.Errorf("look for an orphaned server: %w", err)
		}
		if len(pids) == 0 {
			return c.removeStalePIDFile()
		}
		logger.WarnContext(ctx, "stopping the orphaned postgres of this data directory",
			"dir", c.dir, "pids", pids, "signal", sig.String())
		if err := c.signalOrphans(pids, sig); err != nil {
			return err
		}
		if err := c.waitOrphans(ctx); err == nil {
			return c.removeStalePIDFile()
		} else if ctx.Err() != nil {
			return err
		}
	}
	return c.waitOrphans(ctx)
}

// killOrphans ends every process of the cluster at once.
func (c cluster) killOrphans(ctx context.Context) error {
	pids, err := clusterProcesses(c.dataDir())
	if err != nil {
		return fmt.Errorf("look for processes of the server: %w", err)
	}
	if err := c.signalOrphans(pids, syscall.SIGKILL); err != nil {
		return err
	}
	return c.waitOrphans(ctx)
}

// signalOrphans tells the postmaster if it is alive, which tells its children; SIGKILL
// cannot be passed on, so then each process gets it.
func (c cluster) signalOrphans(pids []int, sig syscall.Signal) error {
	if postmaster := postmasterPID(c.dataDir()); sig != syscall.SIGKILL && slices.Contains(pids, postmaster) {
		pids = []int{postmaster}
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the orphaned postgres process %d: %w", pid, err)
		}
	}
	return nil
}

// waitOrphans returns nil when no process of the cluster is left.
func (c cluster) waitOrphans(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, orphanPatience)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		pids, err := clusterProcesses(c.dataDir())
		if err != nil {
			return fmt.Errorf("look for processes of the server: %w", err)
		}
		if len(pids) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the processes %v still run on %s: stop them", pids, c.dir)
		case <-ticker.C:
		}
	}
}

// removeStalePIDFile removes a postmaster.pid whose number now belongs to somebody
// else, for which PostgreSQL would refuse to start. It is called when no process of the
// cluster is alive, which can be told for certain only where there is /proc.
func (c cluster) removeStalePIDFile() error {
	pid := postmasterPID(c.dataDir())
	if pid == 0 || !hasProc() || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return nil
	}
	if err := os.Remove(filepath.Join(c.dataDir(), "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the pid file of a server that is gone: %w", err)
	}
	return nil
}

// postmasterPID reads the pid in a cluster's postmaster.pid; 0 if there is none.
func postmasterPID(dir string) int {
	content, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return 0
	}
	return pid
}

func hasProc() bool {
	_, err := os.Stat("/proc/self/fd")
	return err == nil
}
