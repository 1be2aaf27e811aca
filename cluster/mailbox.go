package cluster

import "github.com/asynkron/protoactor-go/actor"

// grainMailbox is a grain's mailbox. protoactor drops, without a word, what is still in
// the mailbox of an actor that has stopped; this one answers it with a dead letter, so
// that whoever waits asks again at once.
type grainMailbox struct {
	actor.Mailbox
	placement *placement
}

func newGrainMailbox(p *placement) actor.Mailbox {
	return &grainMailbox{Mailbox: actor.Unbounded()(), placement: p}
}

// RegisterHandlers puts a grainInvoker between the mailbox and the actor.
func (m *grainMailbox) RegisterHandlers(invoker actor.MessageInvoker, dispatcher actor.Dispatcher) {
	context, ok := invoker.(interface{ Self() *actor.PID })
	if !ok { // not a protoactor context: nothing to be known about its end
		m.Mailbox.RegisterHandlers(invoker, dispatcher)
		return
	}
	m.Mailbox.RegisterHandlers(&grainInvoker{
		MessageInvoker: invoker, self: context.Self(), placement: m.placement,
	}, dispatcher)
}

// grainInvoker notices when its actor has stopped, and tells the placement. All its
// methods run one after the other, as the actor does.
type grainInvoker struct {
	actor.MessageInvoker
	self      *actor.PID
	placement *placement
	stopped   bool
}

// InvokeSystemMessage implements actor.MessageInvoker. A stop ends with the actor's
// removal from the registry, at once or when its last child has terminated.
func (i *grainInvoker) InvokeSystemMessage(message any) {
	i.MessageInvoker.InvokeSystemMessage(message)
	switch message.(type) {
	case *actor.Stop, *actor.Terminated:
		if _, alive := i.placement.system.ProcessRegistry.GetLocal(i.self.Id); !alive && !i.stopped {
			i.stopped = true
			i.placement.stopped(i.self)
		}
	}
}

// InvokeUserMessage implements actor.MessageInvoker.
func (i *grainInvoker) InvokeUserMessage(message any) {
	if !i.stopped {
		i.MessageInvoker.InvokeUserMessage(message)
		return
	}
	if sender := actor.UnwrapEnvelopeSender(message); sender != nil {
		i.placement.system.Root.Send(sender, &actor.DeadLetterResponse{Target: i.self})
	}
}
