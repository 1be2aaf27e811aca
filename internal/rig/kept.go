package rig

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Keeping says how a process is kept running.
type Keeping struct {
	Name string
	// Command makes a fresh command for each start.
	Command func() (*exec.Cmd, error)
	// Pause is how soon the process is started again when it has ended.
	Pause time.Duration
	// Log is a file that output is added to; empty: it goes where Command lets it go.
	Log string
	// PIDFile is there while the process runs; empty: none is written.
	PIDFile string
	// Now is the clock for the times of ends.
	Now func() time.Time
	// Ended is called with each end. If it returns an error, the process is given up; nil:
	// it is always started again.
	Ended func(Exit) error
}

// Exit is one end of a process, or a start that failed.
type Exit struct {
	Name   string        `json:"name"`
	At     time.Time     `json:"at"`
	Ran    time.Duration `json:"-"`
	Code   int           `json:"-"` // -1 after a signal
	Err    error         `json:"-"` // it did not start
	Status string        `json:"status"`
	Clean  bool          `json:"clean"`  // status 0
	Wanted bool          `json:"wanted"` // somebody told it to end
}

// Kept is a process that is started again when it ends, unless it is held down, which it is
// until the first Up. It is safe for concurrent use and must be closed.
type Kept struct {
	keeping    Keeping
	supervisor sync.WaitGroup

	mu      sync.Mutex
	life    *life // nil: not running
	down    bool  // held down
	closed  bool
	wanted  bool // the next end is
	changed chan struct{}
	exits   []Exit
	err     error
	givenUp chan struct{}
}

// life is one life of a process.
type life struct {
	*Process
	noted chan struct{} // closed when its end is noted
}

// Keep keeps a process running from its first Up on.
func Keep(k Keeping) *Kept {
	p := &Kept{keeping: k, down: true, changed: make(chan struct{}), givenUp: make(chan struct{})}
	p.supervisor.Go(p.supervise)
	return p
}

func (p *Kept) supervise() {
	for {
		p.mu.Lock()
		down, closed, changed := p.down, p.closed, p.changed
		p.mu.Unlock()
		switch {
		case closed:
			return
		case down:
			<-changed
			continue
		}
		exit, ran := p.runOnce()
		if ran && p.keeping.Ended != nil {
			if err := p.keeping.Ended(exit); err != nil {
				p.giveUp(err)
				return
			}
		}
		pause := time.NewTimer(p.keeping.Pause)
		select {
		case <-pause.C:
		case <-changed:
			pause.Stop()
		}
	}
}

// runOnce runs the process to its end; false if it was told to stay down in the meantime.
func (p *Kept) runOnce() (Exit, bool) {
	began := p.keeping.Now()
	started, err := p.start()
	if started == nil && err == nil {
		return Exit{}, false
	}
	exit := Exit{Name: p.keeping.Name, Code: -1, Err: err}
	if err != nil {
		exit.Status = err.Error()
	} else {
		defer close(started.noted)
		state := started.State()
		exit.Code, exit.Status, exit.Clean = state.ExitCode(), state.String(), state.Success()
		if p.keeping.PIDFile != "" {
			_ = os.Remove(p.keeping.PIDFile) // who looks finds no such process
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	exit.At, exit.Wanted = p.keeping.Now(), p.wanted || p.closed
	exit.Ran = exit.At.Sub(began)
	p.exits, p.life = append(p.exits, exit), nil
	return exit, true
}

func (p *Kept) start() (*life, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down || p.closed {
		return nil, nil
	}
	process, err := p.keeping.startOnce()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.keeping.Name, err)
	}
	if p.keeping.PIDFile != "" {
		if err := os.WriteFile(p.keeping.PIDFile, []byte(strconv.Itoa(process.PID())+"\n"), 0o600); err != nil {
			process.Kill()
			return nil, fmt.Errorf("tell the id of %s: %w", p.keeping.Name, err)
		}
	}
	p.life, p.wanted = &life{process, make(chan struct{})}, false
	return p.life, nil
}

func (k Keeping) startOnce() (*Process, error) {
	cmd, err := k.Command()
	if err != nil {
		return nil, err
	}
	if k.Log != "" {
		log, err := os.OpenFile(k.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		defer log.Close() // the process has it open itself
		cmd.Stdout, cmd.Stderr = log, log
	}
	return Start(cmd)
}

func (p *Kept) giveUp(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	close(p.givenUp)
}

// GivenUp is closed when the process will not be started again: Err says why.
func (p *Kept) GivenUp() <-chan struct{} { return p.givenUp }

// Err is why the process was given up; nil if it was not.
func (p *Kept) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Exits returns each end until now.
func (p *Kept) Exits() []Exit {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Exit(nil), p.exits...)
}

// Up lets the process run, and keeps it running.
func (p *Kept) Up() { p.set(func() { p.down = false }) }

// Hold keeps the process from being started again when it ends, which is then wanted.
func (p *Kept) Hold() { p.set(func() { p.down, p.wanted = true, true }) }

func (p *Kept) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

// Process returns the process; nil while it is down.
func (p *Kept) Process() *Process {
	if running := p.running(); running != nil {
		return running.Process
	}
	return nil
}

func (p *Kept) running() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
}

// Signal does nothing while the process is down.
func (p *Kept) Signal(sig os.Signal) {
	if running := p.running(); running != nil {
		running.Signal(sig)
	}
}

// Kill ends the process at once and keeps it down until Up.
func (p *Kept) Kill() {
	p.Hold()
	if running := p.running(); running != nil {
		running.Kill()
		<-running.noted
	}
}

// Drain ends the process with SIGTERM and keeps it down until Up. It fails if the process
// takes longer than limit, and is killed, or ends with another status than 0.
func (p *Kept) Drain(limit time.Duration) error {
	p.Hold()
	running := p.running()
	if running == nil {
		return nil
	}
	err := running.Stop(limit)
	<-running.noted
	if errors.Is(err, ErrSlow) {
		return fmt.Errorf("%s %w", p.keeping.Name, ErrSlow)
	}
	if err != nil {
		return fmt.Errorf("%s did not stop cleanly: %s", p.keeping.Name, running.State())
	}
	return nil
}

// Close ends the process for good.
func (p *Kept) Close() {
	p.set(func() { p.closed, p.wanted = true, true })
	p.Signal(syscall.SIGCONT)
	p.Kill()
	p.supervisor.Wait()
}
