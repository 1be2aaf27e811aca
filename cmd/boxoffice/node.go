package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"boxoffice"
	"boxoffice/actors"
	"boxoffice/actors/edge"
	"boxoffice/cluster"
	api "boxoffice/http"
	"boxoffice/internal/failpoint"
	"boxoffice/migrations"
	"boxoffice/persistence"
	"boxoffice/waitingroom"
)

// Periodic work of a node.
const (
	sweepEvery = 5 * time.Second // wakes grains that time has made due
	cleanEvery = time.Minute     // deletes old idempotency keys
	// Looks whether it has lost PostgreSQL. With the cluster's second of patience its
	// schedules then move within two seconds.
	databaseCheckEvery = 250 * time.Millisecond
	databaseCheckLimit = 750 * time.Millisecond // for one answer
)

// node is a running service and what it consists of.
type node struct {
	settings settings
	logger   *slog.Logger

	life     lifecycle
	url      string       // where it is reached
	failed   chan error   // why the HTTP server ended, if it was not stopped
	draining atomic.Bool  // not ready any more
	tls      *cluster.TLS // between nodes; nil: secret does it
	secret   []byte       // of all nodes of the service
	// endStreams sends the readers of streams to other nodes.
	endStreams func()
	database   database      // Postgres
	nats       *nats.Conn    // NATS
	member     *cluster.Node // of the cluster
	metrics    *metrics

	db      *persistence.Database
	clock   *persistence.Clock
	journal *persistence.Journal
	edge    *edge.Edge
	grains  *actors.Grains
}

// start builds the node, in the reverse order of its shutdown. If it fails, what has
// started is still in n.life. It waits for others for BOXOFFICE_START_TIMEOUT in all.
func (n *node) start(ctx context.Context) (err error) {
	if n.tls, err = n.settings.nodeTLS(); err != nil {
		return fmt.Errorf("TLS between nodes: %w", err)
	}
	private, _, err := nodeKey(n.settings)
	if err != nil {
		return err
	}
	keys, err := api.NewKeys(private)
	if err != nil {
		return err
	}
	if n.secret, err = nodeSecret(private); err != nil {
		return err
	}
	n.metrics = newMetrics(readBuild())
	if n.settings.DebugListen != "" {
		stop, err := startDebug(ctx, n.settings.DebugListen, n.logger)
		if err != nil {
			return err
		}
		n.life.started("the debug listener", stop)
	}
	n.settings.MaxConnections = connectionsThatFit(n.settings, n.logger)
	door, shutdown, err := n.listen(ctx)
	if err != nil {
		return err
	}
	if n.settings.DatabaseURL == "" {
		if err := n.useDatabase(privateDatabase(ctx, n.settings, n.logger)); err != nil {
			return err
		}
	}
	ctx, cancel := n.settings.patience(ctx)
	defer cancel()
	if err := n.startDatabase(ctx); err != nil {
		return inTime(ctx, err)
	}
	handler, err := n.serveOn(ctx, keys)
	if err != nil {
		return inTime(ctx, err)
	}
	n.endStreams = handler.Drain
	n.metrics.streams(handler.OpenStreams)
	n.life.goes("the sweep", func(ctx context.Context) { n.grains.Sweep(ctx, sweepEvery) })
	n.life.every("the cleaning of keys", cleanEvery, n.cleanKeys)
	n.life.every("the watch over PostgreSQL", databaseCheckEvery, n.checkDatabase)
	door.open(handler)
	n.life.started("the HTTP server", shutdown)
	n.life.started("the cluster's hold on grains", n.leave)
	return nil
}

// inTime returns the error of a start, which says so where its time was over.
func inTime(ctx context.Context, err error) error {
	late, ok := errors.AsType[*notThereError](context.Cause(ctx))
	if !ok || errors.Is(err, late) {
		return err
	}
	return fmt.Errorf("%w: %w", late, err)
}

// serveOn makes the node on its database: a member of the cluster with grains, and the API.
func (n *node) serveOn(ctx context.Context, keys *api.Keys) (*api.API, error) {
	if err := n.prepareMember(ctx); err != nil {
		return nil, err
	}
	if err := n.prepareGrains(ctx); err != nil {
		return nil, err
	}
	handler, err := api.New(n.api(keys))
	if err != nil {
		return nil, err
	}
	if n.settings.demo() {
		if err := loadDemo(ctx, n.db.Exclusively, n.db, n.clock.Now()); err != nil {
			return nil, err
		}
	}
	return handler, n.join(ctx)
}

