package system

import (
	"context"
	"fmt"
	"time"

	"boxoffice/chaos/plan"
)

// slowness is what postgres-slow adds to each way of each connection.
const slowness = 150 * time.Millisecond

// cut changes the weather between processes for as long as the fault lasts.
func (s *System) cut(ctx context.Context, f plan.Fault, n *Node) error {
	both := Weather{CutTo: true, CutFrom: true}
	defer s.clear()
	switch f.Kind {
	case plan.CutPostgres:
		n.postgres.Set(both)
	case plan.CutNATS:
		n.nats.Set(both)
	case plan.CutNodes:
		peer := s.nodes[f.Peer%len(s.nodes)]
		n.peers.SetFor(peer.Index, both)
		peer.peers.SetFor(n.Index, both)
	case plan.CutNodesOneWay:
		// What node sends to peer is held, on the connections that either of them made.
		peer := s.nodes[f.Peer%len(s.nodes)]
		peer.peers.SetFor(n.Index, Weather{CutTo: true})
		n.peers.SetFor(peer.Index, Weather{CutFrom: true})
	case plan.CutAll:
		n.postgres.Set(both)
		n.nats.Set(both)
		n.peers.Set(both)
		for _, other := range s.nodes {
			if other != n {
				other.peers.SetFor(n.Index, both)
			}
		}
	case plan.SlowPostgres:
		for _, n := range s.nodes {
			n.postgres.Set(Weather{Delay: slowness})
		}
	default:
		return fmt.Errorf("%s is not a fault of the system", f.Kind)
	}
	return pause(ctx, f.Length)
}

func (s *System) clear() {
	for _, n := range s.nodes {
		n.postgres.Clear()
		n.nats.Clear()
		n.peers.Clear()
	}
}
