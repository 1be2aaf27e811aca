package persistence

import (
	"context"
	"errors"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// warmConns is how many connections for queries a node opens before it needs them.
const warmConns = 4

// Warm opens the journal's connections and a few for queries, and prepares the journal's
// statements, so that the first grains of a node that joins others do not wait for that.
func (d *Database) Warm(ctx context.Context) error {
	prepare := func(ctx context.Context, conn *pgx.Conn) error {
		for _, s := range d.sql.writing() {
			if _, err := conn.Prepare(ctx, s.name, s.sql); err != nil {
				return err
			}
		}
		return nil
	}
	connect := func(context.Context, *pgx.Conn) error { return nil }
	return failure("open connections", errors.Join(
		warm(ctx, d.journal, journalFlushers, prepare),
		warm(ctx, d.pool, min(warmConns, int(d.pool.Config().MaxConns)), connect),
	))
}

// warm acquires so many connections of a pool at a time, and calls use with each.
func warm(ctx context.Context, pool *pgxpool.Pool, conns int, use func(context.Context, *pgx.Conn) error) error {
	var opening sync.WaitGroup
	held := make([]*pgxpool.Conn, conns)
	errs := make([]error, conns)
	for i := range conns {
		opening.Go(func() {
			if held[i], errs[i] = pool.Acquire(ctx); errs[i] == nil {
				errs[i] = use(ctx, held[i].Conn())
			}
		})
	}
	opening.Wait()
	for _, conn := range held {
		if conn != nil {
			conn.Release()
		}
	}
	return errors.Join(errs...)
}