// listen answers HTTP from now on: at first only that the node is starting. The server
// is what stops first of all; its shutdown is noted here as well, for a start that fails.
func (n *node) listen(ctx context.Context) (*frontDoor, func(context.Context) error, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", n.settings.Listen)
	if err != nil {
		return nil, nil, fmt.Errorf("listen on BOXOFFICE_LISTEN: %w", err)
	}
	n.url, err = reachable(listener.Addr().String())
	if err != nil {
		return nil, nil, errors.Join(err, listener.Close())
	}
	door := &frontDoor{}
	server := api.NewServer(door, n.settings.MaxConnections, n.logger)
	n.metrics.connections(server.Connections)
	n.failed = make(chan error, 1)
	ended := make(chan struct{})
	go func() { // shutdown waits for it
		defer close(ended)
		if err := server.Serve(listener); err != nil {
			n.failed <- fmt.Errorf("serve HTTP: %w", err)
		}
	}()
	shutdown := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, answerLimit)
		defer cancel()
		err := server.Shutdown(ctx)
		<-ended
		if errors.Is(err, context.DeadlineExceeded) {
			n.logger.Warn("requests were cut off: their clients are too slow")
			return nil
		}
		return err
	}
	n.life.started("listening", shutdown)
	return door, shutdown, nil
}

// useDatabase takes a database, unless it could not be opened.
func (n *node) useDatabase(opened database, err error) error {
	if err == nil {
		n.database = opened
		n.life.started("PostgreSQL", opened.stop)
	}
	return err
}

// startDatabase opens everything that is Postgres. A private one has been started.
func (n *node) startDatabase(ctx context.Context) (err error) {
	if n.settings.DatabaseURL != "" {
		if err := n.useDatabase(reachDatabase(ctx, n.settings, n.logger)); err != nil {
			return err
		}
	} else {
		done := tellIfSlow(n.logger, "migrating the database")
		err = migrations.Up(ctx, n.database.url)
		done()
	}
	if err = errors.Join(err, migrations.Check(ctx, n.database.url)); err != nil {
		return err
	}
	n.db, err = persistence.Open(ctx, n.database.url, persistence.Config{
		MaxConns:            n.settings.DatabaseConns,
		QueueCapacity:       n.settings.QueueCapacity,
		QueueAdmitPerSecond: n.settings.AdmitPerSecond,
	})
	if err != nil {
		return err
	}
	n.life.closes("the database's connections", n.db.Close)
	n.clock, err = persistence.NewClock(ctx, n.db, persistence.ClockConfig{Now: failpoint.Now, Logger: n.logger})
	if err != nil {
		return err
	}
	n.life.closes("the clock", n.clock.Close)
	n.journal = persistence.NewJournal(n.db, persistence.JournalConfig{
		Observe: n.metrics.groups(), Now: failpoint.Now, Logger: n.logger,
	})
	n.life.closes("the journal", n.journal.Close)
	n.metrics.watch(n.db, n.journal, func() time.Duration { return time.Until(n.clock.Now()) })
	return nil
}

// prepareMember makes what becomes a member of the cluster.
func (n *node) prepareMember(ctx context.Context) (err error) {
	connection, stop, err := openNATS(ctx, n.settings, n.logger)
	if err != nil {
		return err
	}
	n.nats = connection
	n.life.started("NATS", stop)
	n.member, err = cluster.New(n.membership())
	return err
}

// prepareGrains makes the grains that the member is to activate, and the replicas of those
// of others.
func (n *node) prepareGrains(ctx context.Context) (err error) {
	n.edge, err = edge.New(edge.Config{
		Caller:   n.member,
		Notifier: n.member,
		Bus:      n.member,
		Lease:    n.member.Lease(),
		Clock:    n.clock,
		MemberID: n.member.ID,
		Logger:   n.logger,
		Observer: n.metrics.edge(),
	})
	if err != nil {
		return err
	}
	n.life.closes("the edge", n.edge.Close)
	n.grains = actors.New(actors.Config{
		Journal:  n.journal,
		Rows:     n.db,
		Clock:    n.clock,
		Lease:    n.member.Lease(),
		Notifier: n.member,
		Views:    n.edge,
		Owner:    n.member.ID,
		Limits: waitingroom.Limits{
			AdmissionTTL: n.settings.AdmissionTTL,
			ClaimTTL:     n.settings.ClaimTTL,
			MaxWaiting:   n.settings.QueueMaxWaiting,
		},
		HoldTTL:  n.settings.HoldTTL,
		Logger:   n.logger,
		Observer: n.metrics.grains(),
	})
	n.life.started("the grains", func(context.Context) error {
		err := n.member.Close()
		n.grains.Wait()
		return err
	})
	return n.db.Warm(ctx)
}

// join makes this node a member. From then on the others wait for its grains, so everything
// else is ready.
func (n *node) join(ctx context.Context) error {
	defer tellIfSlow(n.logger, "joining the other nodes")()
	if err := n.member.Start(ctx, n.grains.Kinds()); err != nil {
		return fmt.Errorf("join the nodes at BOXOFFICE_NODE_ADDRESS or _BIND: %w", err)
	}
	return nil
}

