package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

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
	// failed gives why a private Postgres is gone for good; never for an external one.
	failed <-chan error
}

// openDatabase waits for the Postgres that was set, or starts the private one.
func openDatabase(ctx context.Context, s settings, logger *slog.Logger) (database, error) {
	if s.DatabaseURL == "" {
		return startPostgres(ctx, s, logger)
	}
	url := string(s.DatabaseURL)
	if err := awaitDatabase(ctx, url, time.Duration(s.StartTimeout)); err != nil {
		return database{}, fmt.Errorf("the database of BOXOFFICE_DATABASE_URL: %w", err)
	}
	return database{url: url, stop: func(context.Context) error { return nil }}, nil
}

// awaitDatabase returns when the database at url lets us in. It fails when that takes
// longer than patience, and at once where waiting does not help.
func awaitDatabase(ctx context.Context, url string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := connectOnce(ctx, url)
		if err == nil || !worthWaiting(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not there after %s: %w", patience, err)
		case <-time.After(attemptPause):
		}
	}
}

func connectOnce(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return connection.Close(ctx)
}

// worthWaiting tells refusals of a server that is starting, stopping or full, and
// servers that are not there, from those that tomorrow would give as well (a wrong
// password, no such database).
func worthWaiting(err error) bool {
	refusal, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return true
	}
	switch refusal.Code {
	case "57P01", "57P02", "57P03", "53300": // shutdown, crash, cannot connect now, too many
		return true
	default:
		return false
	}
}

// privatePostgres is a Postgres of our own. While it should run and does not, it is
// started again where it was, so that everybody who knows its URL finds it again.
type privatePostgres struct {
	config localpostgres.Config
	logger *slog.Logger
	cancel context.CancelFunc // ends the watch
	watch  sync.WaitGroup

	server *localpostgres.Server // of the watch until that has ended
}

func startPostgres(ctx context.Context, s settings, logger *slog.Logger) (database, error) {
	p := &privatePostgres{logger: logger, config: localpostgres.Config{
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
	p.cancel = cancel
	failed := make(chan error, 1)
	p.watch.Go(func() {
		if err := p.keep(watching); err != nil {
			failed <- err
		}
	})
	return database{url: server.URL, stop: p.stop, failed: failed}, nil
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
		p.logger.Error("the private PostgreSQL has ended; starting it again", "dir", p.config.DataDir)
		server, err := localpostgres.Start(ctx, p.config)
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("the private PostgreSQL cannot be started again: %w", err)
		}
		if err != nil {
			return nil //nolint:nilerr // interrupted: it is not wanted any more
		}
		p.server = server
	}
}

func (p *privatePostgres) stop(ctx context.Context) error {
	p.cancel()
	p.watch.Wait()
	return p.server.Stop(ctx)
}
