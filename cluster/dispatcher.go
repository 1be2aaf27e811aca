package cluster

import "sync/atomic"

// dispatcher runs the mailboxes of grains on goroutines that it reuses: a grain needs a
// deeper stack than a new goroutine has, and growing it again for every message costs more
// than the goroutine does.
type dispatcher struct {
	next   chan func() // to goroutines that wait
	idle   atomic.Int32
	closed <-chan struct{} // ends the goroutines that wait
}

const (
	// maxIdle is how many goroutines wait for work. There is no bound on how many run;
	// those past maxIdle end with their work.
	maxIdle = 64
	// throughput is how many messages of a mailbox are processed before others get a turn.
	throughput = 300
)

func newDispatcher(closed <-chan struct{}) *dispatcher {
	return &dispatcher{next: make(chan func()), closed: closed}
}

// Schedule implements actor.Dispatcher. It never blocks.
func (d *dispatcher) Schedule(fn func()) {
	select {
	case d.next <- fn:
	default:
		go d.work(fn)
	}
}

// Throughput implements actor.Dispatcher.
func (d *dispatcher) Throughput() int { return throughput }

func (d *dispatcher) work(fn func()) {
	for {
		fn()
		if d.idle.Add(1) > maxIdle {
			d.idle.Add(-1)
			return
		}
		select {
		case fn = <-d.next:
			d.idle.Add(-1)
		case <-d.closed:
			return
		}
	}
}
