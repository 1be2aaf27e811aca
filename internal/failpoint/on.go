//go:build failpoint

package failpoint

import (
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Hit does what the file of the place says, if there is one. Whoever removes the file
// has it to do: nobody else.
func Hit(p Point) {
	dir := os.Getenv("CHAOS_FAILPOINTS")
	if dir == "" {
		return
	}
	path := filepath.Join(dir, string(p))
	action, err := os.ReadFile(path)
	if err != nil || os.Remove(path) != nil {
		return
	}
	switch Action(action) {
	case Kill:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // it is on its way
	case Pause:
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
}

// Now is the process's clock, as wrong as the variable CHAOS_CLOCK_SKEW says.
func Now() time.Time {
	skew, err := time.ParseDuration(os.Getenv("CHAOS_CLOCK_SKEW"))
	if err != nil {
		return time.Now()
	}
	return time.Now().Add(skew)
}
