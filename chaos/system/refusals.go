package system

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"boxoffice/chaos/plan"
)

// refusal is a way in which Postgres says no: what makes it, and what takes it back.
type refusal struct{ make, undo []string }

// refusals are those that statements can make.
func refusals() map[plan.Kind]refusal {
	trigger := func(body string) refusal {
		return refusal{
			make: []string{
				"CREATE FUNCTION chaos() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + body + " END $$",
				"CREATE TRIGGER chaos BEFORE INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION chaos()",
			},
			undo: []string{"DROP FUNCTION IF EXISTS chaos CASCADE"},
		}
	}
	return map[plan.Kind]refusal{
		plan.ReadOnly: {
			make: []string{"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"},
			undo: []string{"ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"},
		},
		plan.TableFull: trigger("RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full';"),
		// Longer than any statement may take.
		plan.StatementTimeouts: trigger("PERFORM pg_sleep(60); RETURN NULL;"),
	}
}

// refuse lets Postgres say no for as long as the fault lasts.
func (s *System) refuse(ctx context.Context, f plan.Fault) (err error) {
	conn, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	// The session that undoes a refusal is not to be refused, nor to wait for those that are.
	if _, err := conn.Exec(ctx, "SET default_transaction_read_only = off"); err != nil {
		return errors.Join(err, conn.Close(ctx))
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	if f.Kind == plan.TableLocked {
		return s.lockTable(ctx, f, conn)
	}
	if f.Kind == plan.TooManyClients {
		return s.crowdOut(ctx, f)
	}
	how := refusals()[f.Kind]
	err = execAll(ctx, conn, how.make)
	if err == nil {
		err = pause(ctx, f.Length)
	}
	return errors.Join(err, execAll(context.WithoutCancel(ctx), conn, how.undo))
}

func execAll(ctx context.Context, conn *pgx.Conn, statements []string) error {
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("run %.60q: %w", sql, err)
		}
	}
	return nil
}

// lockTable keeps everybody from writing events.
func (s *System) lockTable(ctx context.Context, f plan.Fault, conn *pgx.Conn) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "LOCK TABLE events IN EXCLUSIVE MODE"); err != nil {
			return fmt.Errorf("lock a table: %w", err)
		}
		return pause(ctx, f.Length)
	})
}

// crowdOut takes every connection that Postgres has, those of the nodes included on which they
// only read.
func (s *System) crowdOut(ctx context.Context, f plan.Fault) (err error) {
	var crowd crowd
	defer func() { err = errors.Join(err, crowd.leave(context.WithoutCancel(ctx))) }()
	const rounds = 3 // nodes take some of what they leave themselves
	for range rounds {
		if err := crowd.fill(ctx, s); err != nil {
			return err
		}
		// Not those of the journals: a commit that is cut off is another fault.
		if _, err := crowd.taken[0].Exec(ctx, endIdleSessions+" AND application_name = 'boxoffice'"); err != nil {
			return fmt.Errorf("end the nodes' sessions: %w", err)
		}
	}
	return errors.Join(crowd.fill(ctx, s), pause(ctx, f.Length))
}

// crowd is many sessions that do nothing.
type crowd struct {
	mu    sync.Mutex
	taken []*pgx.Conn
}

// fill takes connections, several at a time, until there are none left.
func (c *crowd) fill(ctx context.Context, s *System) error {
	const atATime = 8
	errs := make([]error, atATime)
	var filling sync.WaitGroup
	for i := range errs {
		filling.Go(func() { errs[i] = c.take(ctx, s) })
	}
	filling.Wait()
	return errors.Join(errs...)
}

// take takes one connection after the other until Postgres refuses one.
func (c *crowd) take(ctx context.Context, s *System) error {
	for {
		conn, err := s.Connect(ctx)
		if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == "53300" {
			return nil
		}
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.taken = append(c.taken, conn)
		c.mu.Unlock()
	}
}

func (c *crowd) leave(ctx context.Context) error {
	var errs []error
	for _, conn := range c.taken {
		errs = append(errs, conn.Close(ctx))
	}
	return errors.Join(errs...)
}
