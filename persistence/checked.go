package persistence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
	"boxoffice/internal/failpoint"
	"boxoffice/seatmap"
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
	w.batch.reset(conn.Conn())
	w.queue(ctx, gather(d.passed), d.balances)
	w.batch.run(ctx, w.sql().commit)
	err = w.batch.send(ctx)
	if err != nil && isDefinite(err) {
		rollback(ctx, conn.Conn())
		return err
	}
	w.answerDecided(&d, err)
	return nil
}

// facts are the contents of the rows that a group of commits depends on. All but the keys
// are locked until the transaction ends; a key that somebody else takes meanwhile is found
// when the answers are inserted.
type facts struct {
	locking locking
	grains  map[boxoffice.Grain]lockedGrain
	places  map[placeKey]lockedPlace
	// balances are those of the existing accounts, after the commits that have passed.
	balances map[uuid.UUID]int64
	keys     map[answerKey]storedAnswer
	// reservations are those that commits would make and that exist.
	reservations map[uuid.UUID]struct{}
	// answers are those of the commits that have passed.
	answers map[answerKey]*answerRow
}

// readFacts begins a transaction and locks and reads what the group depends on.
func (w *groupWriter) readFacts(
	ctx context.Context, conn *pgx.Conn, group []*pending, how locking,
) (*facts, error) {
	f := &facts{
		locking:  how,
		grains:   make(map[boxoffice.Grain]lockedGrain, len(group)),
		places:   make(map[placeKey]lockedPlace),
		balances: make(map[uuid.UUID]int64),
		keys:     make(map[answerKey]storedAnswer),

		reservations: make(map[uuid.UUID]struct{}),

		answers: make(map[answerKey]*answerRow),
	}
	b, sql, rows := &w.batch, w.sql(), gather(group)
	b.reset(conn)
	b.looks = true
	b.run(ctx, sql.begin)
	if isLarge(group) {
		b.run(ctx, sql.allowTime)
	}
	sql.grainStatements.lock(ctx, b, rows, how, func(g lockedGrain) { f.grains[boxoffice.Grain{Kind: g.Kind, ID: g.ID}] = g })
	sql.placeStatements.lock(ctx, b, rows, how, func(p lockedPlace) { f.places[placeKey{p.ScheduleID, p.Sequence}] = p })
	sql.accountStatements.lock(ctx, b, rows, how, func(a lockedAccount) { f.balances[a.UserID] = a.Balance })
	sql.keyStatements.read(ctx, b, rows, func(k storedAnswer) { f.keys[k.answerKey] = k })
	sql.reservationStatements.find(ctx, b, rows, func(r reservationKey) { f.reservations[r.ID] = struct{}{} })
	return f, b.send(ctx)
}

// missesRows reports whether rows that a commit changes were not read: where locked ones
// are skipped, they are locked.
func (f *facts) missesRows(p *pending) bool {
	if f.locking != skipLocked {
		return false
	}
	return slices.ContainsFunc(p.rows.places, func(c placeRow) bool { _, ok := f.places[c.key()]; return !ok }) ||
		slices.ContainsFunc(p.rows.movements, func(m movementRow) bool { _, ok := f.balances[m.userID]; return !ok })
}

// decision is the result of deciding the commits of a group.
type decision struct {
	facts *facts

	passed  []*pending
	locked  []*pending
	failed  []failedCommit
	refused []refusedCommit

	balances map[uuid.UUID]int64 // by transaction, once those that passed are written
}

// failedCommit is a commit that failed: it is fenced, a refused charge, or a bug.
type failedCommit struct {
	*pending
	err error
}

type refusedCommit struct {
	*pending
	refusals []refusal
}

// refusal is one refused operation.
type refusal struct {
	boxoffice.CommitRefusal
	// first is the answer of the same group that has the key; nil: there is none.
	first *answerRow
}

