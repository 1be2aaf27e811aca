package system

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"boxoffice/chaos/failpoint"
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

// points are the failpoints of the faults, and what happens there.
func points() map[plan.Kind]failpoint.Armed {
	return map[plan.Kind]failpoint.Armed{
		plan.KillBeforeAppend:  {Point: failpoint.BeforeAppend, Action: failpoint.Kill},
		plan.KillCommitSent:    {Point: failpoint.CommitSent, Action: failpoint.Kill},
		plan.KillBeforeReply:   {Point: failpoint.BeforeReply, Action: failpoint.Kill},
		plan.KillBeforePublish: {Point: failpoint.BeforePublish, Action: failpoint.Kill},
		plan.KillActivation:    {Point: failpoint.Activation, Action: failpoint.Kill},
		plan.PauseTransaction:  {Point: failpoint.InTransaction, Action: failpoint.Pause},
	}
}

// errNotReached tells that no request came by a failpoint while it was armed.
var errNotReached = errors.New("nothing came by the failpoint")

// failpoint arms a failpoint of a node, waits until it was hit, and brings the node back
// after the length of the fault.
func (s *System) failpoint(ctx context.Context, f plan.Fault, n *Node) error {
	const reachLimit = 5 * time.Second
	armed := points()[f.Kind]
	path := filepath.Join(n.FailpointDir, string(armed.Point))
	_, ended := n.running()
	n.hold()
	defer n.Up()
	if err := os.WriteFile(path, []byte(armed.Action), 0o600); err != nil {
		return fmt.Errorf("arm %s: %w", armed.Point, err)
	}
	if armed.Point == failpoint.Activation {
		// Grains are activated where they have to be: let every one be taken anew.
		if _, err := s.Exec(ctx, "UPDATE grains SET epoch = epoch + 1, owner = 'chaos'"); err != nil {
			return err
		}
	}
	limit := time.NewTimer(reachLimit)
	defer limit.Stop()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for hit := false; !hit; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return errors.Join(fmt.Errorf("%s of node %d: %w", armed.Point, n.Index, errNotReached), os.Remove(path))
		case <-ended:
			hit = true
		case <-ticker.C:
			_, err := os.Stat(path)
			hit = errors.Is(err, os.ErrNotExist)
		}
	}
	err := pause(ctx, f.Length)
	n.Signal(syscall.SIGCONT)
	return err
}
