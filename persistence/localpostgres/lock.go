package localpostgres

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// lockDir takes the exclusive use of a data directory. The kernel ends it with the process
// that holds it.
func lockDir(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		err = os.WriteFile(file.Name(), strconv.AppendInt(nil, int64(os.Getpid()), 10), 0o600)
	} else if errors.Is(err, syscall.EWOULDBLOCK) {
		holder, _ := os.ReadFile(file.Name()) // empty until the holder has written its pid
		err = fmt.Errorf("it is in use by process %s: stop that process, or choose another directory", holder)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock the data directory %s: %w", dir, err)
	}
	return file, nil
}

// unlock releases a data directory; a second call does nothing. It unlocks before it closes: a
// child that this process is just starting has a copy of the file until it executes its
// program, and the kernel would keep the lock as long as the last copy is open.
func unlock(lock *os.File) {
	if conn, err := lock.SyscallConn(); err == nil { // unlike Fd it knows of a close at the same time
		_ = conn.Control(func(fd uintptr) { _ = syscall.Flock(int(fd), syscall.LOCK_UN) })
	}
	_ = lock.Close()
}
