package cluster

import (
	"github.com/asynkron/protoactor-go/actor"
	protocluster "github.com/asynkron/protoactor-go/cluster"
)

// lookup tells protoactor's cluster where grains are: its extension point for that.
type lookup struct{ node *Node }

// Get implements protocluster.IdentityLookup. A grain of this node is activated if it must
// be. One of another member has that member's id for its address, and the member finds
// the actor: so nothing is asked and nothing remembered. It is nil if the grain cannot be
// had now, and placement.reason says why.
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
