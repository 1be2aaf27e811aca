package system

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
	switch f.Kind {
	case plan.TableLocked:
		return s.lockTable(ctx, f, conn)
	case plan.TooManyClients:
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

// crowdOut ends the nodes' sessions and takes every connection that Postgres has.
func (s *System) crowdOut(ctx context.Context, f plan.Fault) (err error) {
	var taken []*pgx.Conn
	defer func() {
		for _, conn := range taken {
			err = errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
		}
	}()
	const rounds = 3 // nodes take some of what they leave themselves
	for range rounds {
		if err := s.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE application_name LIKE 'boxoffice%'`); err != nil && len(taken) == 0 {
			return err
		}
		for {
			conn, connectErr := s.Connect(ctx)
			refused, ok := errors.AsType[*pgconn.PgError](connectErr)
			if ok && strings.HasPrefix(refused.Code, "53") {
				break
			}
			if connectErr != nil {
				return connectErr
			}
			taken = append(taken, conn)
		}
	}
	return pause(ctx, f.Length)
}
