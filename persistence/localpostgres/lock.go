package localpostgres

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// InUseError says that another process uses the data directory.
type InUseError struct {
	DataDir string
	PID     int // of the other process; 0 if it could not be told
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("the data directory %s is in use by process %d: stop that process, or choose another directory", e.DataDir, e.PID)
}

// pidLength bounds how much of a lock file is read, in bytes.
const pidLength = 20

// dirLock is the exclusive use of a data directory. The kernel ends it with the
// process that holds it.
type dirLock struct {
	file *os.File
	once sync.Once // releases
}

func lockDir(dir string) (*dirLock, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer file.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock the data directory %s: %w", dir, err)
		}
		content, err := io.ReadAll(io.LimitReader(file, pidLength))
		if err != nil {
			return nil, fmt.Errorf("read who holds the data directory %s: %w", dir, err)
		}
		// A holder that has not written its pid yet leaves 0.
		pid, _ := strconv.Atoi(strings.TrimSpace(string(content)))
		return nil, &InUseError{DataDir: dir, PID: pid}
	}
	lock := &dirLock{file: file}
	if err := file.Truncate(0); err != nil {
		lock.release()
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if _, err := file.WriteAt(strconv.AppendInt(nil, int64(os.Getpid()), 10), 0); err != nil {
		lock.release()
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	return lock, nil
}

// release may be called more than once. It unlocks before it closes: a child that this
// process is just starting has a copy of the file until it executes its program, and
// the kernel would keep the lock as long as the last copy is open.
func (l *dirLock) release() {
	l.once.Do(func() {
		_ = syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN)
		_ = l.file.Close()
	})
}
