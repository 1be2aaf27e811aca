package actors

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"boxoffice"
	"boxoffice/actors/messages"
)

// next decides batches until one has to wait for its commit or nothing is left to do.
func (s *shell) next() {
	for s.phase == serving && s.flight == nil && !s.moved {
		b := &batch{now: s.clock()}
		s.take(b)
		due := s.woken && !s.now.Before(s.timeFrom)
		if len(b.commands) == 0 && len(b.reads) == 0 && !due {
			s.arm()
			return
		}
		s.woken = false
		if len(b.commands) > 0 {
			s.lastUsed = s.now
		}
		s.decide(b)
	}
}

// take moves the next batch out of the pending commands. Commands that need no batch are
// settled.
func (s *shell) take(b *batch) {
	for len(s.pending) > 0 && len(b.commands)+len(b.reads) < maxBatch {
		c := s.pending[0]
		s.pending = s.pending[1:]
		switch {
		case s.settle(c):
		case s.isQuestion(c):
			b.reads = append(b.reads, c)
		default:
			b.commands = append(b.commands, c)
		}
	}
	if len(s.pending) == 0 {
		s.pending = nil
	}
}

// isQuestion reports whether a command only asks.
func (s *shell) isQuestion(c command) bool {
	if _, ok := c.message.(*messages.Watch); ok {
		return true
	}
	_, ok := s.machine.read(c.message, s.now)
	return ok
}

// decide decides a batch and sends its answers, or commits it first if they depend on
// something that is not durable yet, or if this node is not sure that it still owns the
// grain.
func (s *shell) decide(b *batch) {
	b.events, b.answers, b.snapshot = nil, nil, nil
	b.replies = make([]reply, len(b.commands))
	s.taken = b
	s.machine.decide(b)
	if s.cfg.Observer.Batch != nil && len(b.commands) > 0 {
		s.cfg.Observer.Batch(s.kind, len(b.commands))
	}
	asked := len(b.commands)+len(b.reads) > 0
	if len(b.events) == 0 && len(b.answers) == 0 && (s.cfg.Lease.Valid() || !asked) {
		s.finish(b)
		return
	}
	s.commit(b)
}

// commit hands a batch to the journal. Its result arrives as a message.
func (s *shell) commit(b *batch) {
	if b.last || s.kind == boxoffice.KindGatekeeper || s.state.Version+int64(len(b.events))-s.state.SnapshotVersion >= snapshotInterval {
		snapshot, err := s.machine.snapshot()
		if err != nil {
			// Only the events matter; the next snapshot may succeed.
			s.cfg.Logger.Error("state could not be encoded", "kind", s.kind, "id", s.id, "error", err)
		}
		b.snapshot = snapshot
	}
	s.flight, s.taken, b.submitted = b, nil, s.cfg.Clock.Now()
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
	err := b.result.Err
	unavailable := err != nil && boxoffice.CodeOf(err) == boxoffice.CodeUnavailable
	if unavailable && s.tryAgain(b) {
		return
	}
	s.flight = nil
	switch {
	case unavailable:
		s.shed(b)
	case errors.Is(err, boxoffice.ErrUnknown):
		s.recover(b)
		return
	case err != nil:
		s.fail(b)
		return
	case len(b.result.Refusals) > 0:
		s.again(b)
	default:
		s.finish(b)
		if b.last && len(s.pending) == 0 {
			s.close("idle")
			return
		}
	}
	s.next()
}

// tryAgain submits again, after a pause, a batch that the database could not even try. A
// batch of nothing but what time made due is not worth it: it would keep commands waiting.
func (s *shell) tryAgain(b *batch) bool {
	late := s.cfg.Clock.Now().Sub(b.submitted) >= retryFor
	if late || b.attempts >= maxAttempts || len(b.commands)+len(b.reads) == 0 || s.moved {
		return false
	}
	time.AfterFunc(delayAfter(b.attempts), func() { s.root.Send(s.self, &retry{shell: s, batch: b}) })
	return true
}

// shed answers a batch that could not be committed and keeps the activation, whose state is
// still good. What needs no write is answered from that, also to those who came meanwhile:
// their own batch may take as long to fail.
func (s *shell) shed(b *batch) {
	s.taken = b
	s.machine.rollback(b)
	s.timeFrom = s.clock().Add(timeRetry)
	s.woken = true
	if b.last {
		s.lastUsed = s.now // it is as idle in a while
	}
	refused := s.settleUnwritten(append(b.commands, b.reads...), b.refusals)
	if len(refused) > 0 {
		s.cfg.Logger.Warn("grain sheds a batch", "kind", s.kind, "id", s.id,
			"commands", len(refused), "error", b.result.Err)
	}
	s.answerAll(refused, refusalMessage(boxoffice.Unavailable(b.result.Err)))
	s.taken = nil
	if s.moved {
		s.close("moved")
		return
	}
	next := min(len(s.pending), maxBatch)
	s.pending = append(s.settleUnwritten(s.pending[:next], nil), s.pending[next:]...)
}

// settleUnwritten answers, as of now, those commands that need no write, and returns the
// others.
func (s *shell) settleUnwritten(commands []command, refusals map[uuid.UUID]boxoffice.CommitRefusal) (others []command) {
	for _, c := range commands {
		if s.moved || !s.settle(c) && !s.answerUnwritten(c, refusals) {
			others = append(others, c)
		}
	}
	return others
}

