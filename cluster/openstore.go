package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// How a node that starts waits for its members' bucket: a request that nobody answers, as
// where the bucket's server is away, is made again.
const (
	openTry   = 2 * time.Second
	openPause = 250 * time.Millisecond
)

// openStore opens the members' bucket, again and again until ctx ends, and returns how long it
// has existed.
func openStore(ctx context.Context, cfg Config) (*natsStore, time.Duration, error) {
	for {
		store, age, err := tryStore(ctx, cfg)
		if err == nil || errors.Is(err, nats.ErrNoResponders) { // there is no JetStream, and never will be
			return store, age, err
		}
		select {
		case <-ctx.Done():
			return nil, 0, fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(openPause):
		}
	}
}

func tryStore(ctx context.Context, cfg Config) (*natsStore, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, openTry)
	defer cancel()
	store, err := newNATSStore(ctx, cfg.NATS, cfg.ClusterName+"-members")
	if err != nil {
		return nil, 0, err
	}
	_, age, err := store.open(ctx)
	return store, age, err
}
