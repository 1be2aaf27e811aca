package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	protocluster "github.com/asynkron/protoactor-go/cluster"
	"google.golang.org/grpc"
)

// Node is this process as a member of the cluster. Its methods are called in the order New,
// Start, Leave, Close.
type Node struct {
	// ID is the member's, new with each Node.
	ID string

	cfg        Config
	tls        *TLS
	dialect    dialect
	system     *actor.ActorSystem
	cluster    *protocluster.Cluster
	lease      *Lease
	placement  *placement
	peers      *peers
	membership *membership  // nil until Start
	server     *grpc.Server // nil until Start
	stranger   *peer        // an owner that this node cannot talk to; set by apply

	publications chan publication

	tasks     sync.WaitGroup
	closed    chan struct{}
	closeOnce sync.Once
	closeErr  error
}

// New returns a node that is not a member yet.
func New(cfg Config) (*Node, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	system := actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(quiet{cfg.Logger.Handler()})
		}),
		// A request that becomes a dead letter is retried, not logged.
		func(c *actor.Config) { c.DeadLetterRequestLogging = false },
	)
	system.ProcessRegistry.Address = system.ID // members address each other by id
	lease, closed := newLease(cfg.Now), make(chan struct{})
	n := &Node{
		ID: system.ID, cfg: cfg, tls: cfg.TLS, system: system, lease: lease,
		placement:    newPlacement(system, lease, cfg.Moved, cfg.Now, closed),
		publications: make(chan publication, maxPublications),
		closed:       closed,
	}
	if n.tls == nil {
		if n.tls, err = tlsOf(cfg.Secrets); err != nil {
			return nil, err
		}
	}
	n.dialect = dialect{n.cfg.service, cfg.trust()}
	n.peers = &peers{node: n, known: map[string]*connection{}}
	// protoactor's own StartMember is not used: it starts gossip and pub/sub, sleeps a
	// second, and panics when it cannot listen.
	n.cluster = protocluster.New(system, protocluster.Configure(cfg.ClusterName, nil, lookup{n}, nil,
		protocluster.WithClusterContextProducer(func(*protocluster.Cluster) protocluster.Context { return callContext{n} })))
	n.cluster.IdentityLookup = lookup{n}
	system.EventStream.Subscribe(n.onEvent)
	return n, nil
}

// onEvent logs why an actor died.
func (n *Node) onEvent(event any) {
	if failure, ok := event.(*actor.SupervisorEvent); ok {
		n.cfg.Logger.Error("panic in an actor", "actor", failure.Child.GetId(), "cause", failure.Reason,
			"then", failure.Directive)
	}
}

// Lease returns the node's lease. It may be called before Start; the lease is not valid
// then.
func (n *Node) Lease() *Lease { return n.lease }

// Start listens for the other members, joins them, and returns when this node is a member
// with a lease; from then on it activates grains of these kinds, given by name. The actor
// of a grain is named kind/id/n, where n distinguishes activations. If Start fails, the
// node is closed and everything is cleaned up.
func (n *Node) Start(ctx context.Context, kinds map[string]*actor.Props) error {
	if err := n.start(ctx, kinds); err != nil {
		return errors.Join(fmt.Errorf("start node: %w", err), n.Close())
	}
	return nil
}

func (n *Node) start(ctx context.Context, kinds map[string]*actor.Props) error {
	if err := n.placement.register(kinds); err != nil {
		return err
	}
	store, err := newNATSStore(n.cfg.NATS, n.cfg.ClusterName+"-members", n.cfg.Logger)
	if err != nil {
		return err
	}
	age, err := store.await(ctx)
	if err != nil {
		return err
	}
	if wait := n.cfg.Expiry - age; wait > 0 && !n.cfg.Alone {
		// The bucket may be new because NATS lost it. Earlier members may still answer from
		// memory; by then they are back in the bucket, or their lease has run out.
		at := n.cfg.Now().Add(wait)
		n.placement.notSoon.Store(&at)
	}
	m := newMembership(n.cfg, store, n.lease, record{
		ID: n.ID, HTTPAddress: n.cfg.HTTPAddress, StartedAt: n.cfg.Now().UTC(), State: stateReady, Service: n.cfg.service, Trust: n.dialect.trust,
	})
	m.apply, m.distrust, m.census = n.apply, n.placement.distrust, n.placement.census
	n.membership = m
	if m.own.Address, err = n.listen(n.cfg.Bind); err != nil {
		return err
	}
	m.own.Address = cmp.Or(n.cfg.Advertise, m.own.Address)
	n.tasks.Go(n.publish)
	n.tasks.Go(func() { store.keepCopies(m.ctx) })
	return m.join(ctx)
}

// apply makes a view this node's own. Membership calls it, with one view after the other.
func (n *Node) apply(v *view) {
	n.peers.adopt(v) // first, so that calls to a new owner find a connection
	n.placement.adopt(v)
	switch stranger := v.stranger(n.dialect); {
	case stranger != nil && stranger != n.stranger:
		n.cfg.Logger.Error("this node is not ready", "error", n.strange(stranger))
		n.stranger = stranger
	case stranger == nil && n.stranger != nil:
		n.cfg.Logger.Info("this node can talk with all members again")
		n.stranger = nil
	}
	if n.cfg.Observer.Members != nil {
		n.cfg.Observer.Members(len(v.owners))
	}
}

