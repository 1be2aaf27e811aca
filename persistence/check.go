package persistence

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// Violation is a violated invariant found in the database.
type Violation struct {
	Invariant string // what must hold
	Detail    string // where it does not
}

// maxViolations bounds how many violations of one invariant are reported.
const maxViolations = 20

// invariant is a query for what violates it, in one text column.
type invariant struct{ name, sql string }

// salesInvariants returns the invariants of points and seats.
func salesInvariants() []invariant {
	return []invariant{
		{"every ledger transaction sums to zero", `
			SELECT transaction_id || ': ' || sum(amount) FROM ledger_entries
			GROUP BY transaction_id HAVING sum(amount) <> 0 OR count(*) <> 2`},
		{"a balance is the sum of its entries, and never negative", `
			SELECT a.user_id || ': ' || a.balance || ', entries ' || coalesce(sum(e.amount), 0)
			FROM accounts a LEFT JOIN ledger_entries e ON e.user_id = a.user_id
			GROUP BY a.user_id
			HAVING a.balance < 0 OR a.balance <> coalesce(sum(e.amount), 0) OR a.version <> count(e.sequence)`},
		{"entries follow each other without gaps, each with the balance after it", `
			SELECT user_id || ' #' || sequence FROM (
				SELECT user_id, sequence, balance_after,
					row_number() OVER w AS number, sum(amount) OVER w AS total
				FROM ledger_entries WHERE user_id IS NOT NULL
				WINDOW w AS (PARTITION BY user_id ORDER BY sequence)
			) AS e WHERE sequence <> number OR balance_after <> total`},
		{"a seat has one owner", `
			SELECT schedule_id || ' seat ' || seat_number FROM reservations WHERE status IN ('held', 'confirmed')
			GROUP BY schedule_id, seat_number HAVING count(*) > 1`},
		{"a user has one seat of a schedule", `
			SELECT schedule_id || ' user ' || user_id FROM reservations WHERE status IN ('held', 'confirmed')
			GROUP BY schedule_id, user_id HAVING count(*) > 1`},
		{"what was paid and not refunded is the price of what is confirmed, and nothing else", `
			SELECT r.id || ' ' || r.status || ': ' || coalesce(-sum(e.amount), 0)
			FROM reservations r
			LEFT JOIN payments p ON p.reservation_id = r.id
			LEFT JOIN ledger_entries e ON e.payment_id = p.id AND e.account = 'user'
			GROUP BY r.id
			HAVING coalesce(-sum(e.amount), 0) <> CASE WHEN r.status = 'confirmed' THEN r.price ELSE 0 END
				OR count(DISTINCT p.id) <> CASE WHEN r.status IN ('confirmed', 'cancelled') THEN 1 ELSE 0 END
				OR count(e.transaction_id) <> CASE r.status WHEN 'confirmed' THEN 1 WHEN 'cancelled' THEN 2 ELSE 0 END`},
	}
}

