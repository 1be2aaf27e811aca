package system

import (
	"context"
	"errors"
	"fmt"
	"time"

	"boxoffice/chaos/plan"
)

// commitDelays is what the faults of slow commits add to each.
func commitDelays() map[plan.Kind]time.Duration {
	return map[plan.Kind]time.Duration{
		plan.Commits150:  150 * time.Millisecond,
		plan.Commits450:  450 * time.Millisecond,
		plan.Commits1500: 1500 * time.Millisecond,
	}
}

// grainsMove is how long grains may take to move to a node that has become ready.
const grainsMove = 2 * time.Second

// maxTries is how often a call may be sent to its grain, on average, however slow commits
// are: what is slow is waited for.
const maxTries = 1.5

// ErrWork says that slowness made more work.
var ErrWork = errors.New("commands were sent more often than slowness allows")

// slow makes commits slow, and fails with [ErrWork] if that multiplies calls.
func (s *System) slow(ctx context.Context, f plan.Fault) error {
	// One may have ended by itself after the fault before. When it is back grains move to it, and
	// calls are sent after them.
	if err := errors.Join(s.AwaitReady(ctx), pause(ctx, grainsMove)); err != nil {
		return err
	}
	before, err := s.calls(ctx)
	if err != nil {
		return err
	}
	for _, n := range s.nodes {
		n.postgres.Set(Weather{CommitDelay: commitDelays()[f.Kind]})
	}
	defer s.clear()
	if err := pause(ctx, f.Length); err != nil {
		return err
	}
	after, err := s.calls(ctx)
	if err != nil {
		return err
	}
	calls, tries := after.calls-before.calls, after.tries-before.tries
	if tries > maxTries*calls {
		return fmt.Errorf("%w: %.0f calls took %.0f tries", ErrWork, calls, tries)
	}
	return nil
}

type callCounts struct{ calls, tries float64 }

func (s *System) calls(ctx context.Context) (c callCounts, err error) {
	if c.calls, err = s.Sum(ctx, "boxoffice_grain_call_duration_seconds_count"); err != nil {
		return c, err
	}
	c.tries, err = s.Sum(ctx, "boxoffice_grain_call_tries_total")
	return c, err
}

// silenceTold is how soon a node that cannot write has said so.
const silenceTold = 4 * time.Second

// ErrUnaware says that nodes said they were ready while they could not write.
var ErrUnaware = errors.New("every node was ready all the time that Postgres was silent")

// silence makes the nodes' connections to Postgres dead for good. It fails with [ErrUnaware]
// unless nodes say that they are not ready before they are again: those that write; another
// one may have found out before it had to.
func (s *System) silence(ctx context.Context) error {
	for _, n := range s.nodes {
		n.postgres.Silence()
	}
	unready := false
	for until := time.Now().Add(silenceTold); time.Now().Before(until); {
		for _, n := range s.nodes {
			unready = unready || !n.Ready(ctx)
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
	if !unready {
		return ErrUnaware
	}
	return nil
}

// answersLost is how many answers to commits are lost at each node.
const answersLost = 2

// loseAnswers lets some commits succeed without telling anybody.
func (s *System) loseAnswers(ctx context.Context, f plan.Fault) error {
	for _, n := range s.nodes {
		n.postgres.LoseAnswers(answersLost)
	}
	err := pause(ctx, f.Length)
	for _, n := range s.nodes {
		n.postgres.LoseAnswers(0)
	}
	return err
}
