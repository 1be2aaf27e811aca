package actors

import (
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
)

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
	last     bool                   // the snapshot of a grain that passivates
	snapshot []byte                 // nil: it carries none

	attempts int // of the commit
	result   boxoffice.CommitResult
	done     chan struct{} // closed when result is set
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
	b.events, b.answers, b.snapshot = nil, nil, nil
	b.replies = make([]func() proto.Message, len(b.commands))
	s.machine.decide(b)
	if s.cfg.Observer.Batch != nil && len(b.commands) > 0 {
		s.cfg.Observer.Batch(s.kind, len(b.commands))
	}
	if len(b.events) == 0 && len(b.answers) == 0 && (s.cfg.Lease.Valid() || len(b.commands) == 0) {
		s.finish(b)
		if b.done == nil { // it was never out of the actor's hands
			*b = batch{}
			s.grains.batches.Put(b)
		}
		return
	}
	s.commit(b)
}

// commit hands a batch to the journal. Its result arrives as a message.
func (s *shell) commit(b *batch) {
	if !b.alone {
		snapshot, err := s.machine.snapshot(b)
		if err != nil {
			// The events are what counts; the next snapshot may fare better.
			s.cfg.Logger.Error("state could not be encoded", "kind", s.kind, "id", s.id, "error", err)
		}
		b.snapshot = snapshot
	}
	s.flight = b
	s.submit(b)
}

func (s *shell) submit(b *batch) {
	b.attempts++
	b.done = make(chan struct{})
	done := b.done
	commit := boxoffice.Commit{
		Grain:    boxoffice.Grain{Kind: s.kind, ID: s.id},
		Epoch:    s.state.Epoch,
		Version:  s.state.Version,
		Events:   b.events,
		Answers:  b.answers,
		Snapshot: b.snapshot,
	}
	s.cfg.Journal.Commit(commit, func(result boxoffice.CommitResult) {
		b.result = result
		close(done)
		s.root.Send(s.self, &committed{shell: s, batch: b})
	})
}

func (s *shell) onCommitted(b *batch) {
	if s.unavailable(b) && b.attempts < maxAttempts {
		time.AfterFunc(delayAfter(b.attempts), func() { s.root.Send(s.self, &retry{shell: s, batch: b}) })
		return
	}
	s.flight = nil
	switch {
	case s.unavailable(b) && !b.last && s.machine.discard(b):
		s.shed(b)
	case b.result.Err != nil:
		s.fail(b)
		return
	case len(b.result.Refusals) > 0 && b.alone:
		s.machine.refused(b.result.Refusals)
		s.woken = true
	case len(b.result.Refusals) > 0 && !s.machine.discard(b):
		// Deciding it again would leave out what the state has taken in already.
		b.result.Err = fmt.Errorf("the journal refused what cannot be taken back: %+v", b.result.Refusals)
		s.fail(b)
		return
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

// unavailable tells whether nothing of a batch was written for a reason that has
// nothing to do with it.
func (s *shell) unavailable(b *batch) bool {
	return b.result.Err != nil && boxoffice.CodeOf(b.result.Err) == boxoffice.CodeUnavailable
}

// shed answers a batch that could not be committed and keeps the activation, whose
// state is as good as before.
func (s *shell) shed(b *batch) {
	if len(b.commands) > 0 {
		s.cfg.Logger.Warn("grain sheds a batch", "kind", s.kind, "id", s.id,
			"commands", len(b.commands), "error", b.result.Err)
	}
	refusal := refusalMessage(boxoffice.Unavailable(b.result.Err))
	for _, c := range b.commands {
		s.reply(c, refusal)
	}
}

// again decides a refused batch once more, with what the refusals tell. Of what is told of
// one operation the answer of its key comes first: whoever asks again with a key is told
// what they were told before, whatever has become of the place or the points. Every round
// settles at least one more operation, so it ends.
func (s *shell) again(b *batch) {
	if b.refusals == nil {
		b.refusals = make(map[uuid.UUID]boxoffice.CommitRefusal, len(b.result.Refusals))
	}
	settled := false
	for _, refusal := range b.result.Refusals {
		known, ok := b.refusals[refusal.OperationID]
		if ok && (known.Reason == boxoffice.RefusedKey || refusal.Reason != boxoffice.RefusedKey) {
			continue
		}
		b.refusals[refusal.OperationID] = refusal
		settled = true
	}
	if !settled {
		b.result.Err = fmt.Errorf("the journal refused the same operations twice: %+v", b.result.Refusals)
		s.fail(b)
		return
	}
	if now := s.cfg.Clock.Now(); now.After(s.now) {
		s.now = now
	}
	b.now, b.attempts, b.result = s.now, 0, boxoffice.CommitResult{}
	s.decide(b)
	s.next()
}

// finish makes a durable batch the state and answers its commands.
func (s *shell) finish(b *batch) {
	s.state.Version += int64(len(b.events))
	if b.snapshot != nil {
		s.state.SnapshotVersion = s.state.Version
	}
	s.machine.committed(b)
	s.show(b)
	for i, c := range b.commands {
		if b.replies[i] != nil {
			s.reply(c, s.stamped(b.replies[i]()))
		}
	}
	if s.moved || s.phase == closing {
		s.unwatch() // a watch of this batch came too late
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
	reason := "rejected"
	switch {
	case s.unavailable(b):
		reason = "unavailable"
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
