package persistence

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
)

// answerRow is an answer to store under its key. The balance in an answer to a movement of
// points is kept beside it, because it is known only after the points have moved.
type answerRow struct {
	UserID      uuid.UUID       `db:"user_id"`
	Operation   string          `db:"operation"`
	Key         string          `db:"key"`
	Digest      []byte          `db:"digest"`
	OperationID uuid.UUID       `db:"operation_id"`
	Outcome     json.RawMessage `db:"outcome"`
	// TransactionID is the movement that the answer is about; zero: none.
	TransactionID uuid.UUID `db:"transaction_id"`
	UsedAt        time.Time `db:"created_at"`

	told boxoffice.Outcome
}

// newAnswer returns the row of an answer, which may be about one of the movements. It fails
// on what cannot be stored.
func newAnswer(a boxoffice.Answer, movements []movementRow) (answerRow, error) {
	if strings.ContainsRune(a.Key.Key, 0) || !utf8.ValidString(a.Key.Key) {
		return answerRow{}, boxoffice.Invalid("header.Idempotency-Key", "must be text")
	}
	encoded, err := boxoffice.EncodeOutcome(a.Outcome)
	row := answerRow{
		UserID: a.Key.UserID, Operation: a.Key.Operation, Key: a.Key.Key, Digest: a.Key.Digest[:],
		OperationID: a.OperationID, Outcome: encoded, UsedAt: a.Outcome.At, told: a.Outcome,
	}
	for i := range movements {
		if movements[i].toldBy(a.Outcome) {
			row.TransactionID = movements[i].TransactionID
		}
	}
	return row, err
}

func (a *answerRow) key() answerKey { return answerKey{a.UserID, a.Operation, a.Key} }

func compareAnswers(a, b answerRow) int {
	return cmp.Or(compareIDs(a.UserID, b.UserID), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Key, b.Key))
}

// answerKey is an idempotency key without its digest.
type answerKey struct {
	UserID    uuid.UUID `db:"user_id"`
	Operation string    `db:"operation"`
	Key       string    `db:"key"`
}

// storedAnswer is the stored answer of a key.
type storedAnswer struct {
	answerKey
	Digest      []byte
	OperationID uuid.UUID
	Outcome     []byte
	Balance     *int64
}

func (s *storedAnswer) outcome() (boxoffice.Outcome, error) {
	return DecodeAnswer(s.Outcome, s.Balance)
}

// DecodeAnswer returns a stored answer. The balance after its movement is kept beside it;
// older releases stored it inside.
func DecodeAnswer(outcome []byte, balance *int64) (boxoffice.Outcome, error) {
	o, err := boxoffice.DecodeOutcome(outcome)
	if balance != nil {
		o = withBalance(o, *balance)
	}
	return o, err
}

// withBalance returns an outcome with the balance after its movement.
func withBalance(o boxoffice.Outcome, balance int64) boxoffice.Outcome {
	switch {
	case o.Payment != nil:
		payment := *o.Payment
		payment.Balance = balance
		o.Payment = &payment
	case o.Entry != nil:
		entry := *o.Entry
		entry.BalanceAfter = balance
		o.Entry = &entry
	}
	return o
}

type keyStatements struct{ insertKeys, readKeys *statement }

// newKeyStatements returns the statements that store and read answers. A key that is taken
// violates the primary key, which rolls back like a missed expectation and is cheaper to
// rule out than ON CONFLICT.
func newKeyStatements() keyStatements {
	return keyStatements{
		insertKeys: newStatement("insert keys", `
			INSERT INTO idempotency_keys
				(user_id, operation, key, digest, operation_id, outcome, balance, created_at)
			SELECT c.user_id, c.operation, c.key, c.digest, c.operation_id, c.outcome, e.balance_after, c.created_at
			FROM {answers} AS c
			LEFT JOIN ledger_entries e ON e.transaction_id = c.transaction_id AND e.account = 'user'`,
			rowsOf[answerRow]("answers")),
		readKeys: newStatement("read keys", `
			SELECT k.user_id, k.operation, k.key, k.digest, k.operation_id, k.outcome, k.balance
			FROM {keys} AS c
			JOIN idempotency_keys k ON k.user_id = c.user_id
				AND k.operation = c.operation COLLATE "C" AND k.key = c.key COLLATE "C"`,
			rowsOf[answerKey]("keys")),
	}
}

// write queues answers, after the movements that they tell of. A key that another
// transaction has just taken fails this one.
func (s *keyStatements) write(ctx context.Context, b *batch, c *changes) {
	// A copy is sorted: what a refusal tells of later points into c.
	runAll(ctx, b, s.insertKeys, slices.SortedStableFunc(slices.Values(c.answers), compareAnswers))
}

func (s *keyStatements) read(ctx context.Context, b *batch, c *changes, each func(storedAnswer)) {
	if len(c.answers) == 0 {
		return
	}
	keys := make([]answerKey, len(c.answers))
	for i := range c.answers {
		keys[i] = c.answers[i].key()
	}
	b.run(ctx, s.readKeys, keys)
	collect(b, each)
}

// StoredAnswer returns the answer that a request got, if it was stored, as Replayed. It
// fails with idempotency-key-reused if the key belongs to another request.
func (d *Database) StoredAnswer(
	ctx context.Context, key boxoffice.IdempotencyKey,
) (outcome boxoffice.Outcome, found bool, err error) {
	const what = "read stored answer"
	missing := boxoffice.Errorf(boxoffice.CodeNotFound, "the key has no answer")
	stored, err := readOne(ctx, d.pool, what, missing, pgx.RowToStructByName[storedAnswer], `
		SELECT user_id, operation, key, digest, operation_id, outcome, balance FROM idempotency_keys
		WHERE user_id = $1 AND operation = $2 AND key = $3`, key.UserID, key.Operation, key.Key)
	if errors.Is(err, missing) {
		return boxoffice.Outcome{}, false, nil
	}
	if err != nil {
		return boxoffice.Outcome{}, false, err
	}
	if !bytes.Equal(stored.Digest, key.Digest[:]) {
		return boxoffice.Outcome{}, false, keyReused()
	}
	if outcome, err = stored.outcome(); err != nil {
		return boxoffice.Outcome{}, false, fmt.Errorf("%s: %w", what, err)
	}
	outcome.Replayed = true
	return outcome, true, nil
}

func keyReused() *boxoffice.Error {
	return boxoffice.Errorf(boxoffice.CodeIdempotencyKeyReused, "the idempotency key was used for another request")
}

// KeyRetention is how long an idempotency key is kept, at least.
const KeyRetention = 48 * time.Hour

// keyBatch is how many keys DeleteOldKeys deletes in one transaction.
const keyBatch = 1000

const deleteOldKeys = `
	DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
		SELECT ctid FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT $2
		FOR UPDATE SKIP LOCKED
	))`

// DeleteOldKeys deletes idempotency keys that are older than KeyRetention at now, a
// bounded number at a time, and returns how many. Call it again while it deletes some.
func (d *Database) DeleteOldKeys(ctx context.Context, now time.Time) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	tag, err := d.pool.Exec(ctx, deleteOldKeys, now.Add(-KeyRetention), keyBatch)
	return int(tag.RowsAffected()), failure("delete old idempotency keys", err)
}
