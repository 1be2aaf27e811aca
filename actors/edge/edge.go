package edge

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"boxoffice"
	"boxoffice/actors"
)

// Bus carries the feeds between nodes. It promises nothing: messages may get lost.
type Bus interface {
	// Publish tells all who subscribe to a subject. It never blocks.
	Publish(subject string, data []byte)
	// Subscribe calls each with what is published, one message after the other, until
	// cancel is called.
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

// Observer is told what metrics count. Each func may be nil; all are called from many
// goroutines and must not block.
type Observer struct {
	// Answered: a question was answered, by a replica that was so old (0 on the owner's
	// node), or by the grain.
	Answered func(kind boxoffice.Kind, byReplica bool, age time.Duration)
}

// Edge answers for the grains of the whole cluster on one node. All methods may be
// called from many goroutines.
type Edge struct {
	// What is not answered here is asked of the grains.
	*actors.Client

	cfg Config
}

// New makes the edge of a node. Close it when nobody asks any more and the grains of
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
	return &Edge{Client: actors.NewClient(cfg.Caller, cfg.Notifier), cfg: cfg}, nil
}

// Close ends what runs beside the questions.
func (e *Edge) Close() {}

// askAgain is a channel that is closed when it is worth asking a grain again that no
// replica follows.
func askAgain() <-chan struct{} {
	again := make(chan struct{})
	time.AfterFunc(askAgainAfter, func() { close(again) })
	return again
}

// askAgainAfter is how often somebody who follows a grain asks it where there is no
// replica to wait for.
const askAgainAfter = 500 * time.Millisecond

// FollowSeats gives the seats to somebody who saw them at version since (< 0: never).
func (e *Edge) FollowSeats(
	ctx context.Context, scheduleID int64, admission *boxoffice.Admission, since int64,
) (boxoffice.SeatNews, error) {
	seats, err := e.SeatMap(ctx, scheduleID, admission)
	if err != nil {
		return boxoffice.SeatNews{}, err
	}
	return boxoffice.SeatNews{Map: seats, Complete: seats.Version == since, Changed: askAgain()}, nil
}
