package edge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
)

// view is a replica's knowledge of its grain.
type view interface {
	// take applies one change. After an error the view must not be used.
	take(change *messages.Change) error
	// succeed takes over what is still valid of the view before, which may be nil.
	succeed(before view)
	// dueAt returns when time alone changes what the grain shows; zero: never.
	dueAt() time.Time
}

// point is a moment in the life of a view. Versions start again in every epoch.
type point struct{ epoch, version int64 }

func (p point) before(q point) bool {
	return p.epoch < q.epoch || p.epoch == q.epoch && p.version < q.version
}

// replica is what this node knows of one grain. It exists before it knows anything, and as
// long as it exists it receives every change.
type replica struct {
	edge  *Edge
	shelf *shelf
	id    int64

	mu   sync.Mutex
	view view  // nil: nothing is known
	at   point // of view
	// source sends the changes; nil: the grain lives on this node. Nothing is missing as
	// long as all of its messages from the one after counter on have arrived.
	source  *source
	counter uint64
	askedAt time.Time // before the grain returned the whole view
	floor   point     // the newest point that this node has answered with
	watch   *watch    // in flight, or nil
	changed chan struct{}
	usedAt  time.Time
	unfitAt time.Time // when the whole view turned out to be unusable; zero: it was usable
	dropped bool      // it receives no more changes
}

// watch is a request for the whole view that is under way. Changes that arrive meanwhile
// may be newer than its answer.
type watch struct {
	sentAt  time.Time
	changes []*messages.Change
	missed  bool // there were too many
	done    chan struct{}
	err     error // set before done is closed
}

// maxMeanwhile bounds the changes that are kept while a watch is under way.
const maxMeanwhile = 1024

// judgement is whether a replica may answer.
type judgement int

const (
	good   judgement = iota
	behind           // this node has answered newer things: the change is under way
	due              // time has changed what the grain shows, and no change says so yet
	bad
)

// judge reports whether the replica may answer at now, and how old its answer is.
func (r *replica) judge(now time.Time) (age time.Duration, j judgement) {
	if r.view == nil {
		return 0, bad
	}
	if at := r.view.dueAt(); !at.IsZero() && !now.Before(at) {
		return 0, due
	}
	if r.source != nil || !r.edge.cfg.Lease.Valid() {
		var young bool
		if age, young = r.age(now); !young {
			return age, bad
		}
	}
	if r.at.before(r.floor) {
		return age, behind
	}
	return age, good
}

// age returns how long ago nothing was missing, and reports whether that is young enough.
// The grain was sure of the whole view when it returned it, with a lease or without; later
// the owner's feed vouches for it. A clock that jumps, on either node, makes replicas
// useless, not wrong.
func (r *replica) age(now time.Time) (age time.Duration, young bool) {
	age = now.Sub(r.askedAt)
	young = age >= 0 && age <= maxAge
	if r.source == nil {
		return age, young
	}
	at, unbroken := r.source.completeAt(r.counter)
	if !unbroken {
		return age, false
	}
	told := now.Sub(at)
	if told < -maxAge || told > maxAge || told > age || age < 0 || age >= trustedFor {
		return age, young
	}
	return max(told, 0), true
}

