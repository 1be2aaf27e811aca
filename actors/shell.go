package actors

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
)

// Limits of one grain.
const (
	maxBatch     = 4096             // commands of one batch
	maxPending   = 65536            // commands that wait; past it they are shed with 503
	loadTimeout  = 30 * time.Second // one activation
	flushTimeout = 2 * time.Second  // how long a stop waits for the commit in flight
	moveLinger   = time.Second      // how long a moved grain still answers "retry"
	// snapshotInterval is the events between snapshots of a schedule. A sale out of all seats
	// makes a hundred and some, so that most schedules write the one of their passivation.
	snapshotInterval = 250
)

// What the database cannot even try is tried again: a lost connection is not worth an
// error to anybody, a database that is away is.
const (
	maxAttempts = 4
	firstDelay  = 25 * time.Millisecond // then 100 and 400
)

func delayAfter(attempt int) time.Duration { return firstDelay << (2 * (attempt - 1)) }

// machine is a state machine as the shell drives it. Everything but load runs on the
// actor's goroutine.
type machine interface { //nolint:interfacebloat // the shell's other half, not a view of somebody else's type
	// load takes a new epoch and restores the state. It runs before anything else, on
	// a goroutine of its own.
	load(ctx context.Context) (boxoffice.Activation, error)
	// due gives events of time alone that must be committed before the next batch is
	// decided, and applied only then, because the journal may refuse them.
	due(now time.Time) []boxoffice.Event
	// decide decides b's commands in order: it fills events, answers and replies. What
	// b.refusals says about an operation overrules the state. It may be called again
	// for the same batch, after a refusal.
	decide(b *batch)
	// snapshot encodes the state that decide left, or nil if none is due.
	snapshot(b *batch) ([]byte, error)
	// committed makes what decide left the state and tells the world.
	committed(b *batch)
	// shown tells those who watch what b, which is committed now, changed of what the
	// grain shows; nil if nothing. It is only asked while somebody watches. Epoch,
	// version and name are filled in by the shell.
	shown(b *batch) *messages.Change
	// discard forgets what decide left, as if b had never come; false if it cannot.
	discard(b *batch) bool
	// refused is told why the events of due were refused.
	refused(refusals []boxoffice.CommitRefusal)
	// census counts what the metrics show of the state.
	census() Census
	// nextWake is when time makes something due; zero: never.
	nextWake(now time.Time) time.Time
}

// Messages of a shell to itself. They name their activation: one that comes late, from
// before a restart of the actor, is for nobody.
type (
	// lookedUp is what a look-up beside the actor has found: a loaded, a func to run, or
	// nothing.
	lookedUp struct {
		shell *shell
		found any
	}
	committed struct {
		shell *shell
		batch *batch
	}
	retry struct {
		shell *shell
		batch *batch
	}
	wake struct{ shell *shell }
)

// loaded is how the look-up ended that an activation begins with.
type loaded struct {
	activation boxoffice.Activation
	err        error
	took       time.Duration
}

// phase is where an activation is in its life.
type phase int

const (
	loading phase = iota
	serving
	closing // answers "retry" until it is stopped
)

// shell gives a machine a mailbox, a clock and a journal. See the package's doc.
type shell struct {
	grains  *Grains
	cfg     *Config
	kind    boxoffice.Kind
	machine machine

	id      int64
	self    *actor.PID
	root    *actor.RootContext
	ctx     context.Context    // of look-ups that run beside the actor; nil: none does
	stop    context.CancelFunc // ends it, with the activation at the latest
	running int                // look-ups
	phase   phase
	state   boxoffice.Activation
	pending []command
	flight  *batch // committing

	woken    bool // time may have made something due
	moved    bool
	now      time.Time // of the last batch; never goes back
	lastUsed time.Time
	timerAt  time.Time // when it is woken
	alarm    int       // of alarms
	counted  Census    // as last told to the observer
	view     int64     // version of what the grain shows, in this activation
	watched  bool      // somebody keeps a replica of it
}

