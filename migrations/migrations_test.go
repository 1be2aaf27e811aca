package migrations_test

import (
	"context"
	"database/sql"
	"sync"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"boxoffice/migrations"
	"boxoffice/persistence/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m, nil) }

func TestCheckTellsBehindFromAhead(t *testing.T) {
	t.Parallel()
	ctx, url := t.Context(), postgrestest.Database(t)
	require.ErrorIs(t, migrations.Check(ctx, url), migrations.ErrBehind)
	db := open(t, url)
	var tables int
	require.NoError(t, db.QueryRowContext(ctx, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").Scan(&tables))
	require.Zero(t, tables, "asking changes nothing")

	require.NoError(t, migrations.Up(ctx, url))
	require.NoError(t, migrations.Check(ctx, url))
	require.NoError(t, migrations.Up(ctx, url), "again is nothing to do")

	newest, err := migrations.Version()
	require.NoError(t, err)
	exec(t, db, "DELETE FROM goose_db_version WHERE version_id = $1", newest)
	require.ErrorIs(t, migrations.Check(ctx, url), migrations.ErrBehind)
	exec(t, db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, true)", newest+1)
	require.ErrorIs(t, migrations.Check(ctx, url), migrations.ErrAhead)
}

func TestUpInSeveralProcessesAtOnce(t *testing.T) {
	t.Parallel()
	url := postgrestest.Database(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := migrations.Up(t.Context(), url); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.NoError(t, migrations.Check(t.Context(), url))
}

func TestDownLeavesNothing(t *testing.T) {
	t.Parallel()
	ctx, url := t.Context(), postgrestest.Database(t)
	require.NoError(t, migrations.Up(ctx, url))
	db := open(t, url)
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS)
	require.NoError(t, err)
	_, err = provider.DownTo(ctx, 0)
	require.NoError(t, err)
	var left int
	require.NoError(t, db.QueryRowContext(ctx, `
		SELECT (SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'goose_db_version')
			+ (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace)`).Scan(&left))
	require.Zero(t, left)
	require.NoError(t, migrations.Up(ctx, url))
}

func TestWithoutADatabase(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	const url = "postgres://127.0.0.1:1/none"
	require.Error(t, migrations.Up(ctx, url))
	err := migrations.Check(ctx, url)
	require.Error(t, err)
	require.NotErrorIs(t, err, migrations.ErrBehind)
	require.Error(t, migrations.Check(ctx, "postgres://h:port/x"))
}

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func exec(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), query, args...)
	require.NoError(t, err)
}
