package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
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

// database is the Postgres of this run: an external or a private one.
type database struct {
	url  string
	stop func(context.Context) error
	// failed receives why a private Postgres is gone for good; never for an external one.
	failed <-chan error
}

// openDatabase waits for the configured Postgres, or starts the private one.
func openDatabase(ctx context.Context, s settings, logger *slog.Logger) (database, error) {
	if s.DatabaseURL == "" {
		return privateDatabase(ctx, s, logger)
	}
	ctx, cancel := s.patience(ctx)
	defer cancel()
	return reachDatabase(ctx, s, logger)
}

// privateDatabase starts the private Postgres. The first time that takes long: it is made.
func privateDatabase(ctx context.Context, s settings, logger *slog.Logger) (database, error) {
	dir := filepath.Join(s.DataDir, "postgres")
	defer tellIfSlow(logger, "starting PostgreSQL in "+dir)()
	server, err := localpostgres.Keep(ctx, localpostgres.Config{
		DataDir:  dir,
		Settings: map[string]string{"max_connections": strconv.Itoa(s.DatabaseConns + spareConnections)},
		Logger:   logger,
	})
	if err != nil {
		return database{}, fmt.Errorf("the private PostgreSQL in BOXOFFICE_DATA_DIR: %w", err)
	}
	return database{url: server.URL, stop: server.Stop, failed: server.Failed}, nil
}

// reachDatabase waits for the configured Postgres.
func reachDatabase(ctx context.Context, s settings, logger *slog.Logger) (database, error) {
	if host := persistence.MayBePlain(s.DatabaseURL); host != "" {
		logger.Warn("connections to PostgreSQL are not encrypted unless it offers that: "+
			"say sslmode=verify-full in BOXOFFICE_DATABASE_URL, or disable where others cannot listen", "host", host)
	}
	defer tellIfSlow(logger, "waiting for PostgreSQL")()
	err := await(ctx, func(ctx context.Context) (again bool, err error) {
		return persistence.Reach(ctx, s.DatabaseURL)
	})
	if err != nil {
		return database{}, fmt.Errorf("the database of BOXOFFICE_DATABASE_URL: %w", err)
	}
	return database{url: s.DatabaseURL, stop: func(context.Context) error { return nil }}, nil
}

// notThereError is why a start ends that has waited for others for too long.
type notThereError struct{ after time.Duration }

func (e *notThereError) Error() string { return "not there after " + e.after.String() }

// patience returns a context that ends when a start has waited for others for too long.
func (s settings) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, s.StartTimeout, &notThereError{s.StartTimeout})
}

// await tries until it succeeds, trying again would not help, or ctx ends.
func await(ctx context.Context, try func(context.Context) (again bool, err error)) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		again, err := try(attempt)
		cancel()
		if err == nil || !again {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(attemptPause):
		}
	}
}
