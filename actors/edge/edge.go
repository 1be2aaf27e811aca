package edge

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors"
	"boxoffice/actors/messages"
)

// Times and bounds of replicas. Ages are by the database's clock.
const (
	// maxAge is how old an answer may be. The rest of a second is left for clocks that
	// disagree and for the way to the client.
	maxAge = 900 * time.Millisecond
	// renewAfter is when a replica that is in use asks again for the whole view, so that
	// its owner keeps sending changes; watchedFor is how long the owner sends them, and
	// trustedFor how long the replica relies on that.
	renewAfter = 30 * time.Second
	trustedFor = 55 * time.Second
	watchedFor = 60 * time.Second
	// unusedFor is how long a replica is kept that nobody asks.
	unusedFor = time.Minute
	// catchUp is how long a question waits for a change that this node knows to be under
	// way.
	catchUp = 100 * time.Millisecond

	maxReplicas   = 20_000 // of each kind; past it the grains are asked
	sweepEvery    = 5 * time.Second
	checkEvery    = 100 * time.Millisecond // whether the followers of a replica should ask again
	watchTimeout  = 10 * time.Second
	askAgainAfter = 500 * time.Millisecond // for the followers of a grain without a replica
)

// Bus carries the feeds between nodes. It gives no guarantee: messages may get lost.
type Bus interface {
	// Publish sends data to all other nodes that subscribe to a subject. It never blocks.
	Publish(subject string, data []byte)
	// Subscribe calls each with the published messages, one after the other, until cancel
	// is called.
	Subscribe(subject string, each func(data []byte)) (cancel func(), err error)
}

// Config is what the edge of a node needs. Everything without a stated default is
// required.
type Config struct {
	Caller   actors.Caller
	Notifier actors.Notifier
	Bus      Bus
	Lease    actors.Lease
	Clock    actors.Clock
	MemberID string // of this node
	Logger   *slog.Logger
	Observer Observer
}

// Observer receives what metrics count. Each func may be nil; all are called from many
// goroutines and must not block.
type Observer struct {
	// Answered: a question was answered by a replica that was so old (0 on the owner's
	// own node), or by the grain.
	Answered func(kind boxoffice.Kind, byReplica bool, age time.Duration)
	Fed      func(changes int) // a message was published, with 0 changes if it is a heartbeat
	Heard    func(changes int) // a message of another node has arrived
	Gap      func()            // a message was lost
	Replicas func(change int)  // the sum of all changes is the replicas of this node
}

// Edge answers for the grains of the whole cluster on one node. All methods may be
// called from many goroutines.
type Edge struct {
	// Client asks the grains what is not answered here.
	*actors.Client

	cfg     Config
	seats   shelf
	rooms   shelf
	sources sources
	outbox  outbox

	followedMu sync.Mutex
	followed   map[*replica]struct{} // by somebody

	ctx   context.Context // ends with the edge
	stop  context.CancelFunc
	tasks sync.WaitGroup
}

// New returns the edge of a node. Close it once no more questions come and the grains of
// this node have stopped.
func New(cfg Config) (*Edge, error) {
	required := map[string]bool{
		"Caller": cfg.Caller != nil, "Notifier": cfg.Notifier != nil, "Bus": cfg.Bus != nil,
		"Lease": cfg.Lease != nil, "Clock": cfg.Clock != nil, "MemberID": cfg.MemberID != "",
		"Logger": cfg.Logger != nil,
	}
	for name, given := range required {
		if !given {
			return nil, errors.New("edge: Config." + name + " is missing")
		}
	}
	e := &Edge{cfg: cfg, followed: make(map[*replica]struct{})}
	e.Client = actors.NewClient(noting{e}, cfg.Notifier)
	e.seats = newShelf(boxoffice.KindSchedule, readSeats)
	e.rooms = newShelf(boxoffice.KindGatekeeper, readRoom)
	e.sources.known = make(map[string]*source)
	e.outbox = newOutbox(&e.cfg)
	e.ctx, e.stop = context.WithCancel(context.Background())
	cancel, err := cfg.Bus.Subscribe(feedSubject+".*", e.hear)
	if err != nil {
		e.stop()
		return nil, err
	}
	e.tasks.Go(func() { e.outbox.run(e.ctx) })
	e.tasks.Go(func() {
		defer cancel()
		e.watchOver()
	})
	return e, nil
}

