package localpostgres

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"sync"
)

// process is a child that runs until it is stopped. A goroutine waits for it.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and its exit functions have run

	mu    sync.Mutex
	ended bool
	exits []func()
}

// startProcess starts a command and waits for it on a thread of its own: the signal
// that Linux sends to the child when its parent dies is in truth sent when the thread
// that started it ends, and Go ends threads.
func startProcess(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // how it ended is in its log
		p.runExits()
	}()
	return p, <-started
}

// runCommand runs a short command to its end on one thread, for the same reason.
func runCommand(cmd *exec.Cmd) ([]byte, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.CombinedOutput()
}

// onExit has f called when the process has ended, or now if it has.
func (p *process) onExit(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		f()
		return
	}
	p.exits = append(p.exits, f)
}

func (p *process) runExits() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for _, f := range p.exits {
		f()
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// signal does nothing to a process that has ended.
func (p *process) signal(sig os.Signal) { _ = p.cmd.Process.Signal(sig) }

// wait returns nil when the process has ended, or ctx's error.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-p.done:
		return nil
	default:
		return ctx.Err()
	}
}
