package postgrestest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestDatabasesAreSeparateAndMigrated(t *testing.T) {
	t.Parallel()
	one, other := connect(t, Database(t)), connect(t, Database(t))
	_, err := one.Exec(t.Context(), "INSERT INTO things VALUES (1)")
	require.NoError(t, err)
	require.Equal(t, 1, number(t, one, "SELECT count(*)::int FROM things"))
	require.Zero(t, number(t, other, "SELECT count(*)::int FROM things"))
}

func TestDatabaseGoesWithItsTest(t *testing.T) {
	t.Parallel()
	var name string
	t.Run("user of a database", func(t *testing.T) {
		conn := connect(t, Database(t))
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT current_database()").Scan(&name))
	})
	conn := connect(t, Database(t))
	var exists bool
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists))
	require.False(t, exists)
}

func TestServerIsDurable(t *testing.T) {
	t.Parallel()
	server := Server(t)
	conn := connect(t, server.URL)
	require.Zero(t, number(t, conn, "SELECT count(*)::int FROM things"))
	require.Equal(t, 1, number(t, conn, "SELECT (current_setting('fsync') = 'on')::int"))
}

func BenchmarkDatabase(b *testing.B) {
	for b.Loop() {
		Database(b)
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func number(t *testing.T, conn *pgx.Conn, query string) int {
	t.Helper()
	var n int
	require.NoError(t, conn.QueryRow(t.Context(), query).Scan(&n))
	return n
}
