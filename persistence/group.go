package persistence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"boxoffice"
	"boxoffice/internal/failpoint"
)

// groupWriter writes groups, one at a time. It belongs to one flusher.
type groupWriter struct {
	journal *Journal
	number  int // of the flusher
	batch   batch
	report  GroupReport
	lost    bool // the group's connection, or there was none
	// cautious is how many more groups with payments are checked first, because an earlier
	// one could not be written without that.
	cautious int
}

// cautiousGroups is how many groups with payments are checked after one that had to be:
// payments without enough points tend to come together.
const cautiousGroups = 16

// write writes a group and answers each of its commits.
func (w *groupWriter) write(ctx context.Context, group []*pending) {
	w.report, w.lost = GroupReport{Commits: len(group)}, false
	var began time.Time
	if w.journal.config.Now != nil {
		began = w.journal.config.Now()
	}
	// The order of the keys, in which rows are locked.
	slices.SortStableFunc(group, func(a, b *pending) int { return cmp.Compare(a.commit.Grain.ID, b.commit.Grain.ID) })
	failpoint.Hit(failpoint.BeforeAppend)
	w.attempt(ctx, group)
	if w.journal.config.Now != nil {
		w.report.Duration = w.journal.config.Now().Sub(began)
	}
	if w.journal.config.Observe != nil {
		w.journal.config.Observe(w.report)
	}
}

// attempt writes a group in the cheapest way that may work, and in more expensive ones
// while Postgres definitely refuses: a deadlock or a key taken concurrently is over at the
// next attempt, and after that each commit is written alone, so that a refused one fails no
// other.
func (w *groupWriter) attempt(ctx context.Context, group []*pending) {
	lock := waitForLocks
	rows := gather(group)
	if w.presumes(rows) {
		balances := make(map[uuid.UUID]int64, len(rows.movements))
		err := w.writeUnchecked(ctx, group, rows, balances)
		if err == nil {
			w.answerDurable(group, balances)
			return
		}
		if !worthAnotherTry(err) {
			w.answerFailed(group, err)
			return
		}
		lock = lockingOf(err)
		if len(rows.movements) > 0 {
			w.cautious = cautiousGroups
		}
	}
	err := w.writeChecked(ctx, group, lock)
	if worthAnotherTry(err) {
		err = w.writeChecked(ctx, group, lockingOf(err))
	}
	if len(group) == 1 || !worthAnotherTry(err) {
		w.answerFailed(group, err)
		return
	}
	lock = lockingOf(err)
	for _, p := range group {
		alone := []*pending{p}
		w.answerFailed(alone, w.writeChecked(ctx, alone, lock))
	}
}

// presumes reports whether a group may be written without checking first what it depends
// on: unless points move and that has just failed.
func (w *groupWriter) presumes(rows *changes) bool {
	if len(rows.movements) == 0 || w.cautious == 0 {
		return true
	}
	w.cautious--
	return false
}

// worthAnotherTry reports whether Postgres rolled a transaction back for a reason that may
// be gone or may concern one commit only.
func worthAnotherTry(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || !isDefinite(err) {
		return false
	}
	switch refused.Code[:2] {
	case "40", "22", "23", stateExpectation[:2]: // conflicts; what constraints refuse
		return true
	}
	return refused.Code == stateLockTimeout
}

func lockingOf(err error) locking {
	if isState(err, stateLockTimeout) {
		return skipLocked
	}
	return waitForLocks
}

// writeUnchecked writes a group in one round trip, expecting that every condition holds,
// and returns the balance after each movement of points. After an error that isDefinite
// nothing has changed.
func (w *groupWriter) writeUnchecked(
	ctx context.Context, group []*pending, rows *changes, balances map[uuid.UUID]int64,
) error {
	w.report.Transactions++
	ctx, cancel := context.WithTimeout(ctx, timeoutOf(group))
	defer cancel()
	conn, err := w.journal.db.journal.Acquire(ctx)
	if err != nil {
		return &notSentError{cause: err, noConnection: true}
	}
	defer conn.Release()

	b := &w.batch
	b.reset(conn.Conn())
	if isLarge(group) {
		b.run(ctx, w.sql().begin)
		b.run(ctx, w.sql().allowTime)
	}
	w.queue(ctx, rows, balances)
	if isLarge(group) {
		b.run(ctx, w.sql().commit)
	}
	err = b.send(ctx)
	if err != nil && isDefinite(err) && isLarge(group) {
		rollback(ctx, conn.Conn())
	}
	return err
}

func (w *groupWriter) sql() *statements { return w.journal.db.sql }

// queue queues the statements that write rows, table by table.
func (w *groupWriter) queue(ctx context.Context, rows *changes, balances map[uuid.UUID]int64) {
	b, sql := &w.batch, w.sql()
	sql.grainStatements.write(ctx, b, rows)
	sql.reservationStatements.write(ctx, b, rows)
	sql.placeStatements.write(ctx, b, rows)
	sql.accountStatements.write(ctx, b, rows, balances)
	sql.keyStatements.write(ctx, b, rows)
	runAll(ctx, b, sql.insertUsers, rows.users)
}

// rollback ends a transaction that will not be committed. If that fails the pool closes
// the connection, which ends it too.
func rollback(ctx context.Context, conn *pgx.Conn) {
	_, _ = conn.Exec(ctx, "ROLLBACK")
}

// answerDurable answers commits that are durable.
func (w *groupWriter) answerDurable(group []*pending, balances map[uuid.UUID]int64) {
	failpoint.Hit(failpoint.BeforeReply)
	for _, p := range group {
		result := boxoffice.CommitResult{}
		for _, m := range p.rows.movements {
			if result.Balances == nil {
				result.Balances = make(map[boxoffice.Movement]int64, len(p.rows.movements))
			}
			result.Balances[m.told()] = balances[m.TransactionID]
		}
		w.report.Durable++
		w.report.Events += len(p.commit.Events)
		p.done(result)
	}
}

// answerFailed answers commits of a transaction that failed; without an error they have
// been answered.
func (w *groupWriter) answerFailed(group []*pending, err error) {
	unsent, notSent := errors.AsType[*notSentError](err)
	switch {
	case err == nil:
	case notSent:
		w.answerUnavailable(group, err)
		// Where nobody has a connection there is no point in letting the rest of the queue wait.
		if unsent.noConnection {
			w.lost = true
			drained := w.journal.drain(w.number)
			w.report.Commits += len(drained)
			w.answerUnavailable(drained, err)
		}
	case !isDefinite(err):
		w.lost = true
		for _, p := range group {
			w.report.Unknown++
			p.done(boxoffice.CommitResult{Err: fmt.Errorf("%w: %w", boxoffice.ErrUnknown, err)})
		}
	case boxoffice.CodeOf(failure("", err)) == boxoffice.CodeUnavailable:
		w.answerUnavailable(group, err)
	default:
		for _, p := range group {
			w.report.Rejected++
			p.done(boxoffice.CommitResult{Err: w.journal.rejected(p.commit, err)})
		}
	}
}

func (w *groupWriter) answerUnavailable(group []*pending, cause error) {
	for _, p := range group {
		w.report.Unavailable++
		p.done(boxoffice.CommitResult{Err: boxoffice.Unavailable(cause)})
	}
}
