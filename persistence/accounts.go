package persistence

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
)

// movementRow is points that go to a user's account (or, negative, from it): a charge, a
// payment or its refund. Each writes two ledger entries; a payment writes its own row too.
type movementRow struct {
	TransactionID uuid.UUID           `db:"transaction_id"`
	Type          boxoffice.EntryType `db:"type"`
	SystemAccount string              `db:"system_account"` // of the other entry
	Amount        int64               `db:"amount"`
	Sum           int64               `db:"sum"` // of the account's movements of the statement, up to this one
	PaymentID     uuid.UUID           `db:"payment_id"`
	ReservationID uuid.UUID           `db:"reservation_id"`
	At            time.Time           `db:"at"`

	userID      uuid.UUID
	operationID uuid.UUID
}

// System accounts of the ledger.
const (
	accountCharges = "charges"
	accountSales   = "sales"
)

// toldBy reports whether an outcome contains the balance after the movement.
func (m *movementRow) toldBy(o boxoffice.Outcome) bool {
	if p := o.Payment; p != nil {
		return p.ID == m.PaymentID && (p.Status == boxoffice.PaymentCancelled) == (m.Type == boxoffice.EntryRefund)
	}
	return o.Entry != nil && o.Entry.ID == m.TransactionID
}

// told returns the name under which a commit gets the balance.
func (m *movementRow) told() boxoffice.Movement {
	return boxoffice.Movement{ID: cmp.Or(m.PaymentID, m.TransactionID), Refund: m.Type == boxoffice.EntryRefund}
}

// accountRow is the effect on an account of all of its movements, in their order. None may
// leave it below zero, and no charge above the limit.
type accountRow struct {
	UserID  uuid.UUID `db:"user_id"`
	Total   int64     `db:"total"`
	Lowest  int64     `db:"lowest"` // of the sums
	Charges bool      `db:"charges"`
	Highest int64     `db:"highest"` // of the sums up to a charge, if there are any
	First   int64     `db:"first"`   // of its movements, counted from 1
	Last    int64     `db:"last"`
}

// lockedAccount is the locked row of an account.
type lockedAccount struct {
	UserID  uuid.UUID `db:"user_id"`
	Balance int64     `db:"balance"`
}

type accountStatements struct {
	move         *statement
	lockAccounts [lockings]*statement
}

// newAccountStatements returns the statements that move points. The accounts that have
// enough are updated once each, and what their movements write follows from the balance and
// the number of entries that they had. Both entries of a transaction are inserted by one
// statement.
func newAccountStatements() accountStatements {
	return accountStatements{
		move: newStatement("move points", fmt.Sprintf(`
			WITH moved AS (
				UPDATE accounts a
				SET balance = a.balance + c.total, version = a.version + c.last - c.first + 1
				FROM {accounts} AS c
				WHERE a.user_id = c.user_id AND a.balance + c.lowest >= 0
					AND (NOT c.charges OR a.balance + c.highest <= %d)
				RETURNING a.user_id, a.balance - c.total AS before, a.version - c.last AS version, c.first, c.last
			), made AS (
				SELECT user_id, version + n AS sequence, before + {movements.sum}[n] AS balance,
					{movements.transaction_id}[n] AS transaction_id, {movements.type}[n] AS type,
					{movements.system_account}[n] AS system_account, {movements.amount}[n] AS amount,
					{movements.payment_id}[n] AS payment_id, {movements.reservation_id}[n] AS reservation_id,
					{movements.at}[n] AS at
				FROM (SELECT moved.*, generate_series(first, last) AS n FROM moved) AS numbered
			), paid AS (
				INSERT INTO payments (id, reservation_id, user_id, amount, balance, status, paid_at)
				SELECT payment_id, reservation_id, user_id, -amount, balance, 'completed', at
				FROM made WHERE type = 'payment'
			), refunded AS (
				UPDATE payments p
				SET status = 'cancelled', refunded_amount = made.amount, balance = made.balance, cancelled_at = made.at
				FROM made
				WHERE made.type = 'refund' AND p.id = made.payment_id AND p.status = 'completed'
				RETURNING 1
			), entered AS (
				INSERT INTO ledger_entries
					(transaction_id, account, user_id, sequence, type, amount, balance_after, payment_id, created_at)
				SELECT transaction_id, 'user', user_id, sequence, type, amount, balance, payment_id, at FROM made
				UNION ALL
				SELECT transaction_id, system_account, NULL, NULL, type, -amount, NULL, payment_id, at FROM made
			)
			SELECT expected.sound, made.transaction_id, made.balance
			FROM (SELECT
				expect_rows((SELECT count(*) FROM moved), cardinality({accounts.user_id}), 'accounts')
				AND expect_rows((SELECT count(*) FROM refunded),
					(SELECT count(*) FROM made WHERE type = 'refund'), 'payments') AS sound
			) AS expected
			LEFT JOIN made ON true`, boxoffice.MaxBalance),
			rowsOf[accountRow]("accounts"), rowsOf[movementRow]("movements")),
		lockAccounts: lockStatement("lock accounts", `
			SELECT a.user_id, a.balance FROM {accounts} AS c
			JOIN accounts a ON a.user_id = c.user_id
			FOR NO KEY UPDATE OF a`, rowsOf[accountRow]("accounts")),
	}
}

