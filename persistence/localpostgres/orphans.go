package localpostgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// orphanPatience is how long an orphaned server may take to obey a signal before the
// next stronger one.
const orphanPatience = 10 * time.Second

// stopOrphans ends what is left of a server of the cluster in dir whose parent died, with
// one signal after the other. The caller holds the lock, so nobody uses that server. It
// fails, naming the processes, if they stay.
func (c cluster) stopOrphans(ctx context.Context, dir string, signals ...syscall.Signal) error {
	for i := 0; ; i++ {
		pids, err := clusterProcesses(dir)
		if err != nil {
			return fmt.Errorf("look for an orphaned server: %w", err)
		}
		if len(pids) == 0 {
			return removeStalePIDFile(dir)
		}
		if i == len(signals) || ctx.Err() != nil {
			return fmt.Errorf("the postgres processes %v still work in %s: stop them", pids, dir)
		}
		c.logger.WarnContext(ctx, "stopping an orphaned postgres", "dir", dir, "pids", pids, "signal", signals[i].String())
		if err := signalOrphans(dir, pids, signals[i]); err != nil {
			return err
		}
		awaitOrphans(ctx, dir)
	}
}

// signalOrphans signals the postmaster if it is alive, which signals its children. SIGKILL
// cannot be passed on, so then each process gets it.
func signalOrphans(dir string, pids []int, sig syscall.Signal) error {
	if postmaster, _ := readPIDFile(dir); sig != syscall.SIGKILL && slices.Contains(pids, postmaster) {
		pids = []int{postmaster}
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the postgres process %d: %w", pid, err)
		}
	}
	return nil
}

// awaitOrphans returns when no process of the cluster is left, or its patience is at an end.
func awaitOrphans(ctx context.Context, dir string) {
	ctx, cancel := context.WithTimeout(ctx, orphanPatience)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		if pids, err := clusterProcesses(dir); err != nil || len(pids) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// removeStalePIDFile removes a postmaster.pid whose number now belongs to somebody else,
// for which PostgreSQL would refuse to start. It is called when no process of the cluster
// is alive, which is certain only where there is /proc.
func removeStalePIDFile(dir string) error {
	pid, _ := readPIDFile(dir)
	if _, err := os.Stat("/proc/self/fd"); err != nil || pid == 0 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return nil //nolint:nilerr // where there is no /proc, PostgreSQL decides
	}
	if err := os.Remove(filepath.Join(dir, "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the pid file of a server that is gone: %w", err)
	}
	return nil
}

// readPIDFile reads what a postmaster writes about itself in postmaster.pid: the pid in its
// first line (0 where there is no file), the status in its eighth.
func readPIDFile(dir string) (pid int, ready bool) {
	content, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if err != nil {
		return 0, false
	}
	lines := strings.Split(string(content), "\n")
	pid, err = strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return 0, false
	}
	return pid, len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"
}
