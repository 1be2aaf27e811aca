package actors

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// Journal makes the decisions of grains durable.
type Journal interface {
	// ActivateSchedule takes a new epoch of a schedule's grain and restores its state. Ended
	// are the places whose rows have ended while their tokens would still be valid. It fails
	// with an error that wraps boxoffice.ErrNoGrain if there is no such schedule.
	ActivateSchedule(ctx context.Context, id int64, owner string) (activation boxoffice.Activation, seats *seatmap.Seats, ended []boxoffice.EndedPlace, err error)
	// ActivateWaitingRoom does the same for a schedule's gatekeeper. The news are what the
	// schedule's journal says after the version that the room knows.
	ActivateWaitingRoom(ctx context.Context, id int64, owner string, limits waitingroom.Limits) (boxoffice.Activation, *waitingroom.Room, boxoffice.ScheduleNews, error)
	// Commit never blocks; it calls done exactly once, from another goroutine or before
	// it returns.
	Commit(c boxoffice.Commit, done func(boxoffice.CommitResult))
}

// Rows reads what grains have to find out from Postgres themselves.
type Rows interface {
	// ScheduleNews reads what a schedule's journal says after one of its versions.
	ScheduleNews(ctx context.Context, scheduleID, after int64) (boxoffice.ScheduleNews, error)
	// DueGrains names up to limit grains for which time has made something due that
	// nobody seems to have done.
	DueGrains(ctx context.Context, limit int) ([]boxoffice.Grain, error)
}

// Clock returns the database's time: UTC, in whole milliseconds.
type Clock interface{ Now() time.Time }

// Lease says whether this node may answer from memory.
type Lease interface{ Valid() bool }

// Notifier sends a message to a grain, best effort, without waiting.
type Notifier interface {
	Notify(kind string, id int64, message proto.Message)
}

// Views are the replicas of what grains show. Their methods are called for the watched
// grains of this node, on the goroutines of the grains, and must not block.
type Views interface {
	// Watched is called when a member asks for the whole view of a grain. The mark that it
	// returns (member and counter) goes with the answer.
	Watched(grain boxoffice.Grain, epoch int64, watcher string) *messages.Mark
	// Changed is called after a change is durable, and before anybody gets an answer that
	// depends on it. It reports whether anybody still watches; if not, it is not called
	// again until somebody does. Nobody may modify the change.
	Changed(change *messages.Change) (watched bool)
	// Ended is called when this node no longer vouches for what a grain showed in an epoch
	// and those before: a watched activation stops, or a new one begins.
	Ended(grain boxoffice.Grain, epoch int64)
}

// Config is what grains need. Everything without a stated default is required.
type Config struct {
	Journal  Journal
	Rows     Rows
	Clock    Clock
	Lease    Lease
	Notifier Notifier
	Views    Views
	Owner    string // this node's name, for the operator who looks at the grains table
	Limits   waitingroom.Limits
	HoldTTL  time.Duration
	// IdleAfter is how long a grain without commands stays in memory; zero: 10 minutes.
	IdleAfter time.Duration
	// ReconcileEvery is how often a busy gatekeeper reads its schedule's journal, in case
	// messages were lost; zero: 5 seconds.
	ReconcileEvery time.Duration
	Logger         *slog.Logger
	Observer       Observer
}

// Observer receives what metrics count. Each func may be nil; all are called from many
// goroutines and must not block.
type Observer struct {
	Batch     func(kind boxoffice.Kind, commands int) // a batch was decided
	Activated func(kind boxoffice.Kind, took time.Duration)
	Stopped   func(kind boxoffice.Kind, reason string)
	Event     func(boxoffice.Event) // an event became durable
	Census    func(change Census)   // the sum of all changes is what the grains of this node hold
}

// Census counts the live contents of grains.
type Census struct {
	Holds    int // seats that are held, of schedules
	Waiting  int // places that wait, of waiting rooms
	Admitted int // places that are admitted, of waiting rooms
}

// Grains makes the grains of one node.
type Grains struct {
	cfg    Config
	alarms alarms
	tasks  sync.WaitGroup // goroutines of grains: loads and look-ups
}

// New returns the grains of a node; a cluster activates them by their [Grains.Kinds].
func New(cfg Config) *Grains {
	if cfg.IdleAfter == 0 {
		cfg.IdleAfter = defaultIdleAfter
	}
	if cfg.ReconcileEvery == 0 {
		cfg.ReconcileEvery = defaultReconcileEvery
	}
	return &Grains{cfg: cfg, alarms: alarms{clock: cfg.Clock}}
}

const (
	defaultIdleAfter      = 10 * time.Minute
	defaultReconcileEvery = 5 * time.Second
)

// Kinds returns what a cluster needs to activate grains here, by name.
func (g *Grains) Kinds() map[string]*actor.Props {
	return map[string]*actor.Props{
		string(boxoffice.KindSchedule):   g.Props(boxoffice.KindSchedule),
		string(boxoffice.KindGatekeeper): g.Props(boxoffice.KindGatekeeper),
	}
}

// Props returns the properties of the grains of one kind. Their actors must have names from
// [Name], from which a grain learns its id.
func (g *Grains) Props(kind boxoffice.Kind) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor {
		s := &shell{grains: g, cfg: &g.cfg, kind: kind, other: boxoffice.KindSchedule}
		if kind == boxoffice.KindSchedule {
			s.other = boxoffice.KindGatekeeper
		}
		return s
	})
}

// machine returns the machine of a grain, not loaded yet.
func (g *Grains) machine(kind boxoffice.Kind, id int64) machine {
	if kind == boxoffice.KindSchedule {
		return &scheduleGrain{cfg: &g.cfg, id: id}
	}
	return &gatekeeperGrain{cfg: &g.cfg, id: id}
}

// Wait waits until no goroutine of a grain is left. Call it once the cluster has
// stopped its actors.
func (g *Grains) Wait() { g.tasks.Wait() }

// sweepLimit bounds how many grains one sweep wakes.
const sweepLimit = 1000

// Sweep wakes grains that time has made due and that no node has active: the seats of
// expired holds, the places of people who never came. It returns when ctx ends.
func (g *Grains) Sweep(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		due, err := g.cfg.Rows.DueGrains(ctx, sweepLimit)
		if err != nil {
			if ctx.Err() == nil {
				g.cfg.Logger.Warn("sweep could not look for due grains", "error", err)
			}
			continue
		}
		for _, grain := range due {
			g.cfg.Notifier.Notify(string(grain.Kind), grain.ID, &messages.Wake{})
		}
	}
}

// IsRetry reports whether a reply means "ask again": the activation that sent it could not
// answer.
func IsRetry(reply any) bool {
	_, ok := reply.(*messages.Retry)
	return ok
}

// Moved is sent to a grain whose owner is another node by now.
type Moved struct{}

// Name returns the name of a grain's actor, as the cluster chooses it too:
// kind/id/activation.
func Name(grain boxoffice.Grain, activation string) string {
	return string(grain.Kind) + "/" + strconv.FormatInt(grain.ID, 10) + "/" + activation
}

// idOfName returns the id of a grain by the name of its actor.
func idOfName(name string) (int64, error) {
	_, rest, _ := strings.Cut(name, "/")
	id, _, _ := strings.Cut(rest, "/")
	return strconv.ParseInt(id, 10, 64)
}
