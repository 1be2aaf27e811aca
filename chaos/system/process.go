package system

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Times of processes.
const (
	// restartPause is how soon a supervisor starts a process again that has ended.
	restartPause = 200 * time.Millisecond
	// drainLimit is how long a node may take to drain: a promise of the program.
	drainLimit = 10 * time.Second
)

// Exit is one end of a process.
type Exit struct {
	Name   string    `json:"name"`
	At     time.Time `json:"at"`
	Status string    `json:"status"`
	Clean  bool      `json:"clean"`  // status 0
	Wanted bool      `json:"wanted"` // by a fault or at the end of the run
}

// process is a program that is kept running: started again when it ends, unless it is
// held down.
type process struct {
	name    string
	command func() *exec.Cmd // a fresh one for each start; called with mu held
	log     string           // path; appended to

	supervisor sync.WaitGroup

	mu      sync.Mutex
	cmd     *exec.Cmd     // nil: not running
	ended   chan struct{} // closed when cmd has ended
	down    bool          // held down
	closed  bool
	wanted  bool // the next end is wanted
	changed chan struct{}
	exits   []Exit
}

func newProcess(name, log string, command func() *exec.Cmd) *process {
	p := &process{name: name, log: log, command: command, down: true, changed: make(chan struct{})}
	p.supervisor.Go(p.supervise)
	return p
}

// supervise runs the process again and again. A thread of its own stays with it: the
// signal that a child gets when its parent dies is in truth sent when the thread that
// started it ends.
func (p *process) supervise() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		p.mu.Lock()
		down, closed, changed := p.down, p.closed, p.changed
		p.mu.Unlock()
		if closed {
			return
		}
		if down {
			<-changed
			continue
		}
		if err := p.runOnce(); err != nil {
			p.note(Exit{Name: p.name, At: time.Now(), Status: err.Error()})
		}
		pause := time.NewTimer(restartPause)
		select {
		case <-pause.C:
		case <-changed:
			pause.Stop()
		}
	}
}

func (p *process) runOnce() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", p.name, err)
	}
	defer log.Close()
	cmd, err := p.start(log)
	if err != nil || cmd == nil {
		return err
	}
	_ = cmd.Wait() // its state says how it ended
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exits = append(p.exits, Exit{
		Name: p.name, At: time.Now(), Status: cmd.ProcessState.String(), Wanted: p.wanted || p.closed,
		Clean: cmd.ProcessState.Success(),
	})
	p.cmd = nil
	close(p.ended)
	return nil
}

// start starts the process; nil if it was told to stay down in the meantime.
func (p *process) start(log *os.File) (*exec.Cmd, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down || p.closed {
		return nil, nil
	}
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = diesWithParent()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	p.cmd, p.ended, p.wanted = cmd, make(chan struct{}), false
	return cmd, nil
}

func (p *process) note(e Exit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exits = append(p.exits, e)
}

// Exits tells each end until now.
func (p *process) Exits() []Exit {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Exit(nil), p.exits...)
}

// Up lets the process run, and keeps it running.
func (p *process) Up() { p.set(func() { p.down = false }) }

// hold keeps the process from being started again when it ends.
func (p *process) hold() { p.set(func() { p.down, p.wanted = true, true }) }

func (p *process) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	close(p.changed)
	p.changed = make(chan struct{})
}

// running gives the pid of the process and what is closed when it ends; 0: it is down.
func (p *process) running() (pid int, ended <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0, nil
	}
	return p.cmd.Process.Pid, p.ended
}

// Signal sends a signal. Only our own child can have its pid, until we wait for it.
func (p *process) Signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(sig)
	}
}

// Kill ends the process at once and keeps it down until Up.
func (p *process) Kill() {
	p.hold()
	p.Signal(syscall.SIGKILL)
	if _, ended := p.running(); ended != nil {
		<-ended
	}
}

var errDrain = errors.New("did not drain in time")

// Drain ends the process as SIGTERM does and keeps it down until Up. It fails if that
// takes longer than promised.
func (p *process) Drain(ctx context.Context) error {
	p.hold()
	_, ended := p.running()
	if ended == nil {
		return nil
	}
	p.Signal(syscall.SIGTERM)
	limit := time.NewTimer(drainLimit + time.Second)
	defer limit.Stop()
	select {
	case <-ended:
		if exits := p.Exits(); !exits[len(exits)-1].Clean {
			return fmt.Errorf("%s ended with %s instead of draining", p.name, exits[len(exits)-1].Status)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-limit.C:
		p.Kill()
		return fmt.Errorf("%s: %w", p.name, errDrain)
	}
}

// Close ends the process for good.
func (p *process) Close() {
	p.set(func() { p.closed, p.wanted = true, true })
	p.Signal(syscall.SIGCONT)
	p.Kill()
	p.supervisor.Wait()
}
