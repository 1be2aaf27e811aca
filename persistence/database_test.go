package persistence_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/persistence"
)

func TestSessionsHaveBounds(t *testing.T) {
	t.Parallel()
	f := setup(t)
	c, _ := f.seller(f.schedule(0)).decide()
	require.NoError(t, f.commit(c).Err)
	conn := f.connect()
	rows, err := conn.Query(f.ctx, `
		SELECT application_name FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY 1`)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Contains(t, names, "boxoffice")
	require.Contains(t, names, "boxoffice journal")
	for setting, expected := range map[string]string{
		"synchronous_commit":                  "on",
		"statement_timeout":                   "3s",
		"lock_timeout":                        "1s",
		"idle_in_transaction_session_timeout": "2s",
		"tcp_user_timeout":                    "5000",
		"TimeZone":                            "UTC",
	} {
		require.Equal(t, expected, f.db.Setting(f.ctx, t, setting), setting)
	}
	queries, journal := f.db.Stats()
	require.Equal(t, 16, queries.Max)
	require.Equal(t, 2, journal.Max)
	require.Zero(t, queries.Acquired)
}

// A node that is short of connections still has its database.
func TestABusyDatabaseIsReady(t *testing.T) {
	t.Parallel()
	f := setup(t)
	db, err := persistence.Open(f.ctx, f.url, persistence.Config{MaxConns: 1})
	require.NoError(t, err)
	defer db.Close()
	release := db.Occupy(f.ctx, t)
	defer release()
	queries, _ := db.Stats()
	require.Equal(t, queries.Max, queries.Acquired)
	require.NoError(t, db.Ready(f.ctx))
}

func TestAReadOnlyDatabaseIsNotReady(t *testing.T) {
	t.Parallel()
	f := setup(t)
	require.NoError(t, f.db.Ready(f.ctx))
	f.exec("ALTER DATABASE " + pgx.Identifier{databaseOf(t, f.url)}.Sanitize() + " SET default_transaction_read_only = on")
	db := open(t, f.url)
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(db.Ready(f.ctx)))
	journal := persistence.NewJournal(db, persistence.JournalConfig{})
	t.Cleanup(journal.Close)
	err := journal.CreateUser(f.ctx, boxoffice.User{ID: newID(), Name: "Ada", CreatedAt: f.now})
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err))
}
