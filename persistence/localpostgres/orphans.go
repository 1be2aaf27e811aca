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

// orphanPatience is how long an orphaned server may take to obey a signal before the
// next stronger one.
const orphanPatience = 10 * time.Second

// stopOrphans ends what is left of a server of the cluster in dir whose parent died.
// The caller holds the lock, so nobody uses that server. It fails, naming the
// processes, if they stay.
func stopOrphans(ctx context.Context, dir string, logger *slog.Logger) error {
	var err error
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		var pids []int
		if pids, err = clusterProcesses(dir); err != nil {
			return fmt.Errorf("look for an orphaned server: %w", err)
		}
		if len(pids) == 0 {
			return removeStalePIDFile(dir)
		}
		logger.WarnContext(ctx, "stopping an orphaned postgres", "dir", dir, "pids", pids, "signal", sig.String())
		if err = signalOrphans(dir, pids, sig); err != nil {
			return err
		}
		if err = waitOrphans(ctx, dir); err == nil {
			return removeStalePIDFile(dir)
		}
		if ctx.Err() != nil {
			return err
		}
	}
	return err
}

// killOrphans ends every process of the cluster at once.
func killOrphans(ctx context.Context, dir string) error {
	pids, err := clusterProcesses(dir)
	if err != nil {
		return fmt.Errorf("look for processes of the server: %w", err)
	}
	if err := signalOrphans(dir, pids, syscall.SIGKILL); err != nil {
		return err
	}
	return waitOrphans(ctx, dir)
}

// signalOrphans tells the postmaster if it is alive, which tells its children. SIGKILL
// cannot be passed on, so then each process gets it.
func signalOrphans(dir string, pids []int, sig syscall.Signal) error {
	if postmaster := readPIDFile(dir).pid; sig != syscall.SIGKILL && slices.Contains(pids, postmaster) {
		pids = []int{postmaster}
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop the postgres process %d: %w", pid, err)
		}
	}
	return nil
}

// waitOrphans returns nil when no process of the cluster is left.
func waitOrphans(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, orphanPatience)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		pids, err := clusterProcesses(dir)
		if err != nil {
			return fmt.Errorf("look for processes of the server: %w", err)
		}
		if len(pids) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the postgres processes %v still work in %s: stop them", pids, dir)
		case <-ticker.C:
		}
	}
}

// removeStalePIDFile removes a postmaster.pid whose number now belongs to somebody
// else, for which PostgreSQL would refuse to start. It is called when no process of the
// cluster is alive, which can be told for certain only where there is /proc.
func removeStalePIDFile(dir string) error {
	pid := readPIDFile(dir).pid
	if pid == 0 || !hasProc() || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return nil
	}
	if err := os.Remove(filepath.Join(dir, "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the pid file of a server that is gone: %w", err)
	}
	return nil
}

// pidFile is what a postmaster writes about itself.
type pidFile struct {
	pid   int // 0: there is no file
	ready bool
}

// readPIDFile reads a cluster's postmaster.pid: the pid in its first line, the status
// in its eighth.
func readPIDFile(dir string) pidFile {
	content, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	if err != nil {
		return pidFile{}
	}
	lines := strings.Split(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return pidFile{}
	}
	return pidFile{pid: pid, ready: len(lines) > 7 && strings.TrimSpace(lines[7]) == "ready"}
}

func hasProc() bool {
	_, err := os.Stat("/proc/self/fd")
	return err == nil
}
