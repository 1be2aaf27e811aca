package persistence

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
	"boxoffice/internal/failpoint"
)

// writeChecked writes a group in two round trips: one locks and reads what the commits
// depend on, in the order grains, places, accounts and each in the order of its keys;
// then the commits are decided one after the other, and the second round trip writes
// those that passed and commits. It answers the commits, unless it returns an error: then
// none of them was answered, and nothing is written if the error isDefinite or a notSentError.
func (w *groupWriter) writeChecked(ctx context.Context, group []*pending, lock locking) error {
	w.report.Transactions++
	ctx, cancel := context.WithTimeout(ctx, timeoutOf(group))
	defer cancel()
	conn, err := w.journal.db.journal.Acquire(ctx)
	if err != nil {
		return &notSentError{cause: err, noConnection: true}
	}
	defer conn.Release()

	facts, err := w.readFacts(ctx, conn.Conn(), group, lock)
	if err != nil {
		rollback(ctx, conn.Conn())
		return &notSentError{cause: err}
	}
	failpoint.Hit(failpoint.InTransaction)
	d := decision{facts: facts, balances: make(map[uuid.UUID]int64)}
	for _, p := range group {
		d.decide(p)
	}
	if len(d.passed) == 0 {
		rollback(ctx, conn.Conn())
		w.answerDecided(&d, nil)
		return nil
	}
	err = w.writePassed(ctx, conn.Conn(), &d)
	if err != nil && isDefinite(err) {
		rollback(ctx, conn.Conn())
		return err
	}
	w.answerDecided(&d, err)
	return nil
}

func (w *groupWriter) writePassed(ctx context.Context, conn *pgx.Conn, d *decision) error {
	b := &w.batch
	b.reset(conn)
	b.writeGrains(ctx, d.passed)
	b.writeReservations(ctx, d.passed)
	b.writePlaces(ctx, d.passed)
	b.writeAccounts(ctx, d.accountRows())
	b.writePayments(ctx, d.ledger)
	b.writeKeys(ctx, answersOf(d.passed))
	b.run(ctx, commitStatement())
	return b.send(ctx)
}

// answerDecided answers every commit of a group. err is why nobody knows whether those
// that passed are durable; what was refused may depend on them, and is told to try again.
func (w *groupWriter) answerDecided(d *decision, err error) {
	if err == nil {
		w.answerDurable(d.passed, d.balances)
	} else {
		w.answerFailed(d.passed, err)
	}
	w.answerUnavailable(d.locked, errRowsLocked)
	for _, p := range d.fenced {
		w.report.Fenced++
		p.done(boxoffice.CommitResult{Err: fmt.Errorf("commit of %s %d under epoch %d at version %d: %w",
			p.commit.Grain.Kind, p.commit.Grain.ID, p.commit.Epoch, p.commit.Version, boxoffice.ErrFenced)})
	}
	for _, r := range d.rejected {
		w.report.Rejected++
		r.done(boxoffice.CommitResult{Err: w.journal.rejected(r.commit, r.cause)})
	}
	for _, r := range d.refused {
		if err != nil {
			w.answerUnavailable([]*pending{r.pending}, err)
			continue
		}
		w.report.Refused++
		r.done(boxoffice.CommitResult{Refusals: r.refusals})
	}
}

// errRowsLocked tells that another transaction holds a lock for too long.
var errRowsLocked = errors.New("rows of the commit are locked by another transaction")

// decision is what becomes of the commits of a group.
type decision struct {
	facts *facts

	passed   []*pending
	fenced   []*pending
	locked   []*pending
	rejected []rejectedCommit
	refused  []refusedCommit

	ledger   []ledgerRow // of those that passed
	balances map[uuid.UUID]int64
}

type refusedCommit struct {
	*pending
	refusals []boxoffice.CommitRefusal
}

type rejectedCommit struct {
	*pending
	cause error
}

// decide decides one commit on the facts, which hold the effects of those before it.
func (d *decision) decide(p *pending) {
	grain, ok := d.facts.grains[p.commit.Grain]
	switch {
	case !ok && d.facts.locking == skipLocked || d.facts.missesRows(p):
		d.locked = append(d.locked, p)
		return
	case !ok || grain != (grainFact{p.commit.Epoch, p.commit.Version}):
		d.fenced = append(d.fenced, p)
		return
	}
	refusals, err := d.refusePlaces(p)
	if err == nil {
		var keys []boxoffice.CommitRefusal
		keys, err = d.refuseKeys(p)
		refusals = append(refusals, keys...)
	}
	if err != nil {
		d.rejected = append(d.rejected, rejectedCommit{p, err})
		return
	}
	moved, unpaid := d.move(p)
	refusals = append(refusals, unpaid...)
	if len(refusals) > 0 {
		d.refused = append(d.refused, refusedCommit{p, refusals})
		return
	}
	if err := d.pass(p, moved); err != nil {
		d.rejected = append(d.rejected, rejectedCommit{p, err})
	}
}