// told returns the completed refusal, after the group was written.
func (r refusal) told(balances map[uuid.UUID]int64) boxoffice.CommitRefusal {
	if r.first != nil {
		r.Stored = r.first.told
		if balance, ok := balances[r.first.TransactionID]; ok {
			r.Stored = withBalance(r.Stored, balance)
		}
	}
	return r.CommitRefusal
}

// decide decides one commit on the facts, which hold the effects of those before it.
func (d *decision) decide(p *pending) {
	if d.facts.missesRows(p) {
		d.locked = append(d.locked, p)
		return
	}
	if grain := p.commit.Grain; grain.Kind != "" {
		row, ok := d.facts.grains[grain]
		switch {
		case !ok && d.facts.locking == skipLocked:
			d.locked = append(d.locked, p)
			return
		case !ok || row.Epoch != p.commit.Epoch || row.Version != p.commit.Version:
			d.fail(p, fmt.Errorf("commit of %s %d under epoch %d at version %d: %w",
				grain.Kind, grain.ID, p.commit.Epoch, p.commit.Version, boxoffice.ErrFenced))
			return
		}
	}
	refusals, err := d.refusePlaces(p)
	if err == nil {
		refusals = append(refusals, d.refuseRepeated(p)...)
		var keys []refusal
		keys, err = d.refuseKeys(p)
		refusals = append(refusals, keys...)
	}
	var balances map[uuid.UUID]int64
	if err == nil && (len(refusals) == 0 || p.commit.Grain.Kind != "") {
		var unpaid []refusal
		balances, unpaid, err = d.move(p)
		refusals = append(refusals, unpaid...)
	}
	switch {
	case err != nil:
		d.fail(p, err)
	case len(refusals) > 0:
		d.refused = append(d.refused, refusedCommit{p, refusals})
	default:
		d.pass(p, balances)
	}
}

func (d *decision) fail(p *pending, err error) { d.failed = append(d.failed, failedCommit{p, err}) }

// pass accepts a commit: its effects are facts for those after it.
func (d *decision) pass(p *pending, balances map[uuid.UUID]int64) {
	maps.Copy(d.facts.balances, balances)
	for i := range p.rows.answers {
		d.facts.answers[p.rows.answers[i].key()] = &p.rows.answers[i]
	}
	d.passed = append(d.passed, p)
}

// refusePlaces refuses holds whose place has ended and places that are not to expire. The
// error is for changes that only a bug can make impossible.
func (d *decision) refusePlaces(p *pending) ([]refusal, error) {
	var refusals []refusal
	for i := range p.rows.places {
		c := &p.rows.places[i]
		row, ok := d.facts.places[c.key()]
		held := valueOf(row.HeldUntil)
		live := ok && (row.Status == boxoffice.PlaceWaiting || row.Status == boxoffice.PlaceAdmitted)
		r := boxoffice.CommitRefusal{OperationID: c.OperationID, Place: boxoffice.PlaceRow{
			Sequence: c.Sequence, Status: row.Status, HeldUntil: held,
		}}
		switch {
		case c.Rule == ruleHold && !(row.Status == boxoffice.PlaceAdmitted && row.UserID == c.UserID):
			r.Reason = boxoffice.RefusedPlace
		case c.Rule == ruleExpire && !(live && !held.After(c.EndedAt)):
			r.Reason = boxoffice.RefusedPlaceHeld
		case c.Rule == ruleAdmit && row.Status != boxoffice.PlaceWaiting:
			return nil, fmt.Errorf("place %d does not wait: %q", c.Sequence, row.Status)
		default:
			continue
		}
		refusals = append(refusals, refusal{CommitRefusal: r})
	}
	return refusals, nil
}

// refuseRepeated refuses holds that came again after their reservations had ended: of those
// that have not, their schedule knows.
func (d *decision) refuseRepeated(p *pending) []refusal {
	var refusals []refusal
	for _, e := range p.commit.Events {
		held, ok := e.Data.(seatmap.Held)
		if !ok {
			continue
		}
		if _, made := d.facts.reservations[held.ReservationID]; made {
			refusals = append(refusals, refusal{CommitRefusal: boxoffice.CommitRefusal{
				Reason: boxoffice.RefusedRepeated, OperationID: e.OperationID,
			}})
		}
	}
	return refusals
}

