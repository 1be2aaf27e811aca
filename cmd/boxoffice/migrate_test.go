package main

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"boxoffice/migrations"
	"boxoffice/persistence/postgrestest"
)

// execute runs one statement in the database at url.
func execute(t *testing.T, url, sql string, args ...any) {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer connection.Close(context.WithoutCancel(t.Context()))
	_, err = connection.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// These change the version that a database says it is at.
const (
	makeOlder = "DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)"
	makeNewer = "INSERT INTO goose_db_version (version_id, is_applied) SELECT max(version_id) + 1, true FROM goose_db_version"
)

func TestMigrateMakesAnEmptyDatabaseUsableAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	database := postgrestest.Database(t)
	execute(t, database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
	require.ErrorIs(t, migrations.Check(t.Context(), database), migrations.ErrBehind)
	for range 2 {
		status, stdout, stderr := runProgram(t, []string{"migrate"}, "BOXOFFICE_DATABASE_URL="+database)
		require.Equal(t, exitStopped, status, stderr)
		require.Contains(t, stdout, "up to date")
		require.NoError(t, migrations.Check(t.Context(), database))
	}
}

func TestMigrateLeavesANewerDatabaseAlone(t *testing.T) {
	t.Parallel()
	database := postgrestest.Database(t)
	execute(t, database, makeNewer)
	status, stdout, stderr := runProgram(t, []string{"migrate"}, "BOXOFFICE_DATABASE_URL="+database)
	require.Equal(t, exitUsage, status)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "newer than this program")
}

func TestServeRefusesADatabaseOfAnotherVersion(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change, want string
		status       int
	}{
		"behind": {makeOlder, "boxoffice migrate", exitFailed}, // somebody may be about to
		"ahead":  {makeNewer, "newer than this program", exitUsage},
		"empty":  {"DROP SCHEMA public CASCADE; CREATE SCHEMA public", "boxoffice migrate", exitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := postgrestest.Database(t)
			execute(t, database, test.change)
			status, _, stderr := runProgram(t, []string{"serve"},
				"BOXOFFICE_DATABASE_URL="+database, "BOXOFFICE_LISTEN=127.0.0.1:0", "BOXOFFICE_DATA_DIR="+t.TempDir())
			require.Equal(t, test.status, status)
			require.Contains(t, stderr, test.want)
		})
	}
}

func TestStartWaitsForTheDatabaseOnlySoLong(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"serve", "migrate"} {
		began := time.Now()
		status, _, stderr := runProgram(t, []string{name}, "BOXOFFICE_START_TIMEOUT=300ms", "BOXOFFICE_LISTEN=127.0.0.1:0",
			"BOXOFFICE_DATABASE_URL=postgres://boxoffice:hunter2@"+nobody(t)+"/boxoffice", "BOXOFFICE_DATA_DIR="+t.TempDir())
		require.Equal(t, exitFailed, status)
		require.Contains(t, stderr, "BOXOFFICE_DATABASE_URL: not there after 300ms")
		require.NotContains(t, stderr, "hunter2")
		require.Less(t, time.Since(began), 10*time.Second)
	}
}

func TestStartDoesNotWaitWhereWaitingDoesNotHelp(t *testing.T) {
	t.Parallel()
	database, err := url.Parse(postgrestest.Database(t))
	require.NoError(t, err)
	database.Path = "/no_such_database"
	status, _, stderr := runProgram(t, []string{"migrate"},
		"BOXOFFICE_DATABASE_URL="+database.String(), "BOXOFFICE_START_TIMEOUT=1h")
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, "no_such_database")
}
