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
	maxRounds    = 64               // refusals of one batch by the journal, each a round trip
	maxPending   = 65536            // commands that wait; past it they are shed with 503
	loadTimeout  = 30 * time.Second // one activation
	flushTimeout = 2 * time.Second  // how long a stop waits for the commit in flight
	moveLinger   = time.Second      // how long a moved grain still answers "retry"
	// commandLife is how long a command may wait for a grain that recovers; its caller has given
	// up by then.
	commandLife = 5 * time.Second
	// snapshotInterval is the number of events between snapshots. Selling all seats makes
	// fewer, so most schedules write only the snapshot of their passivation.
	snapshotInterval = 250
)

// A commit that the database could not even try is tried again for a moment: clients need
// not see a lost connection, but must learn that the database is down.
const (
	maxAttempts = 4
	firstDelay  = 25 * time.Millisecond // then 100 and 400
	retryFor    = time.Second           // after the first attempt
	// timeRetry is the pause after a failed commit of only what time had made due, and
	// after a failed recovery.
	timeRetry = time.Second
)

func delayAfter(attempt int) time.Duration { return firstDelay << (2 * (attempt - 1)) }

// Messages of a shell to itself. They name their activation: a late one, from before a
// restart of the actor, is ignored.
type (
	// loaded is the result of the load that an activation begins with.
	loaded struct {
		shell      *shell
		activation boxoffice.Activation
		machine    machine
		err        error
		took       time.Duration
	}
	// lookedUp is the result of a look-up beside the actor; nil: nothing.
	lookedUp struct {
		shell   *shell
		message proto.Message
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

// phase is the stage of an activation's life.
type phase int

const (
	loading phase = iota
	serving
	closing // answers "retry" until it is stopped
)

// shell gives a machine a mailbox, a clock and a journal. See the package comment.
type shell struct {
	grains *Grains
	cfg    *Config
	kind   boxoffice.Kind
	other  boxoffice.Kind // the schedule's other grain

	id       int64
	self     *actor.PID
	root     *actor.RootContext
	ctx      context.Context    // of look-ups that run beside the actor; nil: none does
	stop     context.CancelFunc // ends it, with the activation at the latest
	running  int                // look-ups
	loads    bool               // one of them is of the state
	phase    phase
	recovers bool // it was active before, and does not close until it is active again
	machine  machine
	state    boxoffice.Activation
	pending  []command
	taken    *batch // is being decided, or answered
	flight   *batch // committing

	woken    bool // time may have made something due
	moved    bool
	now      time.Time // of the last batch; never goes back
	timeFrom time.Time // what time alone has made due is not tried earlier
	lastUsed time.Time
	timerAt  time.Time // when it is woken
	alarm    int       // index in alarms, plus one
	counted  Census    // as last reported to the observer
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
	case *loaded:
		if m.shell == s {
			s.onLoaded(m)
		}
	case *lookedUp:
		if m.shell == s {
			s.onLookedUp(m)
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
	s.load()
}

// perform does what a machine wants done.
func (s *shell) perform(e effects) {
	if e.tell != nil {
		s.cfg.Notifier.Notify(string(s.other), s.id, e.tell)
	}
	if e.lookUp != nil {
		s.beside(func(ctx context.Context) any {
			found, err := e.lookUp(ctx)
			if err != nil && ctx.Err() == nil {
				s.cfg.Logger.Warn("grain could not look up what it needs", "kind", s.kind, "id", s.id, "error", err)
			}
			return &lookedUp{shell: s, message: found}
		})
	}
	s.woken = s.woken || e.again
}

// accept queues a command, or answers it at once.
func (s *shell) accept(c command) {
	switch {
	case s.phase == closing || s.moved:
		s.reply(c, &messages.Retry{Reason: "stopping"})
	case s.phase == serving && s.settle(c):
		if s.woken {
			s.next()
		}
	case len(s.pending) >= maxPending:
		s.reply(c, refusalMessage(boxoffice.Unavailable(errors.New("the grain's queue is full"))))
	default:
		c.since = s.cfg.Clock.Now()
		s.pending = append(s.pending, c)
		s.next()
	}
}

// settle handles a command that needs no batch, whether or not one is in flight: it takes
// in news, and answers questions from the durable state as long as this node is sure that
// it owns the grain. It reports whether the command is done.
func (s *shell) settle(c command) bool {
	if e, ok := s.machine.hear(c.message, s.clock()); ok {
		s.woken = true
		s.perform(e)
		return true
	}
	return s.cfg.Lease.Valid() && s.answer(c)
}

// answer answers a question; false if the command is not one.
func (s *shell) answer(c command) bool {
	if m, ok := c.message.(*messages.Watch); ok {
		s.reply(c, s.watch(m.GetWatcher()))
		return true
	}
	answer, ok := s.machine.read(c.message, s.clock())
	if ok {
		s.lastUsed = s.now
		s.reply(c, s.stamped(answer))
	}
	return ok
}

// clock returns the time, which for this grain never goes back.
func (s *shell) clock() time.Time {
	if now := s.cfg.Clock.Now(); now.After(s.now) {
		s.now = now
	}
	return s.now
}

// onWake handles what time has made due, or passivates an idle grain.
func (s *shell) onWake() {
	switch {
	case s.moved && s.flight == nil:
		s.close("moved")
		return
	case s.moved:
		s.armAt(s.cfg.Clock.Now().Add(moveLinger))
		return
	case s.phase == loading && s.recovers && !s.loads:
		s.load()
		return
	}
	idle := s.phase == serving && s.flight == nil && len(s.pending) == 0 &&
		!s.cfg.Clock.Now().Before(s.lastUsed.Add(s.cfg.IdleAfter))
	switch {
	case idle && s.machine.census(s.clock()).Waiting > 0:
		// Replicas answer those who wait, so the grain hears little from them; but
		// restoring a long line costs more than keeping it.
		s.lastUsed = s.cfg.Clock.Now()
	case idle:
		s.passivate()
		return
	}
	s.woken = true
	s.next()
}

func (s *shell) answerPending(m proto.Message) {
	s.answerAll(s.pending, m)
	s.pending = nil
}

func (s *shell) answerBatch(b *batch, m proto.Message) {
	s.answerAll(b.commands, m)
	s.answerAll(b.reads, m)
}

func (s *shell) answerAll(commands []command, m proto.Message) {
	for _, c := range commands {
		s.reply(c, m)
	}
}

func (s *shell) reply(c command, m proto.Message) {
	if c.sender != nil {
		s.root.Send(c.sender, m)
	}
}

// arm sets the timer to when time makes something due or the grain will be idle.
func (s *shell) arm() {
	at, next := s.lastUsed.Add(s.cfg.IdleAfter), s.machine.nextWake(s.now)
	if s.woken || !next.IsZero() && next.Before(s.timeFrom) {
		next = s.timeFrom
	}
	if !next.IsZero() && next.Before(at) {
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
