package persistence

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"boxoffice/persistence/postgrestest"
)

// Whatever the statistics say, the journal goes through its arrays in order and looks each
// row up by the primary key: that is what keeps two groups from locking in another order.
func TestTheJournalsStatementsUsePrimaryKeys(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), postgrestest.Database(t), Config{})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	for _, world := range []struct{ name, fill string }{
		{"empty tables", "SELECT"},
		{"one large schedule", `
			INSERT INTO queue_places (schedule_id, sequence, user_id, status, claimed, joined_at)
			SELECT 1, n, gen_random_uuid(), 'waiting', false, now() FROM generate_series(1, 5000) n;
			ANALYZE`},
	} {
		_, err := db.pool.Exec(t.Context(), world.fill)
		require.NoError(t, err)
		sql := db.sql
		for table, statements := range map[string][]*statement{
			"grains":           {sql.confirm, sql.fence, sql.lockGrains[waitForLocks]},
			"queue_places":     {sql.changePlaces, sql.lockPlaces[waitForLocks], sql.lockPlaces[skipLocked]},
			"accounts":         {sql.move, sql.lockAccounts[waitForLocks]},
			"reservations":     {sql.endReservations},
			"payments":         {sql.move},
			"ledger_entries":   {sql.insertKeys},
			"idempotency_keys": {sql.readKeys},
		} {
			for _, s := range statements {
				plan := planOf(t, db, s)
				require.Contains(t, plan, "Index Scan using "+table+"_pkey", "%s with %s", s.name, world.name)
				for _, wrong := range []string{"Seq Scan", "Hash", "Merge", "Sort", "Bitmap"} {
					require.NotContains(t, plan, wrong, "%s with %s", s.name, world.name)
				}
			}
		}
	}
}

// planOf returns the generic plan of a statement in a session of the journal.
func planOf(t *testing.T, db *Database, s *statement) string {
	t.Helper()
	conn, err := db.journal.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), "PREPARE explained AS "+s.sql)
	require.NoError(t, err)
	defer func() { _, _ = conn.Exec(t.Context(), "DEALLOCATE explained") }()
	parameters := 0
	for _, t := range s.tables {
		parameters += len(t.columns)
	}
	nulls := strings.TrimSuffix(strings.Repeat("NULL, ", parameters), ", ")
	rows, err := conn.Query(t.Context(), "EXPLAIN EXECUTE explained ("+nulls+")", pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}

// What cleans and what sweeps look at what they are after, however much there is.
func TestSweepsUseTheirIndexes(t *testing.T) {
	t.Parallel()
	db, err := Open(t.Context(), postgrestest.Database(t), Config{})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	exec := func(sql string) {
		t.Helper()
		_, err := db.pool.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	exec(`INSERT INTO idempotency_keys
		SELECT gen_random_uuid(), 'POST /', n::text, decode(repeat('00', 32), 'hex'), gen_random_uuid(), '{}', now(), NULL
		FROM generate_series(1, 20000) n`)
	exec(`INSERT INTO queue_places (schedule_id, sequence, user_id, status, claimed, joined_at)
		SELECT 1, n, gen_random_uuid(), 'waiting', false, now() FROM generate_series(1, 20000) n`)
	exec(`INSERT INTO queue_places (schedule_id, sequence, user_id, status, claimed, joined_at, ended_at)
		SELECT 2, n, gen_random_uuid(), 'left', false, now(), now() FROM generate_series(1, 20000) n`)
	exec(`INSERT INTO reservations (id, schedule_id, seat_number, user_id, status, price, created_at, ended_at)
		SELECT gen_random_uuid(), n, 1, gen_random_uuid(), 'released', 0, now(), now() FROM generate_series(1, 20000) n`)
	exec("ANALYZE")
	explain := func(sql string, args ...any) string {
		t.Helper()
		rows, err := db.pool.Query(t.Context(), "EXPLAIN "+sql, args...)
		require.NoError(t, err)
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		return strings.Join(plan, "\n")
	}
	require.Contains(t, explain(deleteOldKeys, time.Now().Add(-KeyRetention), keyBatch), "Index Scan using idempotency_keys_by_time")
	plan := explain(dueGrains, overdue, 100)
	require.NotContains(t, plan, "Seq Scan on queue_places")
	require.NotContains(t, plan, "Seq Scan on reservations")
}
