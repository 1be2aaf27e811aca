package localpostgres

import (
	"os"
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

// passDirectory gives a child dir as an open file under a name that needs no
// permission on the directories above it.
func passDirectory(dir string) (name string, file *os.File, err error) {
	file, err = os.Open(dir)
	return "/proc/self/fd/3", file, err // 3: the first file after the standard ones
}

// clusterProcesses finds the live postgres processes of the cluster in dir. Their
// working directory tells whose they are: a pid alone may have been given to somebody
// else.
func clusterProcesses(dir string) ([]int, error) {
	want, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue // not a process
		}
		process := filepath.Join("/proc", entry.Name())
		// What cannot be read has ended or is somebody else's: a cluster's processes belong
		// to the cluster's owner, whom this process is or may look at.
		executable, err := os.Readlink(filepath.Join(process, "exe"))
		if err != nil || !strings.HasPrefix(filepath.Base(executable), "postgres") {
			continue
		}
		have, err := os.Stat(filepath.Join(process, "cwd"))
		if err != nil || !os.SameFile(want, have) {
			continue
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