// refuseKeys refuses operations whose key has an answer: a stored one, one of a commit of
// the group that has passed, or one of the commit itself.
func (d *decision) refuseKeys(p *pending) ([]refusal, error) {
	var refusals []refusal
	for i := range p.rows.answers {
		a := &p.rows.answers[i]
		r := refusal{CommitRefusal: boxoffice.CommitRefusal{Reason: boxoffice.RefusedKey, OperationID: a.OperationID}}
		if stored, ok := d.facts.keys[a.key()]; ok {
			var err error
			if r.Stored, err = stored.outcome(); err != nil {
				return nil, err
			}
			r.StoredID, r.SameRequest = stored.OperationID, bytes.Equal(stored.Digest, a.Digest)
			refusals = append(refusals, r)
			continue
		}
		r.first = d.facts.answers[a.key()]
		for j := range p.rows.answers[:i] {
			if b := &p.rows.answers[j]; r.first == nil && b.key() == a.key() {
				r.first = b
			}
		}
		if r.first != nil {
			r.StoredID, r.SameRequest = r.first.OperationID, bytes.Equal(r.first.Digest, a.Digest)
			refusals = append(refusals, r)
		}
	}
	return refusals, nil
}

// move computes the balances after a commit, and refuses the movements that an account
// does not allow. The error refuses a charge.
func (d *decision) move(p *pending) (map[uuid.UUID]int64, []refusal, error) {
	balances := make(map[uuid.UUID]int64, len(p.rows.movements))
	var refusals []refusal
	for _, m := range p.rows.movements {
		before, ok := balances[m.userID]
		if !ok {
			before, ok = d.facts.balances[m.userID]
		}
		if m.Type == boxoffice.EntryCharge {
			if !ok {
				return nil, nil, userNotFound()
			}
			if _, refused := boxoffice.DecideCharge(before, m.Amount); refused != nil {
				return nil, nil, refused
			}
		}
		if !ok || before+m.Amount < 0 {
			refusals = append(refusals, refusal{CommitRefusal: boxoffice.CommitRefusal{
				Reason: boxoffice.RefusedPoints, OperationID: m.operationID, Balance: before,
			}})
			continue
		}
		balances[m.userID] = before + m.Amount
	}
	return balances, refusals, nil
}

// answerDecided answers every commit of a group. A non-nil err says that it is unknown
// whether those that passed are durable; refusals may depend on them, and become
// unavailable.
func (w *groupWriter) answerDecided(d *decision, err error) {
	if err == nil {
		w.answerDurable(d.passed, d.balances)
	} else {
		w.answerFailed(d.passed, err)
	}
	w.answerUnavailable(d.locked, errRowsLocked)
	for _, f := range d.failed {
		_, refused := errors.AsType[*boxoffice.Error](f.err)
		switch {
		case errors.Is(f.err, boxoffice.ErrFenced):
			w.report.Fenced++
		case refused && err != nil:
			w.answerUnavailable([]*pending{f.pending}, err)
			continue
		case refused:
			w.report.Refused++
		default:
			w.report.Rejected++
			f.err = w.journal.rejected(f.commit, f.err)
		}
		f.done(boxoffice.CommitResult{Err: f.err})
	}
	for _, r := range d.refused {
		if err != nil {
			w.answerUnavailable([]*pending{r.pending}, err)
			continue
		}
		w.report.Refused++
		var result boxoffice.CommitResult
		for _, refusal := range r.refusals {
			result.Refusals = append(result.Refusals, refusal.told(d.balances))
		}
		r.done(result)
	}
}

// errRowsLocked means that another transaction holds a lock for too long.
var errRowsLocked = errors.New("rows of the commit are locked by another transaction")