// Receive implements actor.Actor.
func (s *shell) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		s.start(ctx)
	case *actor.Stopping, *actor.Restarting:
		s.flush()
	case *lookedUp:
		if m.shell == s {
			s.onLookedUp(m.found)
		}
	case *committed:
		if m.shell == s && s.flight == m.batch {
			s.onCommitted(m.batch)
		}
	case *retry:
		if m.shell == s && s.flight == m.batch {
			s.submit(m.batch)
		}
	case *wake:
		if m.shell == s {
			s.timerAt = time.Time{}
			s.onWake()
		}
	case *Moved:
		s.onMoved()
	case *messages.Wake:
		s.woken = true
		s.next()
	case *actor.Stopped:
	case proto.Message:
		s.accept(command{message: m, sender: ctx.Sender()})
	}
}

func (s *shell) start(ctx actor.Context) {
	s.self, s.root = ctx.Self(), ctx.ActorSystem().Root
	id, err := idOfName(s.self.GetId())
	if err != nil {
		s.cfg.Logger.Error("grain with an unreadable name", "kind", s.kind, "name", s.self.GetId())
		s.close("name")
		return
	}
	s.id = id
	s.now = s.cfg.Clock.Now()
	s.lastUsed = s.now
	s.beside(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, loadTimeout)
		defer cancel()
		began := s.cfg.Clock.Now()
		activation, err := s.load(ctx)
		return &loaded{activation: activation, err: err, took: s.cfg.Clock.Now().Sub(began)}
	})
}

// load activates the machine, with a few attempts where the database is away.
func (s *shell) load(ctx context.Context) (boxoffice.Activation, error) {
	for attempt := 1; ; attempt++ {
		activation, err := s.machine.load(ctx)
		if err == nil || boxoffice.CodeOf(err) != boxoffice.CodeUnavailable || attempt == maxAttempts {
			return activation, err
		}
		select {
		case <-ctx.Done():
			return activation, err
		case <-time.After(delayAfter(attempt)):
		}
	}
}

// beside runs a look-up on a goroutine that the grains' Wait waits for, and sends what
// it returns to the actor. Only while one runs there is a context: most of the time a
// grain needs none, and there may be a hundred thousand.
func (s *shell) beside(lookUp func(context.Context) any) {
	if s.running == 0 {
		s.ctx, s.stop = context.WithCancel(context.Background())
	}
	s.running++
	ctx := s.ctx
	s.grains.tasks.Go(func() { s.root.Send(s.self, &lookedUp{shell: s, found: lookUp(ctx)}) })
}

func (s *shell) onLookedUp(found any) {
	if s.running--; s.running == 0 {
		s.stop()
		s.ctx, s.stop = nil, nil
	}
	switch found := found.(type) {
	case *loaded:
		s.onLoaded(found)
	case func():
		if s.phase == serving {
			found()
		}
	}
}

func (s *shell) onLoaded(m *loaded) {
	switch {
	case s.phase != loading:
	case m.err == nil:
		s.state = m.activation
		s.phase = serving
		s.woken = true
		s.count(s.machine.census())
		s.cfg.Views.Ended(boxoffice.Grain{Kind: s.kind, ID: s.id}, s.state.Epoch-1)
		if s.cfg.Observer.Activated != nil {
			s.cfg.Observer.Activated(s.kind, m.took)
		}
		s.next()
	case errors.Is(m.err, boxoffice.ErrNoGrain):
		s.answerPending(refusalMessage(boxoffice.Errorf(boxoffice.CodeScheduleNotFound, "there is no schedule %d", s.id)))
		s.close("missing")
	case boxoffice.CodeOf(m.err) == boxoffice.CodeUnavailable:
		s.cfg.Logger.Warn("grain could not be activated", "kind", s.kind, "id", s.id, "error", m.err)
		s.answerPending(refusalMessage(boxoffice.Unavailable(m.err)))
		s.close("unavailable")
	default:
		s.cfg.Logger.Error("grain could not be restored", "kind", s.kind, "id", s.id, "error", m.err)
		s.answerPending(refusalMessage(boxoffice.Errorf(boxoffice.CodeInternal, "the state of schedule %d could not be restored", s.id)))
		s.close("broken")
	}
}

