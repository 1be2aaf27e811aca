package main

import (
	"context"
	"fmt"
	"time"

	"boxoffice/chaos/plan"
)

const (
	// electionLimit is how long the nodes may be unready when they lose one of several NATS
	// servers: the others elect another leader within 9 s.
	electionLimit = 10 * time.Second
	// leasesEnd is how long after a server died every lease is over that it keeps from being
	// extended.
	leasesEnd = 1500 * time.Millisecond
)

// natsServers is how many NATS servers a plan needs.
func natsServers(faults []plan.Fault) int {
	servers := 1
	for _, f := range faults {
		servers = max(servers, entryOf(f.Kind).NATS)
	}
	return servers
}

// killNATSServers kills each of the NATS servers in turn, the next one when the one before is
// back and up to date.
func (x *experiment) killNATSServers(ctx context.Context, f plan.Fault) error {
	servers := entryOf(f.Kind).NATS
	for i := range servers {
		began := x.now()
		if err := x.system.WithoutNATSServer(ctx, i, func() error { return x.recoverWithout(ctx, f) }); err != nil {
			return err
		}
		if err := x.wait(ctx, began+f.Length/time.Duration(servers)); err != nil {
			return err
		}
	}
	return nil
}

// killNATSServerAndNode kills a NATS server, and a node when the nodes have got over that, and
// has the node come back while the server is away.
func (x *experiment) killNATSServerAndNode(ctx context.Context, f plan.Fault) error {
	return x.system.WithoutNATSServer(ctx, f.Peer, func() error {
		if err := x.recoverWithout(ctx, f); err != nil {
			return err
		}
		if err := x.system.Inject(ctx, plan.Fault{Kind: plan.Kill, Node: f.Node, Length: f.Length / 4}); err != nil {
			return err
		}
		return x.system.AwaitReady(ctx)
	})
}

// recoverWithout wants of the nodes, while one NATS server of several is away, that they load a
// schedule which none of them has, and are ready.
func (x *experiment) recoverWithout(ctx context.Context, f plan.Fault) error {
	killed := x.now()
	if err := x.wait(ctx, killed+leasesEnd); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, 2*electionLimit)
	defer cancel()
	err := x.fleet.Wake(limited)
	if err == nil {
		err = x.system.AwaitReady(limited)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	took := x.now() - killed
	what := "loading a schedule and being ready without one NATS server"
	if err != nil {
		what = fmt.Sprintf("%s (%v)", what, err)
	}
	fmt.Fprintf(x.stdout, "%7.3fs %s: %s took %s\n", x.now().Seconds(), f.Kind, what, took.Round(time.Millisecond))
	x.within(f, "NATS server", what, killed, took, electionLimit)
	return nil
}