// refusePlaces refuses holds whose place has ended and places that are not to expire.
// The error is about changes that only a mistake can make impossible.
func (d *decision) refusePlaces(p *pending) ([]boxoffice.CommitRefusal, error) {
	var refusals []boxoffice.CommitRefusal
	for _, c := range p.rows.places {
		if !c.rule.required() {
			continue
		}
		row, ok := d.facts.places[placeKey{p.commit.Grain.ID, c.sequence}]
		admitted := ok && row.Status == boxoffice.PlaceAdmitted
		refusal := boxoffice.CommitRefusal{OperationID: c.operationID, Place: row.PlaceRow}
		refusal.Place.Sequence = c.sequence
		switch {
		case c.rule == ruleHold && !(admitted && row.userID == c.userID):
			refusal.Reason = boxoffice.RefusedPlace
		case c.rule == ruleExpire && !(admitted && !row.HeldUntil.After(c.endedAt)):
			refusal.Reason = boxoffice.RefusedPlaceHeld
		case c.rule == ruleAdmit && !(ok && row.Status == boxoffice.PlaceWaiting):
			return nil, fmt.Errorf("place %d does not wait: %q", c.sequence, row.Status)
		default:
			continue
		}
		refusals = append(refusals, refusal)
	}
	return refusals, nil
}

// refuseKeys refuses operations whose key has an answer.
func (d *decision) refuseKeys(p *pending) ([]boxoffice.CommitRefusal, error) {
	var refusals []boxoffice.CommitRefusal
	for i, a := range p.rows.answers {
		stored, ok := d.facts.keys[keyOf(a.Key)]
		if !ok {
			// Two operations of one commit may not share a key either.
			first := slices.IndexFunc(p.rows.answers[:i], func(b answerRow) bool { return keyOf(b.Key) == keyOf(a.Key) })
			if first < 0 {
				continue
			}
			stored = storedAnswerOf(p.rows.answers[first])
		}
		if stored.err != nil {
			return nil, stored.err
		}
		refusals = append(refusals, boxoffice.CommitRefusal{
			Reason:      boxoffice.RefusedKey,
			OperationID: a.OperationID,
			Stored:      stored.outcome,
			StoredID:    stored.operationID,
			SameRequest: bytes.Equal(stored.digest, a.Key.Digest[:]),
		})
	}
	return refusals, nil
}

// move computes the movements of points of a commit, and refuses those that an account
// does not allow.
func (d *decision) move(p *pending) ([]ledgerRow, []boxoffice.CommitRefusal) {
	var moved []ledgerRow
	var refusals []boxoffice.CommitRefusal
	for _, m := range p.rows.movements {
		account := d.facts.accounts[m.userID] // the zero account if there is none
		for _, before := range moved {
			if before.userID == m.userID {
				account.balance, account.version = before.balance, before.sequence
			}
		}
		balance := account.balance + m.amount
		refusal := boxoffice.CommitRefusal{OperationID: m.operationID, Balance: account.balance}
		switch {
		case !account.exists || balance < 0:
			refusal.Reason = boxoffice.RefusedPoints
		case balance > boxoffice.MaxBalance:
			refusal.Reason = boxoffice.RefusedBalanceLimit
		default:
			moved = append(moved, ledgerRow{movement: m, sequence: account.version + 1, balance: balance})
			continue
		}
		refusals = append(refusals, refusal)
	}
	return moved, refusals
}

// pass takes a commit in: what it does is a fact for those after it.
func (d *decision) pass(p *pending, moved []ledgerRow) error {
	for i := range moved {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make the id of a ledger transaction: %w", err)
		}
		moved[i].transactionID = id
	}
	p.settle(moved)
	for _, m := range moved {
		account := d.facts.accounts[m.userID]
		account.balance, account.version, account.moved = m.balance, m.sequence, true
		d.facts.accounts[m.userID] = account
		d.balances[m.paymentID] = m.balance
	}
	for _, a := range p.rows.answers {
		d.facts.keys[keyOf(a.Key)] = storedAnswerOf(a)
	}
	d.ledger = append(d.ledger, moved...)
	d.passed = append(d.passed, p)
	return nil
}

// settle puts the balances into the answers that tell of movements.
func (p *pending) settle(moved []ledgerRow) {
	for i := range p.rows.answers {
		a := &p.rows.answers[i]
		for _, m := range moved {
			if a.tellsOf(m.movement) {
				a.settle(m.balance)
			}
		}
	}
}

// accountRows are the accounts that were moved, by id.
func (d *decision) accountRows() []accountRow {
	var rows []accountRow
	for userID, a := range d.facts.accounts {
		if a.moved {
			rows = append(rows, accountRow{userID: userID, before: a.read, after: a.version, balance: a.balance})
		}
	}
	slices.SortFunc(rows, func(a, b accountRow) int { return compareIDs(a.userID, b.userID) })
	return rows
}

func compareIDs(a, b uuid.UUID) int { return cmp.Compare(string(a[:]), string(b[:])) }
