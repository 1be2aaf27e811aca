package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"boxoffice/internal/rig"
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
	// abrupt is true if SIGTERM ends it at once without a clean exit.
	abrupt bool
}

// keep runs the process, again whenever it ends, until ctx ends; then it has it stop. It
// fails if the process does not stop cleanly, or will not stay up.
func (p *child) keep(ctx context.Context) error {
	short := 0 // lives in a row
	kept := rig.Keep(rig.Keeping{
		Name: p.name, Now: time.Now, Pause: restartPause, PIDFile: p.pidFile,
		Command: func() (*exec.Cmd, error) {
			cmd := rig.Command(p.environ, p.program, p.args...)
			cmd.Stdout, cmd.Stderr = p.out, p.out
			return cmd, nil
		},
		Ended: func(e rig.Exit) error { return p.ended(e, &short) },
	})
	defer kept.Close()
	kept.Up()
	select {
	case <-kept.GivenUp():
		return kept.Err()
	case <-ctx.Done():
	}
	err := kept.Drain(stopLimit)
	if p.abrupt && !errors.Is(err, rig.ErrSlow) {
		return nil
	}
	return err
}

// ended decides whether a process that has ended is started again: an error says why not.
func (p *child) ended(e rig.Exit, short *int) error {
	switch {
	case e.Err != nil:
		return fmt.Errorf("run %s: %w", p.name, e.Err)
	case e.Wanted:
		return nil
	case e.Code == badSettings:
		return fmt.Errorf("%s cannot start: %s", p.name, e.Status)
	}
	if e.Code == -1 || e.Ran >= steadyAfter {
		*short = 0 // somebody killed it: that is what this is for
	} else if *short++; *short == shortLives {
		return fmt.Errorf("%s does not stay up: %s", p.name, e.Status)
	}
	fmt.Fprintf(p.out, "has ended (%s); starting it again\n", e.Status)
	return nil
}