// accept queues a command, or tells its sender why not.
func (s *shell) accept(c command) {
	switch {
	case s.phase == closing || s.moved:
		s.reply(c, &messages.Retry{Reason: "stopping"})
	case len(s.pending) >= maxPending:
		s.reply(c, refusalMessage(boxoffice.Unavailable(errors.New("the grain's queue is full"))))
	default:
		s.pending = append(s.pending, c)
		s.next()
	}
}

// next decides batches until one has to wait for its commit or nothing is left to do.
func (s *shell) next() {
	for s.phase == serving && s.flight == nil && !s.moved {
		if now := s.cfg.Clock.Now(); now.After(s.now) {
			s.now = now
		}
		if events := s.machine.due(s.now); len(events) > 0 {
			s.commit(&batch{now: s.now, alone: true, events: events})
			return
		}
		if len(s.pending) == 0 && !s.woken {
			s.arm()
			return
		}
		s.woken = false
		b := s.grains.batches.Get().(*batch)
		b.now, b.commands = s.now, s.take()
		if len(b.commands) > 0 {
			s.lastUsed = s.now
		}
		s.decide(b)
	}
}

// onWake does what time has made due, or passivates an idle grain.
func (s *shell) onWake() {
	if s.moved {
		if s.flight == nil {
			s.close("moved")
			return
		}
		s.armAt(s.cfg.Clock.Now().Add(moveLinger))
		return
	}
	idle := s.phase == serving && s.flight == nil && len(s.pending) == 0 &&
		!s.cfg.Clock.Now().Before(s.lastUsed.Add(s.cfg.IdleAfter))
	switch {
	case idle && s.machine.census().Waiting > 0:
		// Replicas tell them where they stand, so the grain hears little of them; but to
		// restore a long line costs more than to keep it.
		s.lastUsed = s.cfg.Clock.Now()
	case idle:
		s.passivate()
		return
	}
	s.woken = true
	s.next()
}

// passivate saves the state and ends the activation.
func (s *shell) passivate() {
	if s.state.Version == s.state.SnapshotVersion {
		s.close("idle")
		return
	}
	s.commit(&batch{now: s.now, last: true})
}

// onMoved stops taking commands: another node owns the grain by now. What is in flight
// is still answered; everything else is told to ask again.
func (s *shell) onMoved() {
	if s.moved {
		return
	}
	s.moved = true
	s.unwatch()
	s.answerPending(&messages.Retry{Reason: "moved"})
	s.armAt(s.cfg.Clock.Now().Add(moveLinger))
}

// close ends the activation: whoever waits is told to ask again, and the actor stops.
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
// that its answers are not lost.
func (s *shell) flush() {
	s.grains.alarms.cancel(s)
	s.phase = closing
	s.unwatch() // before anything that could go wrong
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
			for _, c := range b.commands {
				s.reply(c, &messages.Retry{Reason: "stopping"})
			}
		case <-timeout.C:
			s.cfg.Logger.Warn("grain stopped before its commit came back", "kind", s.kind, "id", s.id)
		}
	}
	s.answerPending(&messages.Retry{Reason: "stopping"})
	if s.stop != nil {
		s.stop()
	}
}

func (s *shell) answerPending(m proto.Message) {
	for _, c := range s.pending {
		s.reply(c, m)
	}
	s.pending = nil
}

func (s *shell) reply(c command, m proto.Message) {
	if c.sender != nil {
		s.root.Send(c.sender, m)
	}
}

// arm sets the timer to when time makes something due or the grain will be idle.
func (s *shell) arm() {
	at := s.lastUsed.Add(s.cfg.IdleAfter)
	if next := s.machine.nextWake(s.now); !next.IsZero() && next.Before(at) {
		at = next
	}
	if !s.timerAt.IsZero() && !at.Before(s.timerAt) {
		return // it fires early enough, and arms itself again
	}
	s.armAt(at)
}

func (s *shell) armAt(at time.Time) {
	s.timerAt = at
	s.grains.alarms.set(s, at)
}
