package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	protocluster "github.com/asynkron/protoactor-go/cluster"
)

// Reasons for a grain not to be activated here and now. All are temporary.
var (
	errNotOwner  = errors.New("this node does not own the grain")
	errNoLease   = errors.New("this node has no lease")
	errUnsettled = errors.New("not all members have applied the last change of members")
	errStopping  = errors.New("this node is stopping")
)

const shardCount = 64 // a power of two

// key identifies a grain: the index of its kind, and its id.
type key struct {
	kind int
	id   int64
}

func (k key) shard() uint64 { return mix64(uint64(k.id)) % shardCount }

// kind is a kind of grain and how to create one.
type kind struct {
	name  string
	props *actor.Props
	count atomic.Int64
}

// placement is the table of the grains that are active on this node, and creates them.
// Whoever needs a grain first creates it; that takes only as long as spawning its actor,
// which loads its state afterwards.
type placement struct {
	system  *actor.ActorSystem
	lease   *Lease
	moved   any
	kinds   []*kind
	index   map[string]int
	view    atomic.Pointer[view]
	now     func() time.Time
	workers *dispatcher

	names    atomic.Uint64 // makes each activation's name unique
	shards   [shardCount]shard
	stopping atomic.Bool
	notSoon  atomic.Pointer[time.Time] // nothing is activated before this time

	mu        sync.Mutex
	alive     int                   // grains that have not stopped
	lingering map[string]*actor.PID // by name, those of them that have moved; each keeps the lease from being valid
	emptied   chan struct{}         // closed when none is alive, once stop was called
}

type shard struct {
	mu     sync.RWMutex
	grains map[key]*actor.PID
}

func newPlacement(
	system *actor.ActorSystem, lease *Lease, moved any, now func() time.Time, closed <-chan struct{},
) *placement {
	p := &placement{
		system: system, lease: lease, moved: moved, now: now,
		index:     map[string]int{},
		lingering: map[string]*actor.PID{},
		emptied:   make(chan struct{}),
		workers:   newDispatcher(closed),
	}
	for i := range p.shards {
		p.shards[i].grains = map[key]*actor.PID{}
	}
	return p
}

// register sets the kinds. It is called once, before anything else.
func (p *placement) register(kinds map[string]*actor.Props) error {
	for name, props := range kinds {
		if name == "" || strings.Contains(name, "/") {
			return fmt.Errorf("cluster: kind %q is empty or has a slash", name)
		}
		p.index[name] = len(p.kinds)
		props := props.Clone(
			actor.WithMailbox(func() actor.Mailbox { return &grainMailbox{placement: p} }),
			actor.WithDispatcher(p.workers),
		)
		p.kinds = append(p.kinds, &kind{name: name, props: props})
	}
	return nil
}

// parse returns the key of an identity.
func (p *placement) parse(identity *protocluster.ClusterIdentity) (key, error) {
	kind, known := p.index[identity.GetKind()]
	if !known {
		return key{}, fmt.Errorf("cluster: unknown kind %q", identity.GetKind())
	}
	id, err := strconv.ParseInt(identity.GetIdentity(), 10, 64)
	if err != nil {
		return key{}, fmt.Errorf("cluster: identity %q is no number: %w", identity.GetIdentity(), err)
	}
	return key{kind: kind, id: id}, nil
}

