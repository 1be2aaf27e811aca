package actors

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	protocluster "github.com/asynkron/protoactor-go/cluster"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
)

// Limits of one grain.
const (
	maxBatch         = 4096             // commands of one batch
	maxPending       = 65536            // commands that wait; past it they are shed with 503
	loadTimeout      = 30 * time.Second // one activation
	flushTimeout     = 2 * time.Second  // how long a stop waits for the commit in flight
	moveLinger       = time.Second      // how long a moved grain still answers "retry"
	snapshotInterval = 100              // events between snapshots
)

// machine is a state machine as the shell drives it. Everything but load runs on the
// actor's goroutine.
type machine interface {
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
	// refused is told why the events of due were refused.
	refused(refusals []boxoffice.CommitRefusal)
	// census counts what the metrics show of the state.
	census() Census
	// nextWake is when time makes something due; zero: never.
	nextWake(now time.Time) time.Time
}

// command is a message that waits for its batch. Sender is nil if nobody waits.
type command struct {
	message proto.Message
	sender  *actor.PID
}

// batch is what is decided and committed together.
type batch struct {
	now      time.Time
	commands []command
	alone    bool // the events of due, without commands
	refusals map[uuid.UUID]boxoffice.CommitRefusal

	events   []boxoffice.Event
	answers  []boxoffice.Answer
	replies  []func() proto.Message // by command; called once the batch is durable
	balances map[uuid.UUID]int64
	last     bool // the snapshot of a grain that passivates
	saved    bool // carries a snapshot

	result boxoffice.CommitResult
	done   chan struct{} // closed when result is set
}

// Messages of a shell to itself. They name their activation: one that comes late, from
// before a restart of the actor, is for nobody.
type (
	loaded struct {
		shell      *shell
		activation boxoffice.Activation
		err        error
		took       time.Duration
	}
	committed struct {
		shell *shell
		batch *batch
	}
	wake struct{ shell *shell }
	// internal runs on the actor's goroutine what a look-up of a grain has found.
	internal struct {
		shell *shell
		run   func()
	}
)

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
	stop    context.CancelFunc // of what runs beside the actor
	ctx     context.Context    // ends with the activation
	phase   phase
	state   boxoffice.Activation
	pending []command
	flight  *batch // committing

	woken    bool // time may have made something due
	moved    bool
	now      time.Time // of the last batch; never goes back
	lastUsed time.Time
	timer    *time.Timer
	timerAt  time.Time
	counted  Census // as last told to the observer
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
	case *committed:
		if m.shell == s && s.flight == m.batch {
			s.onCommitted(m.batch)
		}
	case *wake:
		if m.shell == s {
			s.timerAt = time.Time{}
			s.onWake()
		}
	case *internal:
		if m.shell == s && s.phase == serving {
			m.run()
		}
	case *Moved:
		s.onMoved()
	case *messages.Wake:
		s.woken = true
		s.next()
	case *actor.Stopped, *protocluster.ClusterInit:
	case proto.Message:
		s.accept(command{message: m, sender: ctx.Sender()})
	}
}

func (s *shell) start(ctx actor.Context) {
	s.self, s.root = ctx.Self(), ctx.ActorSystem().Root
	identity := protocluster.GetClusterIdentity(ctx)
	id, err := strconv.ParseInt(identity.GetIdentity(), 10, 64)
	if err != nil {
		s.cfg.Logger.Error("grain with an unreadable identity", "kind", s.kind, "identity", identity.GetIdentity())
		s.close("identity")
		return
	}
	s.id = id
	s.now = s.cfg.Clock.Now()
	s.lastUsed = s.now
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.beside(func(ctx context.Context) any {
		ctx, cancel := context.WithTimeout(ctx, loadTimeout)
		defer cancel()
		began := s.cfg.Clock.Now()
		activation, err := s.machine.load(ctx)
		return &loaded{shell: s, activation: activation, err: err, took: s.cfg.Clock.Now().Sub(began)}
	})
}

// beside runs a look-up on a goroutine that the grains' Wait waits for, and sends what
// it returns to the actor.
func (s *shell) beside(lookUp func(context.Context) any) {
	s.grains.tasks.Go(func() {
		if message := lookUp(s.ctx); message != nil {
			s.root.Send(s.self, message)
		}
	})
}

func (s *shell) onLoaded(m *loaded) {
	switch {
	case s.phase != loading:
	case m.err == nil:
		s.state = m.activation
		s.phase = serving
		s.woken = true
		s.count(s.machine.census())
		if s.cfg.Observer.Activated != nil {
			s.cfg.Observer.Activated(s.kind, m.took)
		}
		s.next()
	case errors.Is(m.err, boxoffice.ErrNoGrain):
		refusal := refusalMessage(boxoffice.Errorf(boxoffice.CodeScheduleNotFound, "there is no schedule %d", s.id))
		s.answerPending(refusal)
		s.close("missing")
	default:
		s.cfg.Logger.Warn("grain could not be activated", "kind", s.kind, "id", s.id, "error", m.err)
		s.close("load")
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
		b := &batch{now: s.now, commands: s.take()}
		if len(b.commands) > 0 {
			s.lastUsed = s.now
		}
		s.decide(b)
	}
}

// take cuts the next batch off the pending commands.
func (s *shell) take() []command {
	if len(s.pending) <= maxBatch {
		taken := s.pending
		s.pending = nil
		return taken
	}
	taken := s.pending[:maxBatch:maxBatch]
	s.pending = s.pending[maxBatch:]
	return taken
}

