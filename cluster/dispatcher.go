package cluster

import "sync/atomic"

// dispatcher runs the mailboxes of grains on goroutines that it uses again: what a grain
// does needs a deeper stack than a new goroutine has, and growing it anew for every message
// costs more than the goroutine does.
type dispatcher struct {
	next   chan func() // to whoever waits
	idle   atomic.Int32
	closed <-chan struct{} // ends those who wait
}

const (
	// maxIdle is how many goroutines wait for work. As many mailboxes as there is work for
	// run at a time; past this number their goroutines end with it.
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
