package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"boxoffice/cluster/localnats"
	"boxoffice/internal/rig"
	"boxoffice/persistence/localpostgres"
)

// Bounds of starting and stopping.
const (
	postgresLimit = 30 * time.Second
	// connectionsPerNode is more than a node opens with its default settings.
	connectionsPerNode = 60
)

// cluster is what runs.
type cluster struct {
	options options
	environ []string // of this process
	stdout  io.Writer
	stderr  *lines

	database localpostgres.Config
	postgres *localpostgres.Server // of keepPostgres while that runs
	nats     *localnats.Server
	nodes    []*child
	balancer *child
	// cancel ends what runs, from the front to the back.
	cancel  context.CancelFunc
	running sync.WaitGroup
	failed  chan error // why a process is not started again
}

// run starts everything and returns when ctx ends, or with what went wrong.
func (c *cluster) run(ctx context.Context) error {
	var err error
	if c.options.dir, err = filepath.Abs(c.options.dir); err != nil {
		return err
	}
	if err = c.prepare(ctx); err != nil {
		return unlessInterrupted(ctx, err)
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel
	c.failed = make(chan error, len(c.nodes)+len(c.fronts())+1)
	c.running.Go(func() {
		if err := c.keepPostgres(running); err != nil {
			c.failed <- err
		}
	})
	for _, n := range slices.Concat(c.nodes, c.fronts()) {
		c.running.Go(func() {
			if err := n.keep(running); err != nil {
				c.failed <- err
			}
		})
	}
	if err = c.awaitReady(ctx); err != nil {
		return unlessInterrupted(ctx, err)
	}
	c.introduce()
	select {
	case <-ctx.Done():
		return nil
	case err := <-c.failed:
		return err
	}
}

// keepPostgres starts PostgreSQL again, where it was, whenever it ends before ctx does.
func (c *cluster) keepPostgres(ctx context.Context) error {
	c.database.Port = c.postgres.Port
	for short := 0; ; short++ {
		began := time.Now()
		select {
		case <-ctx.Done():
			return nil
		case <-c.postgres.Done():
		}
		if time.Since(began) >= steadyAfter {
			short = 0
		} else if short+1 == shortLives {
			return fmt.Errorf("PostgreSQL does not stay up; see server.log in %s", c.database.DataDir)
		}
		fmt.Fprintln(c.stderr.of("postgres"), "has ended; starting it again")
		server, err := localpostgres.Start(ctx, c.database)
		if err != nil {
			return unlessInterrupted(ctx, fmt.Errorf("start PostgreSQL again: %w", err))
		}
		c.postgres = server
	}
}

// unlessInterrupted ignores failures that only come from being stopped.
func unlessInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // whatever was interrupted is no failure
	}
	return err
}

// prepare starts what nodes need, and describes the nodes.
func (c *cluster) prepare(ctx context.Context) error {
	listen, err := addresses(c.options.listen, c.options.nodes)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(c.stderr.of("boxcluster"), nil))
	c.database = localpostgres.Config{
		DataDir:  filepath.Join(c.options.dir, "postgres"),
		Settings: map[string]string{"max_connections": strconv.Itoa((c.options.nodes + 1) * connectionsPerNode)},
		Logger:   logger,
	}
	if c.postgres, err = localpostgres.Start(ctx, c.database); err != nil {
		return err
	}
	// Whoever has the database has the directory to itself.
	store := filepath.Join(c.options.dir, "nats")
	if err := os.RemoveAll(store); err != nil {
		return fmt.Errorf("start NATS: %w", err)
	}
	if c.nats, err = localnats.Start(ctx, localnats.Config{StoreDir: store, Logger: logger}); err != nil {
		return err
	}
	if c.options.binary == "" {
		// On a machine that has built nothing yet it takes minutes.
		fmt.Fprintln(c.stderr.of("build"), "building the program")
		if c.options.binary, err = (rig.Build{Package: rig.Boxoffice, Dir: c.options.dir}).Run(ctx); err != nil {
			return err
		}
	}
	program := rig.Program{Path: c.options.binary, Environ: c.environment("BOXOFFICE_DATA_DIR=" + c.options.dir)}
	if _, err := program.Run(ctx, "migrate"); err != nil {
		return fmt.Errorf("migrate the database: %w", err)
	}
	// This makes the key as well, if there is none.
	token, err := program.AdminToken(ctx)
	if err != nil {
		return fmt.Errorf("make an admin's token: %w", err)
	}
	if err := os.WriteFile(c.path("admin-token"), []byte(token+"\n"), 0o600); err != nil {
		return err
	}
	return c.describe(listen)
}

