package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors"
	"boxoffice/actors/messages"
	"boxoffice/persistence"

	"boxoffice/waitingroom"
)

// joinsInFlight is how many joins wait for their answer at a time.
const joinsInFlight = 8192

// joinTimeout is when the joins at the grain have failed.
const joinTimeout = 2 * time.Minute

// joinAtGrain lets strangers join through the gatekeeper's mailbox, without network or
// HTTP, and tells how long it took until all were answered. Each answer is durable.
func joinAtGrain(ctx context.Context, db *persistence.Database, scheduleID int64, joins int) (time.Duration, error) {
	clock, err := persistence.NewClock(ctx, db, persistence.ClockConfig{Now: time.Now})
	if err != nil {
		return 0, err
	}
	defer clock.Close()
	journal := persistence.NewJournal(db, persistence.JournalConfig{})
	defer journal.Close()
	grains := actors.New(actors.Config{
		Journal:  journal,
		Rows:     db,
		Clock:    clock,
		Lease:    always{},
		Notifier: nobody{},
		Views:    nobody{},
		Owner:    "bench",
		Limits:   roomLimits(),
		Logger:   slog.New(slog.DiscardHandler),
	})
	quiet := slog.New(slog.DiscardHandler)
	system := actor.NewActorSystemWithConfig(actor.Configure(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet })))
	defer system.Shutdown()
	defer grains.Wait()

	grain := boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: scheduleID}
	gatekeeper, err := system.Root.SpawnNamed(grains.Props(grain.Kind), actors.Name(grain, "1"))
	if err != nil {
		return 0, err
	}
	defer func() { _ = system.Root.StopFuture(gatekeeper).Wait() }()
	crowd := &joiner{gatekeeper: gatekeeper, left: joins, done: make(chan error, 1)}
	began := time.Now()
	pid := system.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return crowd }))
	defer func() { _ = system.Root.StopFuture(pid).Wait() }()
	select {
	case err := <-crowd.done:
		return time.Since(began), err
	case <-time.After(joinTimeout):
		return 0, fmt.Errorf("%d joins were not answered", joins)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func roomLimits() waitingroom.Limits {
	return waitingroom.Limits{AdmissionTTL: 10 * time.Minute, ClaimTTL: time.Minute, MaxWaiting: 10_000_000}
}

// joiner is an actor that joins again and again, each time as somebody else.
type joiner struct {
	gatekeeper *actor.PID
	left       int // to send
	waiting    int // for their answer
	done       chan error
}

func (j *joiner) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *actor.Started:
		for range joinsInFlight {
			j.join(ctx)
		}
	case *messages.Place:
		j.waiting--
		j.join(ctx)
		if j.left == 0 && j.waiting == 0 {
			j.done <- nil
		}
	case *messages.Refusal, *messages.Retry:
		select {
		case j.done <- fmt.Errorf("a join was answered with %v", m):
		default:
		}
	}
}

func (j *joiner) join(ctx actor.Context) {
	if j.left == 0 {
		return
	}
	j.left--
	j.waiting++
	userID := uuid.New()
	ctx.Request(j.gatekeeper, &messages.Join{UserId: userID[:]})
}

// always is the lease of the only node.
type always struct{}

func (always) Valid() bool { return true }

// nobody hears what the grain tells.
type nobody struct{}

func (nobody) Notify(string, int64, proto.Message)                   {}
func (nobody) Watched(boxoffice.Grain, int64, string) *messages.Mark { return &messages.Mark{} }
func (nobody) Changed(*messages.Change) bool                         { return false }
func (nobody) Ended(boxoffice.Grain, int64)                          {}
