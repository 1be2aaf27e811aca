package system

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"boxoffice/chaos/plan"
	"boxoffice/internal/failpoint"
)

// reachLimit is how long a request may take to come by a failpoint of a node that has
// something to do.
const reachLimit = 2 * time.Second

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

// errNotReached means that no request reached a failpoint while it was armed.
var errNotReached = errors.New("nothing came by the failpoint")

// failpoint hits a failpoint of a node, or of the next one where it has none of the
// grains, and brings the node back after the length of the fault.
func (s *System) failpoint(ctx context.Context, f plan.Fault) error {
	var err error
	for i := range s.nodes {
		err = s.hit(ctx, f, s.nodes[(f.Node+i)%len(s.nodes)])
		if !errors.Is(err, errNotReached) {
			return err
		}
	}
	return err
}

func (s *System) hit(ctx context.Context, f plan.Fault, n *Node) error {
	armed := points()[f.Kind]
	path := filepath.Join(n.FailpointDir, string(armed.Point))
	var ended <-chan struct{}
	if process := n.Process(); process != nil {
		ended = process.Ended()
	}
	n.Hold()
	defer n.Up()
	if err := os.WriteFile(path, []byte(armed.Action), 0o600); err != nil {
		return fmt.Errorf("arm %s: %w", armed.Point, err)
	}
	if armed.Point == failpoint.Activation {
		// Grains are activated where they have to be: have every one activated again.
		if err := s.Exec(ctx, "UPDATE grains SET epoch = epoch + 1, owner = 'chaos'"); err != nil {
			return err
		}
	}
	// It may be hit at the last moment; and a node may end by itself without being hit.
	err := awaitHit(ctx, path, ended)
	if !errors.Is(os.Remove(path), os.ErrNotExist) {
		return fmt.Errorf("%s of node %d: %w", armed.Point, n.Index, cmp.Or(err, errNotReached))
	}
	err = pause(ctx, f.Length)
	n.Signal(syscall.SIGCONT)
	return err
}

// awaitHit waits until a failpoint's file is gone or its process has ended.
func awaitHit(ctx context.Context, path string, ended <-chan struct{}) error {
	limit := time.NewTimer(reachLimit)
	defer limit.Stop()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return errNotReached
		case <-ended:
			return nil
		case <-ticker.C:
			if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
				return nil
			}
		}
	}
}