func (c *cluster) path(name string) string { return filepath.Join(c.options.dir, name) }

// environment is this process's, with what makes nodes one service; own comes last.
func (c *cluster) environment(own ...string) []string {
	share := max(1, runtime.NumCPU()/c.options.nodes) // of the processors: with all of them each node costs more
	return slices.Concat([]string{
		"BOXOFFICE_LOG_FORMAT=text", "BOXOFFICE_DEMO=true", "GOMAXPROCS=" + strconv.Itoa(share),
	}, c.environ, []string{
		"BOXOFFICE_DATABASE_URL=" + c.postgres.URL,
		"BOXOFFICE_NATS_URL=" + c.nats.URL,
		"BOXOFFICE_NODE_ADDRESS=127.0.0.1:0",
		"BOXOFFICE_NODE_BIND=",
		"BOXOFFICE_DEBUG_LISTEN=",
	}, own)
}

// describe says what the nodes, and the balancer if one is wanted, are to be.
func (c *cluster) describe(listen []string) error {
	key := "BOXOFFICE_JWT_KEY=@" + c.path("jwt-key.pem")
	balanced := slices.Clone(c.environ)
	for i, address := range listen {
		name := fmt.Sprintf("node-%d", i+1)
		n := &child{
			name: name, url: "http://" + address, probe: "/readyz", pidFile: c.path(name + ".pid"), out: c.stderr.of(name),
			program: c.options.binary, args: []string{"serve"},
			environ: c.environment("BOXOFFICE_LISTEN="+address, "BOXOFFICE_DATA_DIR="+c.path(name), key),
		}
		c.nodes = append(c.nodes, n)
		if err := os.WriteFile(c.path(name+".url"), []byte(n.url+"\n"), 0o600); err != nil {
			return err
		}
		balanced = append(balanced, fmt.Sprintf("NODE%d=%s", i+1, address))
	}
	if c.options.haproxy == "" {
		return nil
	}
	front := c.options.front
	if host, port, _ := net.SplitHostPort(front); port == "0" {
		var err error
		if front, err = rig.FreeAddress(host); err != nil {
			return err
		}
	}
	c.balancer = &child{
		name: "haproxy", url: "http://" + front, probe: "/livez", pidFile: c.path("haproxy.pid"), out: c.stderr.of("haproxy"),
		program: "haproxy", args: []string{"-db", "-f", c.options.haproxy}, environ: append(balanced, "BALANCER_LISTEN="+front),
		abrupt: true,
	}
	return os.WriteFile(c.path("haproxy.url"), []byte(c.balancer.url+"\n"), 0o600)
}

// fronts is the balancer, if there is one.
func (c *cluster) fronts() []*child {
	if c.balancer == nil {
		return nil
	}
	return []*child{c.balancer}
}

// awaitReady returns when every node and the balancer answer.
func (c *cluster) awaitReady(ctx context.Context) error {
	for _, n := range slices.Concat(c.nodes, c.fronts()) {
		if err := rig.AwaitReady(ctx, n.url+n.probe, c.failed); err != nil {
			return err
		}
	}
	return nil
}

// introduce prints where everything is.
func (c *cluster) introduce() {
	var b strings.Builder
	fmt.Fprintf(&b, "\nboxcluster: %d nodes are one service\n\n", len(c.nodes))
	for _, n := range slices.Concat(c.nodes, c.fronts()) {
		fmt.Fprintf(&b, "  %s  %s\n", n.name, n.url)
	}
	last := slices.Concat(c.nodes, c.fronts())[len(c.nodes)+len(c.fronts())-1]
	fmt.Fprintf(&b, "\n  try:  curl %s/api/v1/schedules/1\n", last.url)
	fmt.Fprintf(&b, "        curl %s/api/v1/admin/cluster -H \"Authorization: Bearer $(cat %s)\"\n", last.url, c.path("admin-token"))
	fmt.Fprintf(&b, "        kill -9 $(cat %s)\n\n  Ctrl-C stops everything.\n\n", c.nodes[0].pidFile)
	fmt.Fprint(c.stdout, b.String())
}

// stop stops what was started, the balancer and the nodes first.
func (c *cluster) stop() error {
	var problems []error
	if c.cancel != nil {
		c.cancel()
		c.running.Wait()
		for len(c.failed) > 0 {
			problems = append(problems, <-c.failed)
		}
	}
	if c.nats != nil {
		c.nats.Stop()
	}
	if c.postgres != nil {
		ctx, cancel := context.WithTimeout(context.Background(), postgresLimit)
		defer cancel()
		problems = append(problems, c.postgres.Stop(ctx))
	}
	return errors.Join(problems...)
}
