package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"boxoffice/bench/lab"
	"boxoffice/cluster/localnats"
	api "boxoffice/http"
	"boxoffice/internal/rig"
	"boxoffice/migrations"
	"boxoffice/persistence"
)

// figure is one row of the table.
type figure struct{ name, goal, measured string }

// bench is one run.
type bench struct {
	options
	stderr  io.Writer
	lab     *lab.Lab
	nats    *localnats.Server
	natsDir string
	db      *persistence.Database
	keys    *api.Keys
	keyPEM  string
	figures []figure

	shortLine, longLine, httpLine, busyLine int64
	short, long                             []*person
	owner, other                            *node
}

// node is one process of the service.
type node struct {
	*lab.Server
	debug string // address of its profiles
	*client
}

func open(ctx context.Context, o options, stderr io.Writer) (_ *bench, err error) {
	b := &bench{options: o, stderr: stderr}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if b.keys, err = api.NewKeys(private); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	b.keyPEM = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if b.lab, err = lab.New(ctx, stderr, "100", lab.Boxoffice, lab.Bare); err != nil {
		return nil, err
	}
	if b.natsDir, err = os.MkdirTemp("", "boxoffice-bench-nats-"); err != nil {
		return nil, err
	}
	if b.nats, err = localnats.Start(ctx, localnats.Config{StoreDir: b.natsDir}); err != nil {
		return nil, err
	}
	if err := migrations.Up(ctx, b.lab.Postgres.URL); err != nil {
		return nil, err
	}
	b.db, err = persistence.Open(ctx, b.lab.Postgres.URL, persistence.Config{QueueCapacity: 1})
	return b, err
}

func (b *bench) close() {
	for _, n := range []*node{b.owner, b.other} {
		if n != nil {
			n.client.close()
			if err := n.Stop(rig.StopLimit); err != nil {
				b.say("stop a node: %v", err)
			}
		}
	}
	if b.db != nil {
		b.db.Close()
	}
	if b.nats != nil {
		b.nats.Stop()
	}
	if b.lab != nil {
		b.lab.Close()
	}
	if err := os.RemoveAll(b.natsDir); err != nil {
		b.say("%v", err)
	}
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.stderr, "%s %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

func (b *bench) note(name, goal, format string, args ...any) {
	b.figures = append(b.figures, figure{name, goal, fmt.Sprintf(format, args...)})
}

// measure takes all figures, in the order in which they disturb each other least.
func (b *bench) measure(ctx context.Context) error {
	if load, err := os.ReadFile("/proc/loadavg"); err == nil { // elsewhere there is none
		b.note("processors, and the load average before", "", "%d, %s", runtime.NumCPU(), strings.Fields(string(load))[0])
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"filling lines through the journal", b.fillLines},
		{"two nodes, and the memory of a long line", b.startNodes},
		{"places of people who poll", b.findPollers},
		{"polls", b.polls},
		{"joins over HTTP", b.joinsOverHTTP},
		{"the loss of the owner", b.loseOwner},
		{"event streams", b.follow},
		{"over-admission", b.countOverAdmission},
	} {
		b.say("%s", step.name)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// Sizes of the lines beside the long one.
const (
	shortWaiting = 1000
	pollers      = 1000 // people of a line whose places are polled
	// The busy line lets people in all the time; who is in and does not come goes again.
	busyWaiting   = 3000
	busyCapacity  = 100
	busyPerSecond = 50
	busyClaimTTL  = 2 * time.Second
)

func (b *bench) fillLines(ctx context.Context) (err error) {
	for _, l := range []struct {
		id                       *int64
		waiting, capacity, speed int
		people                   *[]*person
	}{
		{&b.shortLine, shortWaiting, 1, 0, &b.short},
		{&b.longLine, b.waiting, 1, 0, &b.long},
		{&b.busyLine, busyWaiting, busyCapacity, busyPerSecond, nil},
		{&b.httpLine, 0, 1, 0, nil},
	} {
		if *l.id, err = newSchedule(ctx, b.db, l.capacity, l.speed); err != nil {
			return err
		}
		began := time.Now()
		users, err := fill(ctx, b.db, *l.id, l.waiting, l.people != nil)
		if err != nil {
			return err
		}
		if l.waiting > 0 {
			b.say("  %d in %s", l.waiting, time.Since(began).Round(time.Millisecond))
		}
		if l.people != nil {
			step := max(1, len(users)/pollers)
			for i := 0; i < len(users); i += step {
				*l.people = append(*l.people, &person{id: users[i], position: i + 1})
			}
		}
	}
	return errors.Join(b.register(ctx, b.short), b.register(ctx, b.long))
}