// strange returns why this node cannot talk with another one.
func (n *Node) strange(p *peer) error {
	if !n.dialect.trust.match(p.dialect.trust) {
		return fmt.Errorf("member %s at %s has other secrets than this node: give all nodes the same BOXOFFICE_JWT_KEY, "+
			"or certificates of the same authority in BOXOFFICE_NODE_TLS_CA", p.id, p.address)
	}
	return fmt.Errorf("member %s at %s is of another release: of the service between nodes it has the versions %s, this node %s",
		p.id, p.address, p.dialect.service, n.cfg.service)
}

// Fenced returns a channel that is closed when the others have evicted this node. The
// process must end: they have taken over its grains, and it cannot come back under the same
// id.
func (n *Node) Fenced() <-chan struct{} {
	if n.membership == nil {
		return nil
	}
	return n.membership.fenced
}

// Ready reports whether this node is a member that owns grains, has its lease, and can talk
// with all others that own grains.
func (n *Node) Ready() bool { return n.Health() == nil }

// Health returns why this node is not ready, or nil if it is.
func (n *Node) Health() error {
	v := n.placement.view.Load()
	if v == nil {
		return errors.New("the node is no member yet")
	}
	stranger := v.stranger(n.dialect)
	switch {
	case stranger != nil:
		return n.strange(stranger)
	case !n.lease.fresh():
		return errors.New("the node has no lease")
	case !v.owns(n.ID):
		return errors.New("the node owns no schedules: others do its work")
	default:
		return nil
	}
}

// Leave hands this node's grains over to the other members, which can still reach it, and
// returns when the last one has stopped. If there is nobody to take over, it does nothing:
// the grains keep running until Close.
func (n *Node) Leave(ctx context.Context) error {
	v := n.placement.view.Load()
	if v == nil || !v.others() {
		return nil
	}
	n.membership.setState(stateLeaving)
	settling, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	// Once all know, nobody sends to our grains any more. If somebody does not confirm, go
	// on: a message to a grain that has stopped is sent again.
	err := n.membership.until(settling, func(v *view) bool { return v.settled && !v.owns(n.ID) })
	if err != nil && !isClosed(n.membership.fenced) { // evicted: they have taken over long since
		n.cfg.Logger.Warn("leaving without word from all members", "error", err)
	}
	if err := n.placement.stop(ctx); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	return nil
}

// Close stops the remaining grains, records that this node has left, and stops listening.
// It can be called at any time, more than once, and takes a few seconds at most.
func (n *Node) Close() error {
	n.closeOnce.Do(func() { n.closeErr = n.close() })
	return n.closeErr
}

func (n *Node) close() error {
	var problems []error
	ctx, cancel := context.WithTimeout(context.Background(), grainsStop)
	if err := n.placement.stop(ctx); err != nil {
		problems = append(problems, err)
	}
	cancel()
	if n.membership != nil {
		ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
		if err := n.membership.leave(ctx); err != nil {
			problems = append(problems, fmt.Errorf("leave the cluster: %w", err))
		}
		cancel()
	}
	if v := n.placement.view.Load(); v != nil && len(v.peers) > 1 {
		// The others still answer our calls, and we answer what they sent before they knew.
		linger := time.NewTimer(closeLinger)
		<-linger.C
	}
	close(n.closed)
	n.peers.close()
	if n.server != nil {
		n.server.Stop() // everybody served has been answered
	}
	n.tasks.Wait()
	return errors.Join(problems...)
}

// Member is what the cluster knows of one of its nodes.
type Member struct {
	ID          string
	Address     string // for other nodes
	HTTPAddress string
	StartedAt   time.Time
	Ready       bool // owns grains
}

// Members returns the members that this node knows, the longest-serving first.
func (n *Node) Members() []Member {
	if n.membership == nil {
		return nil
	}
	records := n.membership.records()
	members := make([]Member, len(records))
	for i, r := range records {
		members[i] = Member{
			ID: r.ID, Address: r.Address, HTTPAddress: r.HTTPAddress, StartedAt: r.StartedAt,
			Ready: r.State == stateReady,
		}
	}
	return members
}

// GrainCount is how many grains of a kind a member has active.
type GrainCount struct {
	Kind   string
	Member string
	Count  int
}

// Grains returns the numbers of active grains of all members, those of others as of their
// last heartbeat.
func (n *Node) Grains() []GrainCount {
	if n.membership == nil {
		return nil
	}
	var counts []GrainCount
	for _, r := range n.membership.records() {
		for _, k := range n.placement.kinds {
			if count := r.Grains[k.name]; count > 0 {
				counts = append(counts, GrainCount{Kind: k.name, Member: r.ID, Count: count})
			}
		}
	}
	return counts
}

// Address returns the host:port under which the other members reach this node.
func (n *Node) Address() string {
	if n.membership == nil {
		return ""
	}
	return n.membership.own.Address
}
