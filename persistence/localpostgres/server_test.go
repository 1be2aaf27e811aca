package localpostgres

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// small keeps the servers of tests light.
var small = map[string]string{"shared_buffers": "32MB"}

func query(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
}

func TestStartStopStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, err := Start(t.Context(), Config{DataDir: dir, Settings: small})
	require.NoError(t, err)
	query(t, server.URL, "CREATE TABLE kept (id int)")
	require.NoError(t, server.Stop(t.Context()))
	require.NoError(t, server.Stop(t.Context()), "stopping again does nothing")

	again, err := Start(t.Context(), Config{DataDir: dir, Port: server.Port, Settings: small})
	require.NoError(t, err)
	require.Equal(t, server.URL, again.URL)
	query(t, again.URL, "SELECT * FROM kept")
	require.NoError(t, again.Stop(t.Context()))
}
