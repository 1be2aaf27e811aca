package system

import (
	"os/exec"
	"time"

	"boxoffice/internal/rig"
)

// Times of processes.
const (
	// restartPause is how soon a supervisor starts a process again that has ended.
	restartPause = 200 * time.Millisecond
	// drainLimit is how long a node may take to drain, a promise of the program, and a second
	// for what else the machine does.
	drainLimit = 11 * time.Second
)

// keep keeps a process running, which is down at first.
func keep(name, log string, command func() (*exec.Cmd, error)) *rig.Kept {
	return rig.Keep(rig.Keeping{Name: name, Now: time.Now, Pause: restartPause, Log: log, Command: command})
}