// decide decides a batch and sends its answers, or commits it first if they depend on
// something that is not durable yet, or if nobody knows whether this node still owns
// the grain.
func (s *shell) decide(b *batch) {
	b.events, b.answers = nil, nil
	b.replies = make([]func() proto.Message, len(b.commands))
	s.machine.decide(b)
	if s.cfg.Observer.Batch != nil && len(b.commands) > 0 {
		s.cfg.Observer.Batch(s.kind, len(b.commands))
	}
	if len(b.events) == 0 && len(b.answers) == 0 && (s.cfg.Lease.Valid() || len(b.commands) == 0) {
		s.finish(b)
		return
	}
	s.commit(b)
}

// commit hands a batch to the journal. Its result arrives as a message.
func (s *shell) commit(b *batch) {
	c := boxoffice.Commit{
		Grain:   boxoffice.Grain{Kind: s.kind, ID: s.id},
		Epoch:   s.state.Epoch,
		Version: s.state.Version,
		Events:  b.events,
		Answers: b.answers,
	}
	if !b.alone {
		snapshot, err := s.machine.snapshot(b)
		if err != nil {
			// The events are what counts; the next snapshot may fare better.
			s.cfg.Logger.Error("state could not be encoded", "kind", s.kind, "id", s.id, "error", err)
		}
		c.Snapshot, b.saved = snapshot, snapshot != nil
	}
	b.done = make(chan struct{})
	s.flight = b
	s.cfg.Journal.Commit(c, func(result boxoffice.CommitResult) {
		b.result = result
		close(b.done)
		s.root.Send(s.self, &committed{shell: s, batch: b})
	})
}

func (s *shell) onCommitted(b *batch) {
	s.flight = nil
	switch {
	case b.result.Err != nil:
		s.fail(b)
		return
	case len(b.result.Refusals) > 0 && b.alone:
		s.machine.refused(b.result.Refusals)
		s.woken = true
	case len(b.result.Refusals) > 0:
		s.again(b)
		return
	default:
		s.finish(b)
	}
	if b.last && len(s.pending) == 0 {
		s.close("idle")
		return
	}
	s.next()
}

// again decides a refused batch once more, with what the refusals tell. Every round
// settles at least one more operation, so it ends.
func (s *shell) again(b *batch) {
	if b.refusals == nil {
		b.refusals = make(map[uuid.UUID]boxoffice.CommitRefusal, len(b.result.Refusals))
	}
	settled := len(b.refusals)
	for _, refusal := range b.result.Refusals {
		b.refusals[refusal.OperationID] = refusal
	}
	if len(b.refusals) == settled {
		b.result.Err = fmt.Errorf("the journal refused the same operations twice: %+v", b.result.Refusals)
		s.fail(b)
		return
	}
	if now := s.cfg.Clock.Now(); now.After(s.now) {
		s.now = now
	}
	b.now = s.now
	b.result = boxoffice.CommitResult{}
	s.decide(b)
	s.next()
}

// finish makes a durable batch the state and answers its commands.
func (s *shell) finish(b *batch) {
	s.state.Version += int64(len(b.events))
	if b.saved {
		s.state.SnapshotVersion = s.state.Version
	}
	b.balances = b.result.Balances
	s.machine.committed(b)
	for i, c := range b.commands {
		if b.replies[i] != nil {
			s.reply(c, b.replies[i]())
		}
	}
	if b.alone {
		s.woken = true
	}
	s.observe(b)
}

// observe tells the observer what a durable batch changed.
func (s *shell) observe(b *batch) {
	if s.cfg.Observer.Event != nil {
		for _, e := range b.events {
			s.cfg.Observer.Event(e)
		}
	}
	if len(b.events) > 0 {
		s.count(s.machine.census())
	}
}

func (s *shell) count(now Census) {
	if s.cfg.Observer.Census != nil && now != s.counted {
		s.cfg.Observer.Census(Census{
			Holds:    now.Holds - s.counted.Holds,
			Waiting:  now.Waiting - s.counted.Waiting,
			Admitted: now.Admitted - s.counted.Admitted,
		})
	}
	s.counted = now
}

// fail gives up the activation: what it holds in memory may not be what is durable.
func (s *shell) fail(b *batch) {
	reason := "commit"
	switch {
	case errors.Is(b.result.Err, boxoffice.ErrFenced):
		reason = "fenced"
	case errors.Is(b.result.Err, boxoffice.ErrUnknown):
		reason = "unknown"
	}
	s.cfg.Logger.Warn("grain gives up its activation",
		"kind", s.kind, "id", s.id, "epoch", s.state.Epoch, "reason", reason, "error", b.result.Err)
	for _, c := range b.commands {
		s.reply(c, &messages.Retry{Reason: reason})
	}
	s.close(reason)
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
	if idle {
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
	s.answerPending(&messages.Retry{Reason: "moved"})
	s.armAt(s.cfg.Clock.Now().Add(moveLinger))
}

// close ends the activation: whoever waits is told to ask again, and the actor stops.
func (s *shell) close(reason string) {
	s.phase = closing
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
	if s.timer != nil {
		s.timer.Stop()
	}
	s.phase = closing
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

// minWake keeps a clock that stands still (or a wake in the past) from spinning.
const minWake = time.Millisecond

func (s *shell) armAt(at time.Time) {
	s.timerAt = at
	wait := max(at.Sub(s.cfg.Clock.Now()), minWake)
	if s.timer != nil {
		s.timer.Stop()
	}
	s.timer = time.AfterFunc(wait, func() { s.root.Send(s.self, &wake{shell: s}) })
}
