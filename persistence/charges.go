package persistence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
)

// Charge adds points to a user's account, once per idempotency key: of concurrent calls
// with one key all get the same outcome, and all but one of them Replayed. No grain has a
// part in it. It fails with user-not-found and idempotency-key-reused; what the domain
// refuses is in the outcome, and not stored.
func (d *Database) Charge(
	ctx context.Context, op boxoffice.Operation, userID uuid.UUID, amount int64, now time.Time,
) (boxoffice.Outcome, error) {
	done, err := d.charges.take(ctx, userID)
	if err != nil {
		return boxoffice.Outcome{}, boxoffice.Unavailable(fmt.Errorf("wait for the account's turn: %w", err))
	}
	defer done()
	var outcome boxoffice.Outcome
	err = d.transaction(ctx, func(tx pgx.Tx) error {
		account, err := lockAccount(ctx, tx, userID)
		if err != nil {
			return err
		}
		// Whoever has the account's lock is alone with all keys of the user's charges.
		stored, found, err := selectAnswer(ctx, tx, op.Key)
		if err != nil || found {
			outcome = stored
			return err
		}
		outcome, err = charge(ctx, tx, op, userID, account, amount, now)
		return err
	})
	if err != nil {
		return boxoffice.Outcome{}, failure("charge points", err)
	}
	return outcome, nil
}

func lockAccount(ctx context.Context, tx pgx.Tx, userID uuid.UUID) (accountFact, error) {
	var a accountFact
	err := tx.QueryRow(ctx, "SELECT balance, version FROM accounts WHERE user_id = $1 FOR NO KEY UPDATE", userID).
		Scan(&a.balance, &a.version)
	if errors.Is(err, pgx.ErrNoRows) {
		return a, userNotFound()
	}
	return a, err
}

// charge decides a charge and writes it: balance, two entries, and the answer.
func charge(
	ctx context.Context, tx pgx.Tx, op boxoffice.Operation, userID uuid.UUID, a accountFact, amount int64, now time.Time,
) (boxoffice.Outcome, error) {
	balance, refusal := boxoffice.DecideCharge(a.balance, amount)
	if refusal != nil {
		return boxoffice.Outcome{At: now, Refusal: refusal}, nil //nolint:nilerr // a refusal is an outcome
	}
	entryID, err := uuid.NewV7()
	if err != nil {
		return boxoffice.Outcome{}, fmt.Errorf("make the id of a ledger transaction: %w", err)
	}
	outcome := boxoffice.Outcome{At: now, Created: true, Entry: &boxoffice.LedgerEntry{
		ID: entryID, Type: boxoffice.EntryCharge, Amount: amount, BalanceAfter: balance, CreatedAt: now,
	}}
	var b batch
	b.reset(tx.Conn())
	b.writeAccounts(ctx, []accountRow{{userID: userID, before: a.version, after: a.version + 1, balance: balance}})
	b.writeEntries(ctx, []ledgerRow{{
		movement:      movement{entryType: boxoffice.EntryCharge, userID: userID, amount: amount, at: now},
		transactionID: entryID,
		sequence:      a.version + 1,
		balance:       balance,
	}})
	if !op.Key.IsZero() {
		answer := boxoffice.Answer{OperationID: op.ID, Key: op.Key, Outcome: outcome}
		encoded, err := boxoffice.EncodeOutcome(outcome)
		if err != nil {
			return boxoffice.Outcome{}, err
		}
		b.writeKeys(ctx, []answerRow{{Answer: answer, encoded: encoded}})
	}
	return outcome, b.send(ctx)
}

// KeyRetention is how long an idempotency key is kept, at least.
const KeyRetention = 48 * time.Hour

// keyBatch is how many keys DeleteOldKeys deletes in one transaction.
const keyBatch = 1000

// StoredAnswer tells the answer that a request got, if it was stored, as Replayed. It
// fails with idempotency-key-reused if the key belongs to another request.
func (d *Database) StoredAnswer(
	ctx context.Context, key boxoffice.IdempotencyKey,
) (outcome boxoffice.Outcome, found bool, err error) {
	outcome, found, err = selectAnswer(ctx, d.pool, key)
	return outcome, found, failure("read stored answer", err)
}

// querier is a pool or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func selectAnswer(ctx context.Context, q querier, key boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) {
	var digest, encoded []byte
	err := q.QueryRow(ctx, `
		SELECT digest, outcome FROM idempotency_keys WHERE user_id = $1 AND operation = $2 AND key = $3`,
		key.UserID, key.Operation, key.Key).Scan(&digest, &encoded)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return boxoffice.Outcome{}, false, nil
	case err != nil:
		return boxoffice.Outcome{}, false, err
	case !bytes.Equal(digest, key.Digest[:]):
		return boxoffice.Outcome{}, false, boxoffice.Errorf(boxoffice.CodeIdempotencyKeyReused,
			"the idempotency key was used for another request")
	}
	outcome, err := boxoffice.DecodeOutcome(encoded)
	if err != nil {
		return boxoffice.Outcome{}, false, err
	}
	outcome.Replayed = true
	return outcome, true, nil
}

// DeleteOldKeys deletes idempotency keys that are older than KeyRetention at now, a
// bounded number at a time, and tells how many. Call it again while it deletes some.
func (d *Database) DeleteOldKeys(ctx context.Context, now time.Time) (int, error) {
	tag, err := d.pool.Exec(ctx, `
		DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
			SELECT ctid FROM idempotency_keys WHERE created_at < $1 LIMIT $2
			FOR UPDATE SKIP LOCKED
		))`, now.Add(-KeyRetention), keyBatch)
	return int(tag.RowsAffected()), failure("delete old idempotency keys", err)
}
