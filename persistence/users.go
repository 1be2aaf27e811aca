package persistence

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
)

// CreateUser registers a user, with an account of 0 points.
func (d *Database) CreateUser(ctx context.Context, user boxoffice.User) error {
	if refusal := boxoffice.ValidateUserName(user.Name); refusal != nil {
		return refusal
	}
	return failure("create user", d.transaction(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO users (id, name, created_at) VALUES ($1, $2, $3)",
			user.ID, user.Name, user.CreatedAt); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO accounts (user_id, balance, version) VALUES ($1, 0, 0)", user.ID)
		return err
	}))
}

// UserExists tells whether a user was ever registered.
func (d *Database) UserExists(ctx context.Context, id uuid.UUID) (bool, error) {
	var exists bool
	err := d.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM users WHERE id = $1)", id).Scan(&exists)
	return exists, failure("look for user", err)
}

// Balance is how many points a user has. It fails with user-not-found.
func (d *Database) Balance(ctx context.Context, userID uuid.UUID) (int64, error) {
	var balance int64
	err := d.pool.QueryRow(ctx, "SELECT balance FROM accounts WHERE user_id = $1", userID).Scan(&balance)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, userNotFound()
	}
	return balance, failure("read balance", err)
}

func userNotFound() *boxoffice.Error {
	return boxoffice.Errorf(boxoffice.CodeUserNotFound, "there is no such user")
}

// PointsHistory lists the movements of a user's points, newest first.
func (d *Database) PointsHistory(
	ctx context.Context, userID uuid.UUID, page boxoffice.PageRequest,
) (boxoffice.Page[boxoffice.LedgerEntry], error) {
	type entry struct {
		boxoffice.LedgerEntry
		sequence int64
	}
	none := boxoffice.Page[boxoffice.LedgerEntry]{}
	after, err := listHistory.read(page, newest())
	if err != nil {
		return none, err
	}
	rows, err := d.pool.Query(ctx, `
		SELECT transaction_id, type, amount, balance_after, payment_id, created_at, sequence
		FROM ledger_entries
		WHERE user_id = $1 AND sequence < $2
		ORDER BY sequence DESC
		LIMIT $3`, userID, after.number, page.Limit+1)
	if err != nil {
		return none, failure("list points", err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e entry, err error) {
		var paymentID *uuid.UUID
		err = row.Scan(&e.ID, &e.Type, &e.Amount, &e.BalanceAfter, &paymentID, &e.CreatedAt, &e.sequence)
		e.PaymentID, e.CreatedAt = valueOf(paymentID), e.CreatedAt.UTC()
		return e, err
	})
	if err != nil {
		return none, failure("list points", err)
	}
	listed := pageOf(listHistory, entries, page.Limit, func(e entry) position { return position{number: e.sequence} })
	result := boxoffice.Page[boxoffice.LedgerEntry]{Next: listed.Next}
	for _, e := range listed.Items {
		result.Items = append(result.Items, e.LedgerEntry)
	}
	return result, nil
}
