package postgrestest_test

import (
	"context"
	"testing"

	"boxoffice/persistence/postgrestest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestDatabasesAreSeparateAndMigrated(t *testing.T) {
	t.Parallel()
	one, other := connect(t, postgrestest.Database(t)), connect(t, postgrestest.Database(t))
	_, err := one.Exec(t.Context(), "INSERT INTO things VALUES (1)")
	require.NoError(t, err)
	require.Equal(t, 1, count(t, one))
	require.Zero(t, count(t, other))
}

func BenchmarkDatabase(b *testing.B) {
	for b.Loop() {
		postgrestest.Database(b)
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func count(t *testing.T, conn *pgx.Conn) int {
	t.Helper()
	var n int
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM things").Scan(&n))
	return n
}
