package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"boxoffice/persistence"
	"boxoffice/persistence/localpostgres"
)

// Bounds of waiting for things that are not there yet.
const (
	attemptTimeout = 5 * time.Second        // of one attempt to connect
	attemptPause   = 250 * time.Millisecond // between two
)

// spareConnections is what a private Postgres takes beyond BOXOFFICE_DATABASE_CONNECTIONS:
// for the journal, migrations and people who look.
const spareConnections = 50

// A private Postgres that ends before it has run for steadyAfter has had a short life.
// After shortLives of them in a row it is not started again: it will not stay.
const (
	steadyAfter = 10 * time.Second
	shortLives  = 3
)

// database is the Postgres of this run: somebody else's, or our own.
type database struct {
	url  string
	stop func(context.Context) error
	// failed receives why a private Postgres is gone for good; never for an external one.
	failed <-chan error
}

// openDatabase waits for the Postgres that was set, or starts the private one.
func openDatabase(ctx context.Context, s settings, logger *slog.Logger) (database, error) {
	if s.DatabaseURL == "" {
		return startPostgres(ctx, s, logger)
	}
	if host := persistence.MayBePlain(s.DatabaseURL); host != "" {
		logger.Warn("connections to PostgreSQL are not encrypted unless it offers that: "+
			"say sslmode=verify-full in BOXOFFICE_DATABASE_URL, or disable where others cannot listen", "host", host)
	}
	err := await(ctx, s.StartTimeout, func(ctx context.Context) (again bool, err error) {
		return persistence.Reach(ctx, s.DatabaseURL)
	})
	if err != nil {
		return database{}, fmt.Errorf("the database of BOXOFFICE_DATABASE_URL: %w", err)
	}
	return database{url: s.DatabaseURL, stop: func(context.Context) error { return nil }}, nil
}

// await tries until it works, or to try again does not help, or patience is at an end.
func await(ctx context.Context, patience time.Duration, try func(context.Context) (again bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		again, err := try(attempt)
		cancel()
		if err == nil || !again {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not there after %s: %w", patience, err)
		case <-time.After(attemptPause):
		}
	}
}

// privatePostgres is a Postgres of our own. While it should run and does not, it is
// started again where it was, so that everybody who knows its URL finds it again.
type privatePostgres struct {
	config localpostgres.Config
	server *localpostgres.Server // of the watch until that has ended
}

func startPostgres(ctx context.Context, s settings, logger *slog.Logger) (database, error) {
	p := &privatePostgres{config: localpostgres.Config{
		DataDir:  filepath.Join(s.DataDir, "postgres"),
		Settings: map[string]string{"max_connections": strconv.Itoa(s.DatabaseConns + spareConnections)},
		Logger:   logger,
	}}
	server, err := localpostgres.Start(ctx, p.config)
	if err != nil {
		return database{}, fmt.Errorf("the private PostgreSQL in BOXOFFICE_DATA_DIR: %w", err)
	}
	p.server, p.config.Port = server, server.Port
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	failed := make(chan error, 1)
	var watch sync.WaitGroup
	watch.Go(func() {
		if err := p.keep(watching); err != nil && watching.Err() == nil {
			failed <- err
		}
	})
	stop := func(ctx context.Context) error {
		cancel()
		watch.Wait()
		return p.server.Stop(ctx)
	}
	return database{url: server.URL, stop: stop, failed: failed}, nil
}

// keep starts the server again whenever it ends before ctx does.
func (p *privatePostgres) keep(ctx context.Context) error {
	for short := 0; ; short++ {
		began := time.Now()
		select {
		case <-ctx.Done():
			return nil
		case <-p.server.Done():
		}
		if time.Since(began) >= steadyAfter {
			short = 0
		} else if short+1 == shortLives {
			return fmt.Errorf("the private PostgreSQL does not stay up; see server.log in %s", p.config.DataDir)
		}
		p.config.Logger.Error("the private PostgreSQL has ended; starting it again", "dir", p.config.DataDir)
		server, err := localpostgres.Start(ctx, p.config)
		if err != nil {
			return fmt.Errorf("the private PostgreSQL cannot be started again: %w", err)
		}
		p.server = server
	}
}