// activate returns the grain's actor; if there is none, it creates one if this node may.
func (p *placement) activate(k key) (*actor.PID, error) {
	s := &p.shards[k.shard()]
	s.mu.RLock()
	pid := s.grains[k]
	s.mu.RUnlock()
	if pid != nil {
		return pid, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if pid := s.grains[k]; pid != nil {
		return pid, nil
	}
	if err := p.admit(k.id); err != nil {
		return nil, err
	}
	return p.spawn(s, k)
}

// reason returns why a grain is not available now.
func (p *placement) reason(identity *protocluster.ClusterIdentity) error {
	k, err := p.parse(identity)
	if err != nil {
		return err
	}
	if v := p.view.Load(); v == nil || v.owner(k.id) == nil {
		return errNoOwner
	}
	if err := p.admit(k.id); err != nil {
		return err
	}
	return errAskAgain // the reason has passed meanwhile
}

// admit returns why this node may not activate a grain now, or nil if it may.
func (p *placement) admit(id int64) error {
	v := p.view.Load()
	switch {
	case p.stopping.Load():
		return errStopping
	case v == nil || !v.owned(id):
		return errNotOwner
	case !v.settled:
		return errUnsettled
	case !p.lease.fresh():
		return errNoLease
	}
	if at := p.notSoon.Load(); at != nil {
		if p.now().Before(*at) {
			return errUnsettled
		}
		p.notSoon.CompareAndSwap(at, nil)
	}
	return nil
}

// spawn starts a grain's actor. The caller holds the shard's lock.
func (p *placement) spawn(s *shard, k key) (*actor.PID, error) {
	kind := p.kinds[k.kind]
	name := makeName(kind.name, k.id, p.names.Add(1))
	p.mu.Lock()
	defer p.mu.Unlock()
	pid, err := p.system.Root.SpawnNamed(kind.props, name)
	if err != nil {
		return nil, fmt.Errorf("activate %s: %w", name, err)
	}
	s.grains[k] = pid
	p.alive++
	kind.count.Add(1)
	return pid, nil
}

// stopped removes a stopped grain from the table.
func (p *placement) stopped(pid *actor.PID) {
	name, text := parseName(pid.Id)
	id, _ := strconv.ParseInt(text, 10, 64) // the name is our own
	k := key{kind: p.index[name], id: id}
	s := &p.shards[k.shard()]
	s.mu.Lock()
	if s.grains[k] == pid {
		delete(s.grains, k)
	}
	s.mu.Unlock()
	p.kinds[k.kind].count.Add(-1)

	p.mu.Lock()
	defer p.mu.Unlock()
	if _, moved := p.lingering[pid.Id]; moved {
		delete(p.lingering, pid.Id)
		p.lease.release()
	}
	p.alive--
	p.checkEmpty()
}

// adopt makes a view the one to place grains by, and gives up the grains that this node
// does not own by it. After that the lease is not valid until the last of those has
// stopped.
func (p *placement) adopt(v *view) {
	p.lease.hold()
	defer p.lease.release()
	old := p.view.Swap(v)
	if old != nil && sameOwners(old, v) {
		return
	}
	p.give(func(id int64) bool { return !v.owned(id) })
}

// distrust gives up every grain; all can be activated again at once.
func (p *placement) distrust() {
	p.lease.hold()
	defer p.lease.release()
	p.give(func(int64) bool { return true })
}

// give removes grains from the table and tells them that they have moved.
func (p *placement) give(away func(id int64) bool) {
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		for k, pid := range s.grains {
			if !away(k.id) {
				continue
			}
			delete(s.grains, k)
			p.linger(pid)
		}
		s.mu.Unlock()
	}
}

// linger lets a grain that has moved answer what still arrives, and stop. The caller holds
// the shard's lock, and the grain was in the table, so stopped is still to be called for
// it.
func (p *placement) linger(pid *actor.PID) {
	p.lease.hold()
	p.mu.Lock()
	p.lingering[pid.Id] = pid
	p.mu.Unlock()
	if p.moved == nil {
		p.system.Root.Stop(pid)
		return
	}
	p.system.Root.Send(pid, p.moved)
}

// stop stops every grain and prevents new ones. Grains flush as they stop.
func (p *placement) stop(ctx context.Context) error {
	p.stopping.Store(true)
	var pids []*actor.PID
	for i := range p.shards { // activations that were admitted before have spawned when we get the lock
		s := &p.shards[i]
		s.mu.Lock()
		for _, pid := range s.grains {
			pids = append(pids, pid)
		}
		s.mu.Unlock()
	}
	p.mu.Lock()
	for _, pid := range p.lingering {
		pids = append(pids, pid)
	}
	p.checkEmpty()
	p.mu.Unlock()
	for _, pid := range pids {
		p.system.Root.Stop(pid)
	}
	select {
	case <-p.emptied:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		return fmt.Errorf("%d grains have not stopped: %w", p.alive, context.Cause(ctx))
	}
}

// checkEmpty signals stop once the last grain has stopped. The caller holds mu.
func (p *placement) checkEmpty() {
	if p.alive == 0 && p.stopping.Load() && !isClosed(p.emptied) {
		close(p.emptied)
	}
}

// census counts the grains by kind.
func (p *placement) census() map[string]int {
	counts := make(map[string]int, len(p.kinds))
	for _, k := range p.kinds {
		counts[k.name] = int(k.count.Load())
	}
	return counts
}

// A grain's actor is named kind/id/n, where n distinguishes activations. The grain learns
// its id from it, because protoactor's identities take too much memory.

func makeName(kind string, id int64, n uint64) string {
	return kind + "/" + strconv.FormatInt(id, 10) + "/" + strconv.FormatUint(n, 36)
}

func parseName(name string) (kind, id string) {
	kind, rest, _ := strings.Cut(name, "/")
	id, _, _ = strings.Cut(rest, "/")
	return kind, id
}

// sameOwners reports whether two views place every grain on the same members.
func sameOwners(a, b *view) bool {
	if len(a.owners) != len(b.owners) {
		return false
	}
	for i := range a.owners {
		if a.owners[i] != b.owners[i] {
			return false
		}
	}
	return true
}
