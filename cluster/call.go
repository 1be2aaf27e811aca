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
	"google.golang.org/protobuf/proto"

	"boxoffice"
)

// Why a try had no answer.
var (
	errNoOwner    = errors.New("no member is ready")
	errTimeout    = errors.New("no answer in time")
	errDeadLetter = errors.New("the grain has stopped")
	errGone       = errors.New("the member has left")
	errAskAgain   = errors.New("the grain asks to be asked again")
	errRefused    = errors.New("the member refuses to activate the grain now")
	errClosed     = errors.New("the node is closed")
	errAnswer     = errors.New("the answer is no protobuf message") // again would not help
)

// Call sends a message to the grain of a kind and id, wherever it lives, and gives its
// answer. The message may be delivered more than once: what it asks for must be safe to
// repeat. It is tried anew while the grain does not answer in time, has moved, stopped
// or asks for it, or its member is gone, for 5 s in all or until ctx ends. Then it
// fails with boxoffice.CodeUnavailable; the message may have been acted upon.
//
// The message must not be changed afterwards: a grain on this node gets it as it is.
func (n *Node) Call(ctx context.Context, kind string, id int64, message proto.Message) (proto.Message, error) {
	k, err := n.placement.key(kind, id)
	if err != nil {
		return nil, err
	}
	began := n.cfg.Now()
	timer := time.NewTimer(callTimeout)
	defer timer.Stop()
	c := call{node: n, key: k, message: message, deadline: began.Add(callTimeout), timer: timer}
	reply, err := c.run(ctx)
	if err != nil {
		err = boxoffice.Unavailable(fmt.Errorf("call %s %d: %w", kind, id, err))
	}
	if n.cfg.Observer.Called != nil {
		n.cfg.Observer.Called(kind, c.tries, n.cfg.Now().Sub(began), err)
	}
	return reply, err
}

// call is one Call in progress.
type call struct {
	node     *Node
	key      key
	message  proto.Message
	deadline time.Time
	timer    *time.Timer
	tries    int
}

func (c *call) run(ctx context.Context) (proto.Message, error) {
	for {
		c.tries++
		reply, err := c.try(ctx)
		if err == nil {
			return reply, nil
		}
		pause := pauseAfter(c.tries)
		if errors.Is(err, errAnswer) || c.deadline.Sub(c.node.cfg.Now()) <= pause {
			return nil, err
		}
		c.timer.Reset(pause)
		select {
		case <-c.timer.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w, after %w", context.Cause(ctx), err)
		case <-c.node.closed:
			return nil, fmt.Errorf("%w, after %w", errClosed, err)
		}
	}
}

// pauseAfter gives the pause after so many tries: doubled each time from 5 to 100 ms, of
// which a random half is left out, so that those who failed together do not come back
// together.
func pauseAfter(tries int) time.Duration {
	full := min(minBackoff<<min(tries, 10), maxBackoff)
	return full/2 + rand.N(full/2)
}

// try asks the grain once.
func (c *call) try(ctx context.Context) (proto.Message, error) {
	v := c.node.placement.view.Load()
	if v == nil {
		return nil, errNoOwner
	}
	owner := v.owner(c.key.id)
	if owner == nil {
		return nil, errNoOwner
	}
	target, err := c.target(ctx, owner)
	if err != nil {
		return nil, err
	}
	answer, err := c.ask(ctx, owner, target, c.message)
	if err == nil {
		switch reply := answer.(type) {
		case *actor.DeadLetterResponse:
			err = errDeadLetter
		case proto.Message:
			if c.node.cfg.Retry == nil || !c.node.cfg.Retry(reply) {
				return reply, nil
			}
			err = errAskAgain
		default:
			return nil, fmt.Errorf("%w but %T", errAnswer, answer)
		}
	}
	c.node.addresses.remove(c.key, target)
	return nil, err
}

// target gives the grain's actor; on another member, where it was or as it is told.
func (c *call) target(ctx context.Context, owner *peer) (*actor.PID, error) {
	if owner.id == c.node.ID {
		return c.node.placement.activate(c.key)
	}
	if pid := c.node.addresses.get(c.key, owner.id); pid != nil {
		return pid, nil
	}
	answer, err := c.ask(ctx, owner, actor.NewPID(owner.id, placementName), &protocluster.ActivationRequest{
		ClusterIdentity: protocluster.NewClusterIdentity(
			strconv.FormatInt(c.key.id, 10), c.node.placement.kinds[c.key.kind].name),
	})
	if err != nil {
		return nil, err
	}
	response, ok := answer.(*protocluster.ActivationResponse)
	if !ok || response.GetFailed() || response.GetPid() == nil {
		return nil, errRefused
	}
	c.node.addresses.put(c.key, response.GetPid())
	return response.GetPid(), nil
}

// ask sends a message and waits for its answer. Nothing gets lost on the way to an
// actor of this node, so there it waits as long as the call may.
func (c *call) ask(ctx context.Context, owner *peer, target *actor.PID, message proto.Message) (any, error) {
	wait := c.deadline.Sub(c.node.cfg.Now())
	if owner.id != c.node.ID {
		wait = min(wait, tryTimeout)
	}
	sender, arrives := c.node.replies.expect()
	defer c.node.replies.forget(sender)
	c.node.system.Root.Send(target, &actor.MessageEnvelope{Message: message, Sender: sender})
	c.timer.Reset(wait)
	select {
	case answer := <-arrives:
		return answer, nil
	case <-c.timer.C:
		return nil, errTimeout
	case <-owner.gone:
		return nil, errGone
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-c.node.closed:
		return nil, errClosed
	}
}