// membership is how this node is a member.
func (n *node) membership() cluster.Config {
	bind, advertise := n.settings.NodeAddress, ""
	if n.settings.NodeBind != "" {
		bind, advertise = n.settings.NodeBind, bind
	}
	return cluster.Config{
		NATS:        n.nats,
		ClusterName: n.settings.ClusterName,
		TLS:         n.tls,
		Secrets:     [][]byte{n.secret},
		Bind:        bind,
		Advertise:   advertise,
		HTTPAddress: n.url,
		Alone:       n.settings.NATSURL == "",
		Retry:       actors.IsRetry,
		Moved:       &actors.Moved{},
		Logger:      n.logger,
		Observer:    n.metrics.cluster(),
	}
}

// leave makes the node unready and hands its grains over to the other nodes. It takes at
// least as long as a load balancer needs to see that.
func (n *node) leave(ctx context.Context) error {
	n.draining.Store(true)
	seen := time.NewTimer(n.settings.DrainDelay)
	defer seen.Stop()
	err := n.member.Leave(ctx)
	select {
	case <-seen.C:
	case <-ctx.Done():
	}
	n.endStreams() // their readers are not sent back here any more
	return err
}

// written is the database as the API uses it whose writes go into the journal's groups.
type written struct {
	*persistence.Database
	*persistence.Journal
}

func (n *node) api(keys *api.Keys) api.Config {
	return api.Config{
		Log:       n.logger,
		Clock:     n.clock,
		Stopwatch: failpoint.Now,
		Keys:      keys,
		Health:    n,
		Metrics:   n.metrics.handler(),
		Observe:   n.metrics.request,

		Users:        written{n.db, n.journal},
		Points:       written{n.db, n.journal},
		Catalogue:    n.db,
		Organiser:    n.db,
		Reservations: n.db,
		Payments:     n.db,
		Answers:      n.db,
		Seats:        n.edge,
		SeatMaps:     n.edge,
		WaitingRooms: n.edge,
		Queues:       n.edge,
		Cluster:      clusterView{n.member},

		RateLimit:      n.settings.RateLimit,
		TrustedProxies: n.settings.TrustedProxies,
		MaxStreams:     n.settings.streams(),
		Version:        readBuild().version,
	}
}

// clusterView shows the API what a node knows of the cluster.
type clusterView struct{ node *cluster.Node }

func (v clusterView) Members() []api.Member {
	members := []api.Member{}
	for _, m := range v.node.Members() {
		members = append(members, api.Member{ID: m.ID, Address: m.Address, StartedAt: m.StartedAt, Ready: m.Ready})
	}
	return members
}

func (v clusterView) Grains() []api.GrainCount {
	counts := []api.GrainCount{}
	for _, g := range v.node.Grains() {
		counts = append(counts, api.GrainCount{Kind: g.Kind, Count: g.Count, Member: g.Member})
	}
	return counts
}

// Ready returns an error if the node lacks Postgres, NATS, its lease or a common protocol
// with the other nodes, or if it drains.
func (n *node) Ready(ctx context.Context) error {
	switch {
	case n.draining.Load():
		return unready("the node is stopping", nil)
	case !n.nats.IsConnected():
		return unready("NATS cannot be reached", nil)
	}
	if err := n.member.Health(); err != nil {
		return unready(err.Error(), nil)
	}
	if err := n.journal.Ready(ctx); err != nil {
		return unready("PostgreSQL does not answer", err)
	}
	return nil
}

// unready returns the error of a node that is not ready: detail is for the client, cause
// for the log.
func unready(detail string, cause error) error {
	refusal := boxoffice.Unavailable(cmp.Or(cause, errors.New(detail)))
	refusal.Detail = detail
	return refusal
}

// cleanKeys deletes idempotency keys that nobody may rely on any more.
func (n *node) cleanKeys(ctx context.Context) {
	for deleted := 1; deleted > 0; {
		var err error
		if deleted, err = n.db.DeleteOldKeys(ctx, n.clock.Now()); err != nil && ctx.Err() == nil {
			n.logger.Warn("old idempotency keys could not be deleted", "error", err)
		}
	}
}

// checkDatabase reports to the cluster whether this node reaches PostgreSQL: a node that
// does not, while others do, hands its grains over to them.
func (n *node) checkDatabase(ctx context.Context) {
	check, cancel := context.WithTimeout(ctx, databaseCheckLimit)
	defer cancel()
	if err := n.db.Ready(check); ctx.Err() == nil {
		n.member.SetAble(err == nil)
	}
}
