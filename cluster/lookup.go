package cluster

import (
	"github.com/asynkron/protoactor-go/actor"
	protocluster "github.com/asynkron/protoactor-go/cluster"
)

// lookup is how protoactor's cluster finds grains: its extension point for that.
type lookup struct{ node *Node }

// Get implements protocluster.IdentityLookup. It activates a grain of this node if
// necessary. The address of another member's grain is that member's id, and the member
// finds the actor, so nothing is asked or remembered. Get returns nil if the grain is not
// available now; placement.reason says why.
func (l lookup) Get(identity *protocluster.ClusterIdentity) *actor.PID {
	p := l.node.placement
	k, err := p.parse(identity)
	if err != nil {
		return nil
	}
	v := p.view.Load()
	if v == nil {
		return nil
	}
	owner := v.owner(k.id)
	switch {
	case owner == nil:
		return nil
	case owner.id != l.node.ID:
		return &actor.PID{Address: owner.id, Id: identity.GetKind() + "/" + identity.GetIdentity()}
	}
	pid, err := p.activate(k)
	if err != nil {
		return nil
	}
	return pid
}

// RemovePid implements protocluster.IdentityLookup: nothing is remembered.
func (lookup) RemovePid(*protocluster.ClusterIdentity, *actor.PID) {}

// Setup implements protocluster.IdentityLookup; the node has set up everything.
func (lookup) Setup(*protocluster.Cluster, []string, bool) {}

// Shutdown implements protocluster.IdentityLookup; Node.Close does it.
func (lookup) Shutdown() {}