// write queues movements, those of an account in their order, and adds the balance after
// each to balances, by transaction.
func (s *accountStatements) write(ctx context.Context, b *batch, c *changes, balances map[uuid.UUID]int64) {
	type movedRow struct {
		Sound         bool
		TransactionID uuid.UUID
		Balance       int64
	}
	for _, movements := range rounds(c.movements) {
		b.run(ctx, s.move, accountsOf(movements), movements)
		collect(b, func(m movedRow) { balances[m.TransactionID] = m.Balance })
	}
}

func (s *accountStatements) lock(ctx context.Context, b *batch, c *changes, how locking, each func(lockedAccount)) {
	if len(c.movements) == 0 {
		return
	}
	b.run(ctx, s.lockAccounts[how], accountsOf(slices.Clone(c.movements)))
	collect(b, each)
}

// accountsOf sorts movements by account, adds them up, and returns the accounts in the
// order of their keys.
func accountsOf(movements []movementRow) []accountRow {
	slices.SortStableFunc(movements, func(a, b movementRow) int { return compareIDs(a.userID, b.userID) })
	var accounts []accountRow
	for i := range movements {
		m := &movements[i]
		if i == 0 || m.userID != movements[i-1].userID {
			accounts = append(accounts, accountRow{UserID: m.userID, First: int64(i) + 1})
		}
		a := &accounts[len(accounts)-1]
		a.Total += m.Amount
		m.Sum = a.Total
		a.Lowest = min(a.Lowest, a.Total)
		if m.Type == boxoffice.EntryCharge {
			a.Charges, a.Highest = true, max(a.Highest, a.Total)
		}
		a.Last = int64(i) + 1
	}
	return accounts
}

// rounds splits movements so that the refund of a payment among them comes in a later
// round, with whatever comes after it on the account: a statement does not see the rows
// that it writes.
func rounds(movements []movementRow) [][]movementRow {
	if len(movements) == 0 {
		return nil
	}
	if !slices.ContainsFunc(movements, func(m movementRow) bool { return m.Type == boxoffice.EntryRefund }) {
		return [][]movementRow{movements}
	}
	paid := make(map[uuid.UUID]bool)
	waiting := make(map[uuid.UUID]bool) // accounts
	var now, later []movementRow
	for _, m := range movements {
		if waiting[m.userID] || m.Type == boxoffice.EntryRefund && paid[m.PaymentID] {
			waiting[m.userID] = true
			later = append(later, m)
			continue
		}
		paid[m.PaymentID] = true
		now = append(now, m)
	}
	return append([][]movementRow{now}, rounds(later)...)
}

func compareIDs(a, b uuid.UUID) int { return cmp.Compare(string(a[:]), string(b[:])) }

// Balance returns how many points a user has. It fails with user-not-found.
func (d *Database) Balance(ctx context.Context, userID uuid.UUID) (int64, error) {
	return readOne(ctx, d.pool, "read balance", userNotFound(), pgx.RowTo[int64],
		"SELECT balance FROM accounts WHERE user_id = $1", userID)
}

func userNotFound() *boxoffice.Error {
	return boxoffice.Errorf(boxoffice.CodeUserNotFound, "there is no such user")
}

// PointsHistory returns the movements of a user's points, newest first.
func (d *Database) PointsHistory(
	ctx context.Context, userID uuid.UUID, page boxoffice.PageRequest,
) (boxoffice.Page[boxoffice.LedgerEntry], error) {
	type entry struct {
		boxoffice.LedgerEntry
		Sequence int64
	}
	listed, err := listPage(ctx, d, listHistory, page, newest(), func(after position, limit int) (string, []any) {
		return `
			SELECT transaction_id AS id, type, amount, balance_after, created_at, sequence,
				coalesce(payment_id, '00000000-0000-0000-0000-000000000000') AS payment_id
			FROM ledger_entries
			WHERE user_id = $1 AND sequence < $2
			ORDER BY sequence DESC
			LIMIT $3`, []any{userID, after.number, limit}
	}, pgx.RowToStructByName[entry], func(e entry) position { return position{number: e.Sequence} })
	result := boxoffice.Page[boxoffice.LedgerEntry]{Next: listed.Next}
	for _, e := range listed.Items {
		result.Items = append(result.Items, e.LedgerEntry)
	}
	return result, err
}
