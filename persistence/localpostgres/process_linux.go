package localpostgres

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// processAttributes makes a child that terminal signals do not reach and that gets
// sig when this process dies.
func processAttributes(credential *syscall.Credential, sig syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential, Pdeathsig: sig}
}

// passOpen has a child inherit a file or directory, open, and returns a name that needs no
// permission on the directories above it.
func passOpen(cmd *exec.Cmd, path string) (name string, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	return fmt.Sprintf("/proc/self/fd/%d", 2+len(cmd.ExtraFiles)), nil // after the three standard ones
}

// clusterProcesses finds the live postgres processes of the cluster in dir. Their working
// directory identifies them: a pid alone may belong to another process by now.
func clusterProcesses(dir string) ([]int, error) {
	want, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// Their name, not their executable: a process that is ending has no executable any
	// more while it is still attached to the cluster's shared memory. What cannot be
	// read has ended or is somebody else's: a cluster's processes belong to its owner,
	// whom this process is or may look at.
	processes, err := filepath.Glob("/proc/[1-9]*")
	var pids []int
	for _, process := range processes {
		name, err := os.ReadFile(filepath.Join(process, "comm"))
		if err != nil || !strings.HasPrefix(string(name), "postgres") {
			continue
		}
		have, err := os.Stat(filepath.Join(process, "cwd"))
		if err != nil || !os.SameFile(want, have) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, err
}
