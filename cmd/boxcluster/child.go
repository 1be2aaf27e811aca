package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// Bounds of keeping a process running.
const (
	// restartPause is longer than a balancer takes to notice that a node is gone.
	restartPause = 500 * time.Millisecond
	// stopLimit is how long a process may take to stop; a node promises 10 s.
	stopLimit = 12 * time.Second
	// A process that fails before it has run for steadyAfter has had a short life. After
	// shortLives of them in a row it is not started again.
	steadyAfter = 5 * time.Second
	shortLives  = 5
	// badSettings is the exit status of a node that starting again will not help.
	badSettings = 2
	probeLimit  = time.Second
)

// child is a process that is kept running.
type child struct {
	name    string
	url     string // where it answers
	probe   string // path that it answers with 200 when it is ready
	pidFile string // there while it runs
	program string
	args    []string
	environ []string
	out     io.Writer // what it says
	// abrupt tells that SIGTERM ends it at once, which is fine.
	abrupt bool
}

// keep runs the process, again whenever it ends, until ctx ends; then it has it stop. It
// fails if the process does not stop cleanly, or will not stay up.
func (p *child) keep(ctx context.Context) error {
	// The signal that a child gets when its parent dies is in truth sent when the thread
	// that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for short := 0; ; short++ {
		began := time.Now()
		state, err := p.runOnce(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("run %s: %w", p.name, err)
		case ctx.Err() != nil && (state.Success() || p.abrupt):
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s did not stop cleanly: %s", p.name, state)
		case state.ExitCode() == badSettings:
			return fmt.Errorf("%s cannot start: %s", p.name, state)
		}
		if state.ExitCode() == -1 || time.Since(began) >= steadyAfter {
			short = 0 // somebody killed it: that is what this is for
		} else if short+1 == shortLives {
			return fmt.Errorf("%s does not stay up: %s", p.name, state)
		}
		fmt.Fprintf(p.out, "has ended (%s); starting it again\n", state)
		pause := time.NewTimer(restartPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil
		}
	}
}

// runOnce runs the process to its end. When ctx ends, the process is told to stop.
func (p *child) runOnce(ctx context.Context) (*os.ProcessState, error) {
	cmd := exec.CommandContext(ctx, p.program, p.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.environ, p.out, p.out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopLimit
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	err := os.WriteFile(p.pidFile, []byte(strconv.Itoa(cmd.Process.Pid)+"\n"), 0o600)
	_ = cmd.Wait() // its state says how it ended
	return cmd.ProcessState, errors.Join(err, os.Remove(p.pidFile))
}

// isReady asks the process whether it answers.
func (p *child) isReady(ctx context.Context, client *http.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+p.probe, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
