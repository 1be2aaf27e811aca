// Command rowlock is what a team would build instead of boxoffice: stateless handlers
// and SELECT … FOR UPDATE. It is the baseline of the benchmarks, small and honest: it
// answers the calls that boxload makes for a sale, with the same durability, on the same
// Postgres, with the indexes and the pool that suit it best.
//
// It is spared much of what boxoffice does: no idempotency keys, no signed tokens (a
// token is the user's id), no waiting room order, no event log, no ledger.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rowlock:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("rowlock", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:8090", "HTTP address")
	database := flags.String("database", "", "URL of a Postgres; its schema rowlock is made anew")
	connections := flags.Int("connections", 16, "connections to Postgres")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("there are no arguments, but got %q", flags.Arg(0))
	}
	config, err := pgxpool.ParseConfig(*database)
	if err != nil {
		return fmt.Errorf("-database: %w", err)
	}
	config.MaxConns, config.MinConns = int32(*connections), int32(*connections)
	config.ConnConfig.RuntimeParams["search_path"] = "rowlock"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, schema); err != nil {
		return fmt.Errorf("make tables: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: newServer(pool).routes(), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(stderr, "rowlock listens on http://%s\n", listener.Addr())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(server.Shutdown(ctx), ignoreClosed(<-failed))
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
