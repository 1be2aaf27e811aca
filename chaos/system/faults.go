package system

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"syscall"
	"time"

	"boxoffice/chaos/plan"
)

// endIdleSessions ends the nodes' sessions that do nothing.
const endIdleSessions = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
	WHERE state = 'idle' AND application_name LIKE 'boxoffice%'`

// through is the database's URL by way of a proxy.
func (s *System) through(p *Proxy) string {
	u, err := url.Parse(s.postgres.URL)
	if err != nil {
		panic(fmt.Sprintf("chaos: localpostgres gave a bad URL: %v", err)) // it cannot
	}
	u.Host = p.Address
	return u.String()
}

// Inject does one fault, from its start until it is healed: what it broke is back, though
// the service may still have to recover. Faults of clients are not its business.
func (s *System) Inject(ctx context.Context, f plan.Fault) error {
	n := s.nodes[f.Node%len(s.nodes)]
	switch f.Kind {
	case plan.Kill:
		return s.kill(ctx, f, n)
	case plan.KillAll:
		return s.killAll(ctx, f)
	case plan.Pause:
		n.Signal(syscall.SIGSTOP)
		defer n.Signal(syscall.SIGCONT)
		return pause(ctx, f.Length)
	case plan.Term:
		return s.restart(ctx, n)
	case plan.Rolling:
		for _, n := range s.nodes {
			if err := s.restart(ctx, n); err != nil {
				return err
			}
		}
		return nil
	case plan.Join:
		return s.join(ctx, f)
	case plan.FreezeNATS:
		return s.freezeNATS(ctx, f)
	case plan.RestartNATS, plan.WipeNATS:
		return s.restartNATS(ctx, f)
	case plan.RestartPostgres:
		return s.restartPostgres(ctx, f)
	case plan.DiskFull:
		return s.fillDisk(ctx, f)
	case plan.StuckCommits:
		return s.stickCommits(ctx, f)
	case plan.DropConnections:
		return s.Exec(ctx, endIdleSessions)
	case plan.PoisonSnapshots:
		return s.poison(ctx)
	case plan.KillBeforeAppend, plan.KillCommitSent, plan.KillBeforeReply, plan.KillBeforePublish,
		plan.KillActivation, plan.PauseTransaction:
		return s.failpoint(ctx, f)
	case plan.LostAnswers:
		return s.loseAnswers(ctx, f)
	case plan.ReadOnly, plan.TableFull, plan.TableLocked, plan.TooManyClients, plan.StatementTimeouts:
		return s.refuse(ctx, f)
	case plan.Commits150, plan.Commits450, plan.Commits1500:
		return s.slow(ctx, f)
	case plan.SilentPostgres:
		return s.silence(ctx)
	case plan.SkewClock:
		return s.skew(ctx, f, n)
	default:
		return s.cut(ctx, f, n)
	}
}

// pause waits; it is what the harness is for.
func pause(ctx context.Context, length time.Duration) error {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *System) kill(ctx context.Context, f plan.Fault, n *Node) error {
	n.Kill()
	defer n.Up()
	return pause(ctx, f.Length)
}

// killAll kills every process at once, Postgres and NATS included.
func (s *System) killAll(ctx context.Context, f plan.Fault) error {
	for _, n := range s.nodes {
		n.Hold()
		n.Signal(syscall.SIGKILL)
	}
	s.killNATS()
	err := s.postgres.Kill(ctx)
	for _, n := range s.nodes {
		n.Kill()
	}
	err = errors.Join(err, pause(ctx, f.Length))
	if err == nil {
		err = s.startPostgres(ctx, s.postgres.Port)
	}
	s.upNATS()
	for _, n := range s.nodes {
		n.Up()
	}
	return err
}

// restart drains a node and starts it again.
func (s *System) restart(ctx context.Context, n *Node) error {
	if err := n.Drain(drainLimit); err != nil {
		return err
	}
	n.Up()
	return n.AwaitReady(ctx)
}

// join adds a node for as long as the fault lasts; then it drains.
func (s *System) join(ctx context.Context, f plan.Fault) error {
	s.spare.Up()
	if err := s.spare.AwaitReady(ctx); err != nil {
		return err
	}
	return errors.Join(pause(ctx, f.Length), s.spare.Drain(drainLimit))
}

func (s *System) restartPostgres(ctx context.Context, f plan.Fault) error {
	if err := s.postgres.StopImmediate(ctx); err != nil {
		return err
	}
	if err := pause(ctx, f.Length); err != nil {
		return err
	}
	return s.startPostgres(ctx, s.postgres.Port)
}

// stickCommits makes every commit wait for a standby that is not there. The setting is
// read by SIGHUP, and released commits were durable here all the time.
func (s *System) stickCommits(ctx context.Context, f plan.Fault) error {
	for _, sql := range []string{"ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()"} {
		if err := s.Exec(ctx, sql); err != nil {
			return err
		}
	}
	err := pause(ctx, f.Length)
	ctx = context.WithoutCancel(ctx)
	for _, sql := range []string{"ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()"} {
		err = errors.Join(err, s.Exec(ctx, sql))
	}
	return err
}

// skew starts a node with a clock of its own that is an hour wrong, and then again with
// the right one.
func (s *System) skew(ctx context.Context, f plan.Fault, n *Node) error {
	hour := time.Hour
	if f.Length.Milliseconds()%2 == 0 {
		hour = -hour
	}
	n.Kill()
	n.extra = []string{"CHAOS_CLOCK_SKEW=" + hour.String()}
	n.Up()
	err := n.AwaitReady(ctx)
	if err == nil {
		err = pause(ctx, f.Length)
	}
	n.Kill()
	n.extra = nil
	n.Up()
	return err
}