// Close sends the other nodes what is left to send, and stops the edge's goroutines.
func (e *Edge) Close() {
	e.stop()
	e.tasks.Wait()
}

// shelf holds the replicas of one kind of grain.
type shelf struct {
	kind boxoffice.Kind
	// read returns the view in a grain's answer to a watch.
	read func(id int64, answer proto.Message) (view, error)

	mu       sync.RWMutex
	replicas map[int64]*replica
	full     atomic.Bool // somebody was turned away
}

func newShelf(kind boxoffice.Kind, read func(int64, proto.Message) (view, error)) shelf {
	return shelf{kind: kind, read: read, replicas: make(map[int64]*replica)}
}

// of returns the shelf of a kind of grain; nil if the kind has no replicas.
func (e *Edge) of(kind string) *shelf {
	switch boxoffice.Kind(kind) {
	case boxoffice.KindSchedule:
		return &e.seats
	case boxoffice.KindGatekeeper:
		return &e.rooms
	default:
		return nil
	}
}

// get returns the replica of a grain; nil if there is none.
func (s *shelf) get(id int64) *replica {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.replicas[id]
}

// replica returns the replica of a grain, a new one if need be; nil if there are too many.
func (e *Edge) replica(s *shelf, id int64) *replica {
	if r := s.get(id); r != nil {
		return r
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.replicas[id]; r != nil {
		return r
	}
	if len(s.replicas) >= maxReplicas {
		if !s.full.Swap(true) {
			e.cfg.Logger.Warn("no more replicas: grains are asked", "kind", s.kind, "replicas", len(s.replicas))
		}
		return nil
	}
	r := &replica{edge: e, shelf: s, id: id}
	s.replicas[id] = r
	e.countReplicas(1)
	return r
}

func (e *Edge) countReplicas(change int) {
	if e.cfg.Observer.Replicas != nil {
		e.cfg.Observer.Replicas(change)
	}
}

func (e *Edge) answered(kind boxoffice.Kind, byReplica bool, age time.Duration) {
	if e.cfg.Observer.Answered != nil {
		e.cfg.Observer.Answered(kind, byReplica, age)
	}
}

// look returns the replica of a grain if it can vouch for its answer now, locked, for the
// caller to unlock, and how old the answer is. If it returns none, the grain has to be
// asked. It fails if the grain would: it does not answer, or does not exist.
func (e *Edge) look(ctx context.Context, s *shelf, id int64) (*replica, time.Duration, error) {
	// The first try may find nothing, the second a change that is under way, and the third
	// is for a caller that was overtaken. What time has changed and a grain cannot write,
	// only the grain shows.
	for try := range 3 {
		r := e.replica(s, id)
		if r == nil {
			return nil, 0, nil
		}
		r.mu.Lock()
		if r.dropped {
			r.mu.Unlock()
			continue
		}
		now := e.cfg.Clock.Now()
		r.usedAt = now
		if !r.unfitAt.IsZero() && now.Sub(r.unfitAt) < renewAfter {
			r.mu.Unlock()
			return nil, 0, nil
		}
		switch age, judgement := r.judge(now); judgement {
		case good:
			return r, age, nil
		case behind:
			if r.caughtUp(ctx) {
				continue
			}
			r.mu.Lock()
		case due:
			if try > 0 {
				r.mu.Unlock()
				return nil, 0, nil
			}
		case bad:
		}
		w := r.beginWatch(now)
		r.mu.Unlock()
		select {
		case <-w.done:
		case <-ctx.Done():
			return nil, 0, boxoffice.Unavailable(context.Cause(ctx))
		}
		if w.err != nil {
			return nil, 0, w.err
		}
	}
	return nil, 0, nil
}

// noting passes calls on and records which points of views their answers show.
type noting struct{ edge *Edge }

func (n noting) Call(ctx context.Context, kind string, id int64, message proto.Message) (proto.Message, error) {
	reply, err := n.edge.cfg.Caller.Call(ctx, kind, id, message)
	if err != nil {
		return nil, err
	}
	if shown, ok := reply.(interface {
		GetViewEpoch() int64
		GetViewVersion() int64
	}); ok {
		n.edge.note(kind, id, point{epoch: shown.GetViewEpoch(), version: shown.GetViewVersion()})
	}
	return reply, nil
}

// note keeps a grain's replica from showing anything older than what this node has
// answered. Without a replica there is nothing to record: a later one begins later.
func (e *Edge) note(kind string, id int64, p point) {
	s := e.of(kind)
	if s == nil || p == (point{}) {
		return
	}
	if r := s.get(id); r != nil {
		r.mu.Lock()
		if r.floor.before(p) {
			r.floor = p
		}
		r.mu.Unlock()
	}
}

// watchOver wakes the followers of replicas that can no longer vouch for their view, renews
// replicas in use and drops the others, until the edge is closed.
func (e *Edge) watchOver() {
	check, sweep := time.NewTicker(checkEvery), time.NewTicker(sweepEvery)
	defer check.Stop()
	defer sweep.Stop()
	for {
		select {
		case <-e.ctx.Done():
			return
		case <-check.C:
			e.checkFollowed()
		case <-sweep.C:
			now := e.cfg.Clock.Now()
			e.sweep(&e.seats, now)
			e.sweep(&e.rooms, now)
			e.sources.forget(now)
			e.outbox.forget(now)
		}
	}
}

// checkFollowed makes the followers of replicas that are no longer good ask again.
func (e *Edge) checkFollowed() {
	e.followedMu.Lock()
	followed := make([]*replica, 0, len(e.followed))
	for r := range e.followed {
		followed = append(followed, r)
	}
	e.followedMu.Unlock()
	now := e.cfg.Clock.Now()
	for _, r := range followed {
		r.mu.Lock()
		if _, judgement := r.judge(now); judgement != good {
			r.wake()
		}
		if r.changed == nil {
			e.unfollow(r)
		}
		r.mu.Unlock()
	}
}

func (e *Edge) unfollow(r *replica) {
	e.followedMu.Lock()
	defer e.followedMu.Unlock()
	delete(e.followed, r)
}

// sweep renews and drops replicas. The followers of a replica that nobody has asked for a
// while are made to ask again, which shows whether any are left.
func (e *Edge) sweep(s *shelf, now time.Time) {
	s.mu.RLock()
	all := make([]*replica, 0, len(s.replicas))
	for _, r := range s.replicas {
		all = append(all, r)
	}
	s.mu.RUnlock()
	for _, r := range all {
		r.mu.Lock()
		unused := now.Sub(r.usedAt)
		switch {
		case unused >= unusedFor && r.watch == nil:
			r.mu.Unlock()
			e.drop(s, r)
			continue
		case unused >= renewAfter:
			r.wake()
		case r.view != nil && r.source != nil && now.Sub(r.askedAt) >= renewAfter:
			r.beginWatch(now)
		}
		r.mu.Unlock()
	}
}

// drop forgets a replica. Whoever still holds it finds out by its mark.
func (e *Edge) drop(s *shelf, r *replica) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dropped {
		return
	}
	r.dropped = true
	r.wake()
	delete(s.replicas, r.id)
	s.full.Store(false)
	e.countReplicas(-1)
}

// askAgain returns a channel that is closed when it is worth asking a grain without a
// replica again.
func askAgain() <-chan struct{} {
	again := make(chan struct{})
	time.AfterFunc(askAgainAfter, func() { close(again) })
	return again
}

// markOf returns the mark of a whole view.
func markOf(answer proto.Message) (*messages.Mark, bool) {
	state, ok := answer.(interface{ GetMark() *messages.Mark })
	if !ok {
		return nil, false
	}
	return state.GetMark(), true
}