// caughtUp waits a moment, unlocked, for a change; false if none came.
func (r *replica) caughtUp(ctx context.Context) bool {
	news := r.follow()
	r.mu.Unlock()
	timer := time.NewTimer(catchUp)
	defer timer.Stop()
	select {
	case <-news:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// follow returns a channel that is closed by the next change, or when it is worth asking
// again for another reason.
func (r *replica) follow() <-chan struct{} {
	if r.changed == nil {
		r.changed = make(chan struct{})
		r.edge.followedMu.Lock()
		r.edge.followed[r] = struct{}{}
		r.edge.followedMu.Unlock()
	}
	return r.changed
}

func (r *replica) wake() {
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
}

// lose forgets the view: something is missing from it, or nobody vouches for it.
func (r *replica) lose() {
	r.view, r.source = nil, nil
	r.wake()
}

// take takes in a change of the grain.
func (r *replica) take(change *messages.Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.watch; w != nil {
		if w.missed = w.missed || len(w.changes) == maxMeanwhile; !w.missed {
			w.changes = append(w.changes, change)
		}
	}
	if r.view != nil {
		r.apply(change)
	}
}

// apply applies the change that follows the view. Older ones are already in it.
func (r *replica) apply(change *messages.Change) {
	epoch, version := change.GetEpoch(), change.GetVersion()
	if epoch < r.at.epoch {
		return
	}
	if epoch > r.at.epoch || change.GetEnded() != nil {
		r.lose()
		return
	}
	if version <= r.at.version {
		return
	}
	if version != r.at.version+1 {
		r.lose()
		return
	}
	if err := r.view.take(change); err != nil {
		r.edge.cfg.Logger.Error("replica cannot follow its grain", "kind", r.shelf.kind, "id", r.id, "error", err)
		r.lose()
		return
	}
	r.at.version = version
	r.wake()
}

// beginWatch asks the grain for the whole view, unless that is under way.
func (r *replica) beginWatch(now time.Time) *watch {
	if r.watch != nil {
		return r.watch
	}
	w := &watch{sentAt: now, done: make(chan struct{})}
	r.watch = w
	e := r.edge
	e.tasks.Go(func() {
		ctx, cancel := context.WithTimeout(e.ctx, watchTimeout)
		defer cancel()
		answer, err := e.Ask(ctx, r.shelf.kind, r.id, &messages.Watch{Watcher: e.cfg.MemberID})
		r.endWatch(w, answer, err)
	})
	return w
}

func (r *replica) endWatch(w *watch, answer proto.Message, err error) {
	var whole view
	mark, ok := markOf(answer)
	switch {
	case err != nil:
	case !ok:
		err = fmt.Errorf("%s %d answered a watch with %T", r.shelf.kind, r.id, answer)
	default: // unlocked: it takes milliseconds for a large room
		if whole, err = r.shelf.read(r.id, answer); err != nil {
			err = fmt.Errorf("read the view of %s %d: %w", r.shelf.kind, r.id, err)
		}
	}
	r.mu.Lock()
	r.watch = nil
	switch code := boxoffice.CodeOf(err); {
	case err == nil:
		r.unfitAt = time.Time{}
		r.install(w, mark, whole)
	case code == boxoffice.CodeUnavailable || code == boxoffice.CodeScheduleNotFound:
		w.err = err // the grain would answer any question with it
	default:
		r.unfitAt = w.sentAt
		r.edge.cfg.Logger.Error("no replica: the grain is asked", "kind", r.shelf.kind, "id", r.id, "error", err)
	}
	r.mu.Unlock()
	if boxoffice.CodeOf(w.err) == boxoffice.CodeScheduleNotFound {
		r.edge.drop(r.shelf, r)
	}
	close(w.done)
}

// install makes a grain's answer to a watch the view, and applies the changes that arrived
// meanwhile. If the result cannot be used for answers, it changes nothing.
func (r *replica) install(w *watch, mark *messages.Mark, whole view) {
	start := point{epoch: mark.GetEpoch(), version: mark.GetVersion()}
	if w.missed || r.view != nil && start.epoch < r.at.epoch {
		return // too late, or older than what is known
	}
	if r.view == nil || r.at.before(start) {
		whole.succeed(r.view)
		r.view, r.at = whole, start
		r.wake()
	}
	r.source = nil
	if member := mark.GetMemberId(); member != r.edge.cfg.MemberID {
		r.source = r.edge.sources.get(member)
	}
	r.counter, r.askedAt = mark.GetCounter(), w.sentAt
	for _, change := range w.changes {
		if r.view != nil {
			r.apply(change)
		}
	}
}
