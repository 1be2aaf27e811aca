package actors

import (
	"context"
	"errors"
	"time"

	"boxoffice"
	"boxoffice/actors/messages"
)

// An activation begins by loading the state on a goroutine beside the actor, and ends in
// one of four ways: it is idle, it has moved, it cannot go on, or the actor is stopped.

// load activates a machine, on a goroutine beside the actor.
func (s *shell) load() {
	s.phase, s.loads = loading, true
	s.beside(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, loadTimeout)
		defer cancel()
		m := loaded{shell: s, machine: s.grains.machine(s.kind, s.id)}
		began := s.cfg.Clock.Now()
		for attempt := 1; ; attempt++ {
			m.activation, m.err = m.machine.load(ctx)
			if boxoffice.CodeOf(m.err) != boxoffice.CodeUnavailable || attempt == maxAttempts {
				break
			}
			select {
			case <-ctx.Done():
			case <-time.After(delayAfter(attempt)):
			}
		}
		m.took = s.cfg.Clock.Now().Sub(began)
		return &m
	})
}

// beside runs a look-up on a goroutine that the grains' Wait waits for, and sends what it
// returns to the actor. The context exists only while a look-up runs: most of the time a
// grain needs none, and there may be a hundred thousand grains.
func (s *shell) beside(lookUp func(context.Context) any) {
	if s.running == 0 {
		s.ctx, s.stop = context.WithCancel(context.Background())
	}
	s.running++
	ctx := s.ctx
	s.grains.tasks.Go(func() { s.root.Send(s.self, lookUp(ctx)) })
}

// besideEnded is called when the result of a look-up has arrived.
func (s *shell) besideEnded() {
	if s.running--; s.running == 0 {
		s.stop()
		s.ctx, s.stop = nil, nil
	}
}

func (s *shell) onLoaded(m *loaded) {
	s.besideEnded()
	s.loads = false
	unavailable := boxoffice.CodeOf(m.err) == boxoffice.CodeUnavailable
	switch {
	case s.phase != loading:
	case m.err == nil:
		s.machine, s.state = m.machine, m.activation
		s.phase, s.recovers = serving, false
		s.woken, s.timeFrom = true, time.Time{}
		s.count(s.machine.census(s.now))
		s.cfg.Views.Ended(boxoffice.Grain{Kind: s.kind, ID: s.id}, s.state.Epoch-1)
		if s.cfg.Observer.Activated != nil {
			s.cfg.Observer.Activated(s.kind, m.took)
		}
		s.perform(s.machine.activated(s.state.Version, s.cfg.Clock.Now()))
		s.next()
	case errors.Is(m.err, boxoffice.ErrNoGrain):
		s.answerPending(refusalMessage(boxoffice.Errorf(boxoffice.CodeScheduleNotFound, "there is no schedule %d", s.id)))
		s.close("missing")
	case unavailable && s.recovers && !s.moved:
		s.answerPending(refusalMessage(boxoffice.Unavailable(m.err)))
		s.armAt(s.cfg.Clock.Now().Add(timeRetry))
	case unavailable:
		s.cfg.Logger.Warn("grain could not be activated", "kind", s.kind, "id", s.id, "error", m.err)
		s.answerPending(refusalMessage(boxoffice.Unavailable(m.err)))
		s.close("unavailable")
	default:
		s.cfg.Logger.Error("grain could not be restored", "kind", s.kind, "id", s.id, "error", m.err)
		s.answerPending(refusalMessage(boxoffice.Errorf(boxoffice.CodeInternal, "the state of schedule %d could not be restored", s.id)))
		s.close("broken")
	}
}

func (s *shell) onLookedUp(m *lookedUp) {
	s.besideEnded()
	if m.message != nil && s.phase != closing {
		s.accept(command{message: m.message})
	}
}

// passivate saves the state and ends the activation.
func (s *shell) passivate() {
	if s.state.Version == s.state.SnapshotVersion {
		s.close("idle")
		return
	}
	s.commit(&batch{now: s.now, last: true})
}

// onMoved stops taking commands, as another node owns the grain by now. What is in flight
// is still answered; everything else is answered with "retry".
func (s *shell) onMoved() {
	if s.moved {
		return
	}
	s.moved = true
	s.unwatch()
	s.answerPending(&messages.Retry{Reason: "moved"})
	s.armAt(s.cfg.Clock.Now().Add(moveLinger))
}

// close ends the activation: waiting commands are answered with "retry", and the actor
// stops.
func (s *shell) close(reason string) {
	s.phase = closing
	s.unwatch()
	s.answerPending(&messages.Retry{Reason: reason})
	s.count(Census{})
	if s.cfg.Observer.Stopped != nil {
		s.cfg.Observer.Stopped(s.kind, reason)
	}
	s.root.Stop(s.self)
}

// flush is the last thing an activation does: it waits for the commit in flight, so
// that its answers are not lost. After a panic what was being decided or answered is told to
// ask again.
func (s *shell) flush() {
	s.grains.alarms.cancel(s)
	s.phase = closing
	s.unwatch() // before anything that could go wrong
	if s.taken != nil {
		s.answerBatch(s.taken, &messages.Retry{Reason: "stopping"})
	}
	if b := s.flight; b != nil {
		s.flight = nil
		timeout := time.NewTimer(flushTimeout)
		defer timeout.Stop()
		select {
		case <-b.done:
			if b.result.Err == nil && len(b.result.Refusals) == 0 {
				s.finish(b)
				break
			}
			s.answerBatch(b, &messages.Retry{Reason: "stopping"})
		case <-timeout.C:
			s.cfg.Logger.Warn("grain stopped before its commit came back", "kind", s.kind, "id", s.id)
			s.answerBatch(b, &messages.Retry{Reason: "stopping"})
		}
	}
	s.answerPending(&messages.Retry{Reason: "stopping"})
	s.count(Census{})
	if s.stop != nil {
		s.stop()
	}
}
