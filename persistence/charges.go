package persistence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// Charge adds points to a user's account, once per idempotency key: concurrent calls with
// one key all get the same outcome, and all but one of them as Replayed. It is written in a
// group with the commits of grains. It fails with user-not-found and
// idempotency-key-reused; refusals of the domain are in the outcome, and not stored.
//
// If it is unknown whether it was written it fails with unavailable: the same charge can be
// sent again with its key, because it waits for the account's row, which the lost one may
// still lock, before it looks for the key.
func (j *Journal) Charge(
	ctx context.Context, op boxoffice.Operation, userID uuid.UUID, amount int64, now time.Time,
) (boxoffice.Outcome, error) {
	const what = "charge points"
	if _, refusal := boxoffice.DecideCharge(0, amount); refusal != nil {
		return boxoffice.Outcome{At: now, Refusal: refusal}, nil //nolint:nilerr // a refusal is an outcome
	}
	id, err := uuid.NewV7()
	if err != nil {
		return boxoffice.Outcome{}, fmt.Errorf("make the id of a ledger transaction: %w", err)
	}
	outcome := boxoffice.Outcome{At: now, Created: true, Entry: &boxoffice.LedgerEntry{
		ID: id, Type: boxoffice.EntryCharge, Amount: amount, CreatedAt: now,
	}}
	rows := &changes{movements: []movementRow{{
		TransactionID: id, Type: boxoffice.EntryCharge, SystemAccount: accountCharges, Amount: amount, At: now,
		userID: userID, operationID: op.ID,
	}}}
	if !op.Key.IsZero() {
		answer, err := newAnswer(boxoffice.Answer{OperationID: op.ID, Key: op.Key, Outcome: outcome}, rows.movements)
		if err != nil {
			return boxoffice.Outcome{}, failure(what, err)
		}
		rows.answers = []answerRow{answer}
	}
	result := j.wait(ctx, &pending{rows: rows})
	limit, limited := errors.AsType[*boxoffice.Error](result.Err)
	switch {
	case limited && limit.Code == boxoffice.CodeBalanceLimit:
		return boxoffice.Outcome{At: now, Refusal: limit}, nil
	case result.Err != nil:
		return boxoffice.Outcome{}, failure(what, result.Err)
	case len(result.Refusals) == 0:
		return withBalance(outcome, result.Balances[boxoffice.Movement{ID: id}]), nil
	case !result.Refusals[0].SameRequest:
		return boxoffice.Outcome{}, keyReused()
	default:
		outcome = result.Refusals[0].Stored
		outcome.Replayed = true
		return outcome, nil
	}
}

// wait puts p into a group and waits until it is written, or ctx ends. An unknown result
// becomes unavailable.
func (j *Journal) wait(ctx context.Context, p *pending) boxoffice.CommitResult {
	results := make(chan boxoffice.CommitResult, 1)
	p.done = func(r boxoffice.CommitResult) { results <- r }
	if err := j.enqueue(p); err != nil {
		return boxoffice.CommitResult{Err: err}
	}
	select {
	case r := <-results:
		if errors.Is(r.Err, boxoffice.ErrUnknown) {
			return boxoffice.CommitResult{Err: boxoffice.Unavailable(r.Err)}
		}
		return r
	case <-ctx.Done():
		return boxoffice.CommitResult{Err: boxoffice.Unavailable(context.Cause(ctx))}
	}
}