// journalInvariants returns the invariants of operations, events and places in line.
func journalInvariants() []invariant {
	return []invariant{
		{"an operation has one effect", `
			SELECT operation_id::text FROM events
			WHERE operation_id IS NOT NULL AND type IN ('seat-held', 'seat-confirmed', 'sale-cancelled')
			GROUP BY operation_id HAVING count(*) > 1`},
		{"the effect that a stored answer tells of is there", `
			SELECT k.user_id || ' ' || k.operation || ' ' || k.key FROM idempotency_keys k
			-- NULL NOT IN nothing at all is true, hence the IS NOT NULL.
			WHERE k.outcome -> 'payment' IS NOT NULL
					AND (k.outcome -> 'payment' ->> 'id')::uuid NOT IN (SELECT id FROM payments)
				OR k.outcome -> 'reservation' IS NOT NULL
					AND (k.outcome -> 'reservation' ->> 'id')::uuid NOT IN (SELECT id FROM reservations)
				OR k.outcome -> 'entry' IS NOT NULL
					AND (k.outcome -> 'entry' ->> 'id')::uuid NOT IN (SELECT transaction_id FROM ledger_entries)`},
		{"a payment is of a reservation and an account, and an entry of what it names", `
			SELECT 'payment ' || p.id FROM payments p
			WHERE NOT EXISTS (SELECT FROM reservations r WHERE r.id = p.reservation_id AND r.user_id = p.user_id)
				OR NOT EXISTS (SELECT FROM accounts a WHERE a.user_id = p.user_id)
			UNION ALL
			SELECT 'entry ' || e.transaction_id FROM ledger_entries e
			WHERE e.user_id IS NOT NULL AND NOT EXISTS (SELECT FROM accounts a WHERE a.user_id = e.user_id)
				OR e.payment_id IS NOT NULL AND NOT EXISTS (SELECT FROM payments p WHERE p.id = e.payment_id)`},
		{"events have no gaps, and epochs never go down", `
			SELECT kind || ' ' || id || ' version ' || version FROM (
				SELECT kind, id, version, epoch, row_number() OVER w AS number,
					lag(epoch) OVER w AS before
				FROM events WINDOW w AS (PARTITION BY kind, id ORDER BY version)
			) AS e WHERE version <> number OR epoch < before`},
		{"a grain is at its last event", `
			SELECT g.kind || ' ' || g.id || ': ' || g.version || ', events ' || coalesce(max(e.version), 0)
			FROM grains g LEFT JOIN events e ON e.kind = g.kind AND e.id = g.id
			GROUP BY g.kind, g.id HAVING g.version <> coalesce(max(e.version), 0) OR g.epoch < max(e.epoch)`},
		{"a payment ends the buyer's place", `
			SELECT p.schedule_id || ' place ' || p.sequence || ' ' || p.status FROM events e
			JOIN queue_places p ON p.schedule_id = e.id AND p.sequence = (e.data ->> 'sequence')::bigint
			WHERE e.type = 'seat-confirmed' AND p.ended_at IS NULL`},
		{"a place is held for as long as its user's seat", `
			SELECT p.schedule_id || ' place ' || p.sequence FROM queue_places p
			WHERE p.held_until IS NOT NULL AND NOT EXISTS (
				SELECT FROM reservations r WHERE r.schedule_id = p.schedule_id AND r.user_id = p.user_id
					AND r.status = 'held' AND r.expires_at = p.held_until)`},
	}
}

// Check looks for violations of all invariants, in one snapshot of the database. It reads
// everything: it is for tests and for operators who suspect damage.
func (d *Database) Check(ctx context.Context) (violations []Violation, err error) {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err = pgx.BeginTxFunc(ctx, d.pool, options, func(tx pgx.Tx) error {
		violations, err = check(ctx, tx)
		return err
	})
	if err != nil {
		return nil, failure("check the database", err)
	}
	return violations, nil
}

func check(ctx context.Context, tx pgx.Tx) ([]Violation, error) {
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
		return nil, err
	}
	var violations []Violation
	for _, i := range append(salesInvariants(), journalInvariants()...) {
		rows, err := tx.Query(ctx, i.sql+" LIMIT $1", maxViolations)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", i.name, err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", i.name, err)
		}
		for _, detail := range found {
			violations = append(violations, Violation{i.name, detail})
		}
	}
	found, err := checkGrains(ctx, tx)
	return append(violations, found...), err
}

// checkGrains replays the events of every grain.
func checkGrains(ctx context.Context, tx pgx.Tx) ([]Violation, error) {
	rows, err := tx.Query(ctx, `
		SELECT kind, id, epoch, version, snapshot_version, snapshot, snapshot_checksum FROM grains ORDER BY id, kind`)
	if err != nil {
		return nil, err
	}
	grains, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (g takenGrain, err error) {
		err = row.Scan(&g.grain.Kind, &g.grain.ID, &g.Epoch, &g.Version, &g.SnapshotVersion, &g.snapshot, &g.checksum)
		return g, err
	})
	if err != nil {
		return nil, err
	}
	var violations []Violation
	for _, g := range grains {
		events, err := selectEvents(ctx, tx, g.grain, 0, g.Version)
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", g.grain.Kind, g.grain.ID, err)
		}
		found := checkSnapshot(g, events)
		var rows []Violation
		if g.grain.Kind == boxoffice.KindSchedule {
			rows, err = checkReservations(ctx, tx, g.grain.ID, events)
		} else {
			found = append(found, checkAdmissions(events)...)
			rows, err = checkPlaces(ctx, tx, g, events)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", g.grain.Kind, g.grain.ID, err)
		}
		found = append(found, rows...)
		for _, detail := range found {
			detail.Detail = fmt.Sprintf("%s %d: %s", g.grain.Kind, g.grain.ID, detail.Detail)
			violations = append(violations, detail)
		}
	}
	return violations, nil
}

