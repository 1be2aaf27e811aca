package check

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice/persistence"
)

// Fence takes a new epoch of every grain. Each row is locked by a commit in flight, so
// that when this returns every commit of the run is in, or never will be.
func Fence(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "UPDATE grains SET epoch = epoch + 1, owner = 'chaos'"); err != nil {
		return fmt.Errorf("take a new epoch of every grain: %w", err)
	}
	return nil
}

// Load reads the database at one instant.
func Load(ctx context.Context, conn *pgx.Conn) (State, error) {
	var s State
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, conn, options, func(tx pgx.Tx) error {
		for _, read := range []func(context.Context, pgx.Tx) error{
			s.readEvents, s.readEntries, s.readUsers, s.readKeys,
		} {
			if err := read(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return State{}, fmt.Errorf("read the database: %w", err)
	}
	return s, nil
}

// ClockOffset measures how far the database's clock is ahead of now, and by how much
// that may be wrong.
func ClockOffset(ctx context.Context, conn *pgx.Conn, now func() time.Time) (offset, uncertainty time.Duration, err error) {
	const attempts = 20
	for i := range attempts {
		var there time.Time
		before := now()
		if err := conn.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&there); err != nil {
			return 0, 0, fmt.Errorf("ask the database for its time: %w", err)
		}
		after := now()
		half := after.Sub(before) / 2
		if i == 0 || half < uncertainty {
			// Without their monotonic readings: both are wall clocks here.
			offset, uncertainty = there.Round(0).Sub(before.Round(0).Add(half)), half
		}
	}
	return offset, uncertainty, nil
}

func collect[T any](ctx context.Context, tx pgx.Tx, sql string, scan func(pgx.CollectableRow) (T, error)) ([]T, error) {
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

func (s *State) readEvents(ctx context.Context, tx pgx.Tx) (err error) {
	s.Events, err = collect(ctx, tx, `
		SELECT kind, id, version, epoch, type, coalesce(operation_id, '00000000-0000-0000-0000-000000000000'), data::text, at
		FROM events ORDER BY kind, id, version`,
		func(row pgx.CollectableRow) (e EventRow, err error) {
			var eventType, data string
			err = row.Scan(&e.Grain.Kind, &e.Grain.ID, &e.Version, &e.Epoch, &eventType, &e.OperationID, &data, &e.At)
			if err != nil {
				return e, err
			}
			e.At = e.At.UTC()
			e.Data, err = persistence.DecodeEvent(e.Grain.Kind, eventType, []byte(data))
			return e, err
		})
	return err
}

func (s *State) readEntries(ctx context.Context, tx pgx.Tx) (err error) {
	s.Entries, err = collect(ctx, tx, `
		SELECT transaction_id, user_id, type, amount, balance_after FROM ledger_entries
		WHERE account = 'user' ORDER BY transaction_id`,
		func(row pgx.CollectableRow) (e EntryRow, err error) {
			err = row.Scan(&e.TransactionID, &e.UserID, &e.Type, &e.Amount, &e.BalanceAfter)
			return e, err
		})
	return err
}

func (s *State) readUsers(ctx context.Context, tx pgx.Tx) (err error) {
	s.Users, err = collect(ctx, tx, "SELECT id FROM users ORDER BY id", pgx.RowTo[uuid.UUID])
	return err
}

func (s *State) readKeys(ctx context.Context, tx pgx.Tx) (err error) {
	s.Keys, err = collect(ctx, tx, `
		SELECT user_id, operation, key, operation_id, outcome::text, balance FROM idempotency_keys
		ORDER BY user_id, operation, key`,
		func(row pgx.CollectableRow) (k KeyRow, err error) {
			var outcome string
			var balance *int64
			if err := row.Scan(&k.UserID, &k.Operation, &k.Key, &k.OperationID, &outcome, &balance); err != nil {
				return k, err
			}
			k.Outcome, err = persistence.DecodeAnswer([]byte(outcome), balance)
			return k, err
		})
	return err
}
