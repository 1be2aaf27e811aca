//go:build unix && !linux

package localpostgres

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// processAttributes makes a child that terminal signals do not reach. There is no
// signal for the death of its parent here; the next start finds it instead.
func processAttributes(credential *syscall.Credential, _ syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential}
}

// passOpen passes a file or directory to a child by its name, as there is no other way
// here.
func passOpen(_ *exec.Cmd, path string) (name string, err error) { return path, nil }

// clusterProcesses finds the live postmaster of the cluster in dir.
func clusterProcesses(dir string) ([]int, error) {
	pid, _ := readPIDFile(dir)
	if pid == 0 {
		return nil, nil
	}
	command, err := exec.CommandContext(context.Background(), "ps", "-o", "comm=", "-p", strconv.Itoa(pid)).Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return nil, nil // no such process
	}
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(filepath.Base(strings.TrimSpace(string(command))), "postgres") {
		return nil, nil
	}
	return []int{pid}, nil
}
