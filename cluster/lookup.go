package cluster

import (
	"context"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"
	protocluster "github.com/asynkron/protoactor-go/cluster"
	"google.golang.org/protobuf/proto"
)

const placementName = "placement"

// door is the process to which other members send their requests to activate a grain.
// Spawning does not wait for anything, so it happens where the request is read.
type door struct {
	placement *placement
}

// SendUserMessage implements actor.Process.
func (d *door) SendUserMessage(_ *actor.PID, message any) {
	_, content, sender := actor.UnwrapEnvelope(message)
	request, ok := content.(*protocluster.ActivationRequest)
	if !ok || sender == nil {
		return
	}
	response := &protocluster.ActivationResponse{Failed: true}
	if k, err := d.placement.parse(request.GetClusterIdentity()); err == nil {
		if pid, err := d.placement.activate(k); err == nil {
			response = &protocluster.ActivationResponse{Pid: pid}
		}
	}
	d.placement.system.Root.Send(sender, response)
}

// SendSystemMessage implements actor.Process; nobody sends any.
func (d *door) SendSystemMessage(*actor.PID, any) {}

// Stop implements actor.Process; it lives as long as the node.
func (d *door) Stop(*actor.PID) {}

// lookup lets protoactor find grains as the node does.
type lookup struct{ node *Node }

// Get implements protocluster.IdentityLookup: nil if the grain cannot be had now.
func (l lookup) Get(identity *protocluster.ClusterIdentity) *actor.PID {
	k, err := l.node.placement.parse(identity)
	if err != nil {
		return nil
	}
	pid, err := l.node.find(k)
	if err != nil {
		return nil
	}
	return pid
}

// RemovePid implements protocluster.IdentityLookup.
func (l lookup) RemovePid(identity *protocluster.ClusterIdentity, pid *actor.PID) {
	if k, err := l.node.placement.parse(identity); err == nil {
		l.node.addresses.remove(k, pid)
	}
}

// Setup implements protocluster.IdentityLookup; the node has set up everything.
func (lookup) Setup(*protocluster.Cluster, []string, bool) {}

// Shutdown implements protocluster.IdentityLookup; Node.Close does it.
func (lookup) Shutdown() {}

// clusterContext lets protoactor's cluster call grains as the node does.
type clusterContext struct{ node *Node }

// Request implements protocluster.Context. Options are not heeded.
func (c clusterContext) Request(identity, kind string, message any, _ ...protocluster.GrainCallOption) (any, error) {
	k, err := c.node.placement.parse(protocluster.NewClusterIdentity(identity, kind))
	if err != nil {
		return nil, err
	}
	m, ok := message.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("message of type %T is no protobuf message", message)
	}
	return c.node.Call(context.Background(), kind, k.id, m)
}

// RequestFuture implements protocluster.Context: one try.
func (c clusterContext) RequestFuture(identity, kind string, message any, _ ...protocluster.GrainCallOption) (*actor.Future, error) {
	pid := lookup(c).Get(protocluster.NewClusterIdentity(identity, kind))
	if pid == nil {
		return nil, errRefused
	}
	return c.node.system.Root.RequestFuture(pid, message, tryTimeout), nil
}