// checkSnapshot checks that a snapshot is what its events make.
func checkSnapshot(g takenGrain, events []boxoffice.Event) []Violation {
	if g.snapshot == nil {
		return nil
	}
	const invariant = "a snapshot is what its events make"
	if g.checksum == nil || *g.checksum != checksumOf(g.snapshot) {
		return []Violation{{invariant, "wrong checksum"}}
	}
	replayed, err := encodeReplay(g, events[:g.SnapshotVersion])
	if err != nil {
		return []Violation{{invariant, err.Error()}}
	}
	if !bytes.Equal(replayed, g.snapshot) {
		return []Violation{{invariant, fmt.Sprintf("version %d: %s, events make %s", g.SnapshotVersion, g.snapshot, replayed)}}
	}
	return nil
}

// encodeReplay encodes what the events make, all places of a waiting room included. The
// version of its schedule's journal that the room knows is not among its events.
func encodeReplay(g takenGrain, events []boxoffice.Event) ([]byte, error) {
	if g.grain.Kind == boxoffice.KindSchedule {
		schedule, err := seatmap.Restore(nil, events)
		if err != nil {
			return nil, err
		}
		return schedule.Snapshot()
	}
	stored, err := waitingroom.Restore(waitingroom.Limits{}, g.snapshot, nil)
	if err != nil {
		return nil, err
	}
	room, err := waitingroom.Replay(waitingroom.Limits{}, events)
	if err != nil {
		return nil, err
	}
	room.Hear(boxoffice.ScheduleNews{Version: stored.KnownVersion()})
	return room.Snapshot()
}

// checkReservations checks that the rows of a schedule's reservations are what its events
// make.
func checkReservations(
	ctx context.Context, tx pgx.Tx, scheduleID int64, events []boxoffice.Event,
) ([]Violation, error) {
	const invariant = "reservations are what the events make"
	folded := &changes{scheduleID: scheduleID}
	for _, e := range events {
		if err := folded.project(e); err != nil {
			return []Violation{{invariant, err.Error()}}, nil //nolint:nilerr // the error is the violation
		}
	}
	made := make(map[uuid.UUID]reservationRow, len(folded.reservations))
	for _, r := range folded.reservations {
		made[r.ID] = r
	}
	rows, err := tx.Query(ctx, `
		SELECT id, status, seat_number, user_id, price, created_at, expires_at, ended_at
		FROM reservations WHERE schedule_id = $1`, scheduleID)
	if err != nil {
		return nil, err
	}
	kept, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r reservationRow, err error) {
		var expiresAt, endedAt *time.Time
		err = row.Scan(&r.ID, &r.Status, &r.SeatNumber, &r.UserID, &r.Price, &r.CreatedAt, &expiresAt, &endedAt)
		r.ScheduleID = scheduleID
		r.ExpiresAt, r.EndedAt = valueOf(expiresAt), valueOf(endedAt)
		return r, err
	})
	if err != nil {
		return nil, err
	}
	var violations []Violation
	for _, r := range kept {
		if made[r.ID] != r {
			violations = append(violations, Violation{invariant, fmt.Sprintf("row %+v, events make %+v", r, made[r.ID])})
		}
		delete(made, r.ID)
	}
	for id := range made {
		violations = append(violations, Violation{invariant, fmt.Sprintf("%v has no row", id)})
	}
	return violations, nil
}

// checkAdmissions checks that a waiting room has admitted places in the order in which they
// joined, none twice, and never more than its capacity.
func checkAdmissions(events []boxoffice.Event) []Violation {
	const invariant = "places are let in first come first served, once, up to the capacity"
	var violations []Violation
	capacity, last := 0, uint64(0)
	admitted := make(map[uint64]bool)
	for _, e := range events {
		switch d := e.Data.(type) {
		case waitingroom.Opened:
			capacity = d.Capacity
		case waitingroom.Configured:
			capacity = d.Capacity
		case waitingroom.Ended:
			for _, sequence := range d.Sequences {
				delete(admitted, sequence)
			}
		case waitingroom.Admitted:
			for _, sequence := range d.Sequences {
				if sequence <= last {
					violations = append(violations, Violation{invariant, fmt.Sprintf("%d after %d", sequence, last)})
				}
				last = sequence
				admitted[sequence] = true
			}
			if len(admitted) > capacity {
				violations = append(violations,
					Violation{invariant, fmt.Sprintf("%d admitted, capacity %d, at %v", len(admitted), capacity, e.At)})
			}
		}
	}
	return violations
}
