package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// outputDelay is how long the end of a process may wait for what its own children still
// hold of its output.
const outputDelay = 5 * time.Second

// ErrSlow says that a process did not stop in time and was killed.
var ErrSlow = errors.New("did not stop in time")

// Process is a process that was started.
type Process struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// Command prepares a command for [Start]. No context ends it: whoever starts it stops it.
func Command(environ []string, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), path, args...)
	cmd.Env = environ
	return cmd
}

// Start starts a command. What it writes may go anywhere but to pipes of the command
// itself, which would be closed at its end before they are read.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, ended: make(chan struct{})}
	cmd.SysProcAttr, cmd.WaitDelay = attributes(), outputDelay
	started := make(chan error)
	go func() { // ends with the process
		defer close(p.ended)
		// The signal that a child gets when its parent dies is in truth sent when the thread
		// that started it ends.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // its state says how it ended
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// PID is the process's id, which nobody else has as long as it has not ended.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the process has ended and all that it wrote has been passed on.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// State waits for the end and returns how it came.
func (p *Process) State() *os.ProcessState {
	<-p.ended
	return p.cmd.ProcessState
}

// Signal does nothing to a process that has ended.
func (p *Process) Signal(sig os.Signal) { _ = p.cmd.Process.Signal(sig) }

// Kill ends the process at once and waits for that.
func (p *Process) Kill() *os.ProcessState {
	p.Signal(syscall.SIGKILL)
	return p.State()
}

// Stop ends the process as its operator does, with SIGTERM, and waits until it has ended. An
// end with another status than 0 is an error; a process that takes longer than limit is
// killed, which is [ErrSlow].
func (p *Process) Stop(limit time.Duration) error {
	p.Signal(syscall.SIGTERM)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("%s: %w", filepath.Base(p.cmd.Path), ErrSlow)
	}
	if state := p.State(); !state.Success() {
		return fmt.Errorf("%s did not stop cleanly: %s", filepath.Base(p.cmd.Path), state)
	}
	return nil
}