// answerUnwritten decides a command alone, without what time has made due, and answers it
// if that changes nothing: then the answer depends on nothing that is not durable. Machines
// know by themselves what is over.
func (s *shell) answerUnwritten(c command, refusals map[uuid.UUID]boxoffice.CommitRefusal) bool {
	if !s.cfg.Lease.Valid() {
		return false
	}
	b := &batch{now: s.clock(), commands: []command{c}, replies: make([]reply, 1), refusals: refusals, unwritten: true}
	s.machine.decide(b)
	defer s.machine.rollback(b)
	if len(b.events) > 0 || len(b.answers) > 0 {
		return false
	}
	if b.replies[0] != nil {
		s.reply(c, s.stamped(b.replies[0](boxoffice.CommitResult{})))
	}
	return true
}

// recover reloads the state under a new epoch, because it is unknown whether a batch was
// committed: the journal knows after that. The batch's commands are decided again on the
// new state, and their operations show whether they have had their effect.
func (s *shell) recover(b *batch) {
	s.cfg.Logger.Warn("grain loads its state anew: the result of a commit is unknown",
		"kind", s.kind, "id", s.id, "epoch", s.state.Epoch, "error", b.result.Err)
	s.unwatch()
	if s.moved {
		s.answerBatch(b, &messages.Retry{Reason: "moved"})
		s.close("moved")
		return
	}
	now := s.cfg.Clock.Now()
	var still []command
	for _, c := range append(append(b.commands, b.reads...), s.pending...) {
		if now.Sub(c.since) < commandLife {
			still = append(still, c)
			continue
		}
		s.reply(c, refusalMessage(boxoffice.Unavailable(b.result.Err)))
	}
	s.pending, s.recovers = still, true
	s.load()
}

// again decides a refused batch once more, taking the refusals into account. If there are
// several for one operation, the answer stored under its key comes first: a repeated
// request gets the answer it got before, whatever has become of the place or the points.
//
// Every round settles at least one more operation or place. What the journal says twice of
// a place is not what this activation was restored from: it gives up, and the next one reads
// the row. A batch that takes too many rounds is shed.
func (s *shell) again(b *batch) {
	s.machine.rollback(b)
	if !s.learn(b) {
		b.result.Err = fmt.Errorf("the journal refused twice what has been taken into account: %+v", b.result.Refusals)
		s.fail(b)
		return
	}
	if b.rounds++; b.rounds > maxRounds {
		b.result.Err = fmt.Errorf("the journal refused a batch %d times, at last because of %+v", b.rounds, b.result.Refusals)
		s.shed(b)
		return
	}
	b.now, b.attempts, b.result = s.clock(), 0, boxoffice.CommitResult{}
	s.decide(b)
}

// learn takes the refusals of a batch in, and reports whether one of them is new.
func (s *shell) learn(b *batch) (news bool) {
	if b.refusals == nil {
		b.refusals = make(map[uuid.UUID]boxoffice.CommitRefusal, len(b.result.Refusals))
	}
	for _, refusal := range b.result.Refusals {
		if refusal.Reason == boxoffice.RefusedPlaceHeld {
			row, known := b.rows[refusal.Place.Sequence]
			if known && row == refusal.Place {
				continue
			}
			if b.rows == nil {
				b.rows = make(map[uint64]boxoffice.PlaceRow)
			}
			b.rows[refusal.Place.Sequence] = refusal.Place
			s.machine.refused(refusal)
			news = true
			continue
		}
		known, ok := b.refusals[refusal.OperationID]
		if ok && (known.Reason == boxoffice.RefusedKey || refusal.Reason != boxoffice.RefusedKey) {
			continue
		}
		b.refusals[refusal.OperationID] = refusal
		news = true
	}
	return news
}

// finish makes a durable batch the state and answers its commands.
func (s *shell) finish(b *batch) {
	s.taken = b
	from := s.state.Version
	s.state.Version += int64(len(b.events))
	if b.snapshot != nil {
		s.state.SnapshotVersion = s.state.Version
	}
	s.perform(s.machine.keep(b, from, s.state.Version))
	s.show(b)
	for i, c := range b.commands {
		if b.replies[i] != nil && c.sender != nil {
			s.reply(c, s.stamped(b.replies[i](b.result)))
		}
	}
	for _, c := range b.reads {
		s.answer(c)
	}
	if s.moved || s.phase == closing {
		s.unwatch() // a watch of this batch came too late
	}
	s.observe(b)
	s.taken = nil
}

// observe reports to the observer what a durable batch changed.
func (s *shell) observe(b *batch) {
	if s.cfg.Observer.Event != nil {
		for _, e := range b.events {
			s.cfg.Observer.Event(e)
		}
	}
	if len(b.events) > 0 {
		s.count(s.machine.census(s.now))
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

// fail gives up the activation: another node owns the grain, or the decision can never be
// written.
func (s *shell) fail(b *batch) {
	reason := "rejected"
	if errors.Is(b.result.Err, boxoffice.ErrFenced) {
		reason = "fenced"
	}
	s.cfg.Logger.Warn("grain gives up its activation",
		"kind", s.kind, "id", s.id, "epoch", s.state.Epoch, "reason", reason, "error", b.result.Err)
	s.answerBatch(b, &messages.Retry{Reason: reason})
	s.close(reason)
}
