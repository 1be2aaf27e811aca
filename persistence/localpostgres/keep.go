package localpostgres

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A kept server that ends before it has run for steadyAfter has had a short life. After
// shortLives of them in a row it is not started again: it will not stay.
const (
	steadyAfter = 10 * time.Second
	shortLives  = 3
)

// Kept is a server that is started again, where it was, whenever it ends by itself, so that
// everybody who knows its URL finds it again. It must be stopped.
type Kept struct {
	URL    string
	Failed <-chan error // receives why the server is gone for good

	server *Server // the watch's, until that has ended
	cancel context.CancelFunc
	watch  sync.WaitGroup
}

// Keep starts a server as [Start] does and keeps it running.
func Keep(ctx context.Context, config Config) (*Kept, error) {
	server, err := Start(ctx, config)
	if err != nil {
		return nil, err
	}
	config.Port = server.Port
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	failed := make(chan error, 1)
	k := &Kept{URL: server.URL, Failed: failed, server: server, cancel: cancel}
	k.watch.Go(func() {
		if err := k.keep(watching, config); err != nil && watching.Err() == nil {
			failed <- err
		}
	})
	return k, nil
}

func (k *Kept) keep(ctx context.Context, config Config) error {
	for short := 0; ; short++ {
		youth, over := context.WithTimeout(ctx, steadyAfter)
		select {
		case <-ctx.Done():
			over()
			return nil
		case <-k.server.Done():
		}
		steady := youth.Err() != nil
		over()
		if steady {
			short = 0
		} else if short+1 == shortLives {
			return fmt.Errorf("the private PostgreSQL does not stay up; see server.log in %s", config.DataDir)
		}
		if config.Logger != nil {
			config.Logger.Error("the private PostgreSQL has ended; starting it again", "dir", config.DataDir)
		}
		server, err := Start(ctx, config)
		if err != nil {
			return fmt.Errorf("the private PostgreSQL cannot be started again: %w", err)
		}
		k.server = server
	}
}

// Stop stops the server for good, as [Server.Stop] does.
func (k *Kept) Stop(ctx context.Context) error {
	k.cancel()
	k.watch.Wait()
	return k.server.Stop(ctx)
}
