package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	protocluster "github.com/asynkron/protoactor-go/cluster"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"boxoffice"
)

// Reasons for a try to have no answer.
var (
	errNoOwner    = errors.New("no member is ready")
	errTimeout    = errors.New("no answer in time")
	errDeadLetter = errors.New("the grain has stopped")
	errGone       = errors.New("the member has left")
	errAskAgain   = errors.New("the grain asks to be asked again")
	errClosed     = errors.New("the node is closed")
	// With these, another try would have none either.
	errAnswer    = errors.New("the answer is no protobuf message")
	errNotSpoken = errors.New("it has no version of the service between nodes, or no secret, in common with this one")
)

// Call sends a message to the grain of a kind and id, wherever it lives, and returns its
// answer. One message is under way at a time: it is sent again only when the grain asks for
// it, has moved or stopped, or when its member is gone or the connection to it broke. So it
// may be delivered more than once, and what it asks for must be safe to repeat. A call ends
// after 5 s, or with ctx, and fails with boxoffice.CodeUnavailable; the message may have
// been acted upon.
//
// The message must not be changed afterwards: a grain on this node gets it as it is.
func (n *Node) Call(ctx context.Context, kind string, id int64, message proto.Message) (proto.Message, error) {
	reply, err := n.cluster.Request(strconv.FormatInt(id, 10), kind, message, protocluster.WithContext(sender{n.system.Root, ctx}))
	if err != nil {
		return nil, err
	}
	answer, _ := reply.(proto.Message) // callContext ensures it
	return answer, nil
}

// sender identifies the caller: protoactor's cluster carries it to callContext.
type sender struct {
	actor.SenderContext
	caller context.Context //nolint:containedctx // protoactor has no other place for it
}

// callContext is how protoactor's cluster calls grains: its extension point for that.
type callContext struct{ node *Node }

// Request implements protocluster.Context. Of the options it uses the time-out and, if it
// is a sender, the context.
func (c callContext) Request(identity, kind string, message any, options ...protocluster.GrainCallOption) (any, error) {
	cfg := protocluster.GrainCallConfig{Timeout: callTimeout}
	for _, option := range options {
		option(&cfg)
	}
	ctx := context.Background()
	if from, ok := cfg.Context.(sender); ok {
		ctx = from.caller
	}
	ctx, cancel := context.WithTimeoutCause(ctx, min(cfg.Timeout, callTimeout), errTimeout)
	defer cancel()

	where := protocluster.NewClusterIdentity(identity, kind)
	if _, err := c.node.placement.parse(where); err != nil {
		return nil, err
	}
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("cluster: message of type %T is no protobuf message", message)
	}
	began := c.node.cfg.Now()
	reply, tries, err := c.try(ctx, where, m)
	if err != nil {
		err = boxoffice.Unavailable(fmt.Errorf("call %s %s: %w", kind, identity, err))
	}
	if c.node.cfg.Observer.Called != nil {
		c.node.cfg.Observer.Called(kind, tries, c.node.cfg.Now().Sub(began), err)
	}
	return reply, err
}

// RequestFuture implements protocluster.Context.
func (c callContext) RequestFuture(identity, kind string, message any, options ...protocluster.GrainCallOption) (*actor.Future, error) {
	future := actor.NewFuture(c.node.system, callTimeout)
	c.node.tasks.Go(func() {
		reply, err := c.Request(identity, kind, message, options...)
		if err != nil {
			reply = err
		}
		c.node.system.Root.Send(future.PID(), reply)
	})
	return future, nil
}

// try asks the grain until it answers, ctx ends, or another try would not help.
func (c callContext) try(ctx context.Context, where *protocluster.ClusterIdentity, message proto.Message) (reply proto.Message, tries int, err error) {
	for {
		tries++
		reply, err = c.once(ctx, where, message)
		if err == nil || isFinal(err) {
			return reply, tries, err
		}
		pause := time.NewTimer(pauseAfter(tries))
		select {
		case <-pause.C:
			continue
		case <-ctx.Done():
			err = fmt.Errorf("%w, after %w", context.Cause(ctx), err)
		case <-c.node.closed:
			err = fmt.Errorf("%w, after %w", errClosed, err)
		}
		pause.Stop()
		return nil, tries, err
	}
}

// isFinal reports whether another try would end as this one did.
func isFinal(err error) bool {
	switch status.Code(err) {
	case codes.Unimplemented, codes.InvalidArgument, codes.Internal, codes.ResourceExhausted:
		return true
	default:
		return errors.Is(err, errAnswer) || errors.Is(err, errNotSpoken)
	}
}

// pauseAfter returns the pause after so many tries: doubled each time from 5 to 100 ms,
// less up to half of it at random, so that callers that failed together do not come back
// together.
func pauseAfter(tries int) time.Duration {
	full := min(minBackoff<<min(tries, 10), maxBackoff)
	return full/2 + rand.N(full/2)
}

// once asks the grain where it is now.
func (c callContext) once(ctx context.Context, where *protocluster.ClusterIdentity, message proto.Message) (reply proto.Message, err error) {
	pid := c.node.cluster.IdentityLookup.Get(where)
	switch {
	case pid == nil:
		return nil, c.node.placement.reason(where)
	case pid.Address == c.node.ID:
		reply, err = c.node.ask(ctx, pid, message)
	default:
		reply, err = c.node.peers.call(ctx, pid, message)
	}
	if err == nil && c.node.cfg.Retry != nil && c.node.cfg.Retry(reply) {
		return nil, errAskAgain
	}
	return reply, err
}

// ask sends a message to an actor of this node and waits for its answer.
func (n *Node) ask(ctx context.Context, pid *actor.PID, message proto.Message) (proto.Message, error) {
	arrives, registry := make(arrival, 1), n.system.ProcessRegistry
	to, _ := registry.Add(arrives, registry.NextId())
	defer registry.Remove(to)
	n.system.Root.Send(pid, &actor.MessageEnvelope{Message: message, Sender: to})
	select {
	case reply := <-arrives:
		switch reply := reply.(type) {
		case *actor.DeadLetterResponse:
			return nil, errDeadLetter
		case proto.Message:
			return reply, nil
		default:
			return nil, fmt.Errorf("%w but %T", errAnswer, reply)
		}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-n.closed:
		return nil, errClosed
	}
}

// arrival is where one answer arrives; it has room for one. Unlike protoactor's futures it
// can be waited for together with a context.
type arrival chan any

// SendUserMessage implements actor.Process. All but the first are dropped.
func (a arrival) SendUserMessage(_ *actor.PID, message any) {
	select {
	case a <- actor.UnwrapEnvelopeMessage(message):
	default:
	}
}

// SendSystemMessage implements actor.Process; nobody sends any.
func (arrival) SendSystemMessage(*actor.PID, any) {}

// Stop implements actor.Process.
func (arrival) Stop(*actor.PID) {}
