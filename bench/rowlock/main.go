// Command rowlock is what a team would build instead of boxoffice: stateless handlers
// and SELECT … FOR UPDATE. It is the baseline of the benchmarks, small and honest: it
// answers the calls that boxload makes for a sale, with the same durability, on the same
// Postgres, with the indexes and the pool that suit it best.
//
// It is spared much of what boxoffice does: no signed tokens (a token is the user's id), no
// waiting room order, no event log, and in a sale no idempotency keys and no ledger. Charges,
// which are nothing without them, have both.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"

	"boxoffice/bench/peer"
)

func main() {
	flags := flag.NewFlagSet("rowlock", flag.ContinueOnError)
	database := flags.String("database", "", "URL of a Postgres; its schema rowlock is made anew")
	connections := flags.Int("connections", 16, "connections to Postgres")
	peer.Main("rowlock", flags, func(ctx context.Context) (http.Handler, func(), error) {
		pool, err := open(ctx, *database, *connections)
		if err != nil {
			return nil, nil, err
		}
		return newServer(pool).routes(), pool.Close, nil
	})
}

func open(ctx context.Context, database string, connections int) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(database)
	if err != nil {
		return nil, fmt.Errorf("-database: %w", err)
	}
	config.MaxConns, config.MinConns = int32(connections), int32(connections)
	config.ConnConfig.RuntimeParams["search_path"] = "rowlock"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if _, err := pool.Exec(ctx, schema); err != nil {
		pool.Close()
		return nil, fmt.Errorf("make tables: %w", err)
	}
	return pool, nil
}
