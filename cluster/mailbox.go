package cluster

import (
	"runtime"
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

// grainMailbox is a grain's mailbox. It differs from protoactor's in two ways. An idle one
// takes little memory, as there may be hundreds of thousands. And messages that are still
// in it when its actor has stopped, or arrive after that, are answered with a dead letter
// instead of being dropped silently, so that their senders ask again at once.
//
// It is not bounded: an overloaded grain sheds commands itself, and answers that it did.
type grainMailbox struct {
	placement  *placement
	invoker    actor.MessageInvoker
	dispatcher actor.Dispatcher

	mu        sync.Mutex
	system    mailQueue // handled first
	user      mailQueue
	running   bool // some goroutine takes messages out
	suspended bool // the actor has failed: only the system's messages are taken

	stopped bool // the actor has stopped; owned by the goroutine that takes messages out
}

// PostUserMessage implements actor.Mailbox.
func (m *grainMailbox) PostUserMessage(message any) { m.post(&m.user, message) }

// PostSystemMessage implements actor.Mailbox.
func (m *grainMailbox) PostSystemMessage(message any) { m.post(&m.system, message) }

// RegisterHandlers implements actor.Mailbox. It is called before any message arrives.
func (m *grainMailbox) RegisterHandlers(invoker actor.MessageInvoker, dispatcher actor.Dispatcher) {
	m.invoker, m.dispatcher = invoker, dispatcher
}

// Start implements actor.Mailbox.
func (m *grainMailbox) Start() {}

// UserMessageCount implements actor.Mailbox.
func (m *grainMailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.user.length()
}

func (m *grainMailbox) post(queue *mailQueue, message any) {
	m.mu.Lock()
	queue.push(message)
	start := !m.running
	m.running = true
	m.mu.Unlock()
	if start {
		m.dispatcher.Schedule(m.run)
	}
}

// run hands messages to the actor until there are none. The actor's supervisor handles its
// panics, by sending messages.
func (m *grainMailbox) run() {
	for done := false; !done; {
		done = m.handAll()
	}
}

// handAll hands messages over; it returns false if the actor failed.
func (m *grainMailbox) handAll() (done bool) {
	var message any
	defer func() {
		if reason := recover(); reason != nil {
			m.invoker.EscalateFailure(reason, message)
		}
	}()
	for handed := 1; ; handed++ {
		var system bool
		if message, system = m.take(); message == nil {
			return true
		}
		if system {
			m.handSystem(message)
		} else {
			m.handUser(message)
		}
		if handed%m.dispatcher.Throughput() == 0 {
			runtime.Gosched()
		}
	}
}

// take returns the next message; nil if there is none, and then another goroutine may run.
func (m *grainMailbox) take() (message any, system bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.system.length() > 0:
		return m.system.pop(), true
	case m.user.length() > 0 && !m.suspended:
		return m.user.pop(), false
	default:
		m.running = false
		return nil, false
	}
}

// handSystem notices when the actor has stopped, and notifies the placement. A stop ends
// with the actor's removal from the registry, at once or when its last child has
// terminated; it may panic after that. An actor that has stopped is neither restarted nor
// suspended: what is still in its mailbox must be answered.
func (m *grainMailbox) handSystem(message any) {
	switch message.(type) {
	case *actor.SuspendMailbox:
		m.suspend(!m.stopped)
		return
	case *actor.ResumeMailbox:
		m.suspend(false)
		return
	case *actor.Restart:
		if m.stopped {
			return
		}
	case *actor.Stop, *actor.Terminated:
		defer m.noticeEnd()
	}
	m.invoker.InvokeSystemMessage(message)
}

func (m *grainMailbox) noticeEnd() {
	if _, alive := m.placement.system.ProcessRegistry.GetLocal(m.self().GetId()); !alive && !m.stopped {
		m.stopped = true
		m.suspend(false)
		m.placement.stopped(m.self())
	}
}

func (m *grainMailbox) suspend(suspended bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.suspended = suspended
}

func (m *grainMailbox) handUser(message any) {
	if !m.stopped {
		m.invoker.InvokeUserMessage(message)
		return
	}
	if sender := actor.UnwrapEnvelopeSender(message); sender != nil {
		m.placement.system.Root.Send(sender, &actor.DeadLetterResponse{Target: m.self()})
	}
}

// self returns the actor; nil if the invoker is not one.
func (m *grainMailbox) self() *actor.PID {
	if context, ok := m.invoker.(interface{ Self() *actor.PID }); ok {
		return context.Self()
	}
	return nil
}

// maxSpareMails is how many messages an empty queue keeps capacity for.
const maxSpareMails = 4

// mailQueue holds messages, which are not nil, in the order in which they came.
type mailQueue struct {
	messages []any // those before first are taken
	first    int
}

func (q *mailQueue) length() int { return len(q.messages) - q.first }

func (q *mailQueue) push(message any) {
	if len(q.messages) == cap(q.messages) && q.first >= q.length() && q.first > 0 {
		left := copy(q.messages, q.messages[q.first:])
		clear(q.messages[left:])
		q.messages, q.first = q.messages[:left], 0
	}
	q.messages = append(q.messages, message)
}

// pop takes the first message of a queue that is not empty.
func (q *mailQueue) pop() any {
	message := q.messages[q.first]
	q.messages[q.first] = nil
	q.first++
	switch {
	case q.length() > 0:
	case cap(q.messages) > maxSpareMails:
		*q = mailQueue{}
	default:
		q.messages, q.first = q.messages[:0], 0
	}
	return message
}
