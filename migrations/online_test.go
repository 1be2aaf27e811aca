package migrations_test

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"boxoffice/migrations"
)

// firstOnline is the first migration that was made to run beside nodes that sell.
const firstOnline = "0009"

// offline returns what a migration may not do beside nodes that sell: make them wait for long,
// or take away what those of the release before use.
func offline(migration string) (problems []string) {
	up, _, _ := strings.Cut(migration, "-- +goose Down")
	up = regexp.MustCompile(`--.*`).ReplaceAllString(up, "")
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	fresh := func(table string) bool {
		return regexp.MustCompile(`(?i)CREATE TABLE (IF NOT EXISTS )?` + table + `\b`).MatchString(up)
	}
	locks := false
	for statement := range strings.SplitSeq(up, ";") {
		statement = strings.Join(strings.Fields(statement), " ")
		has := func(pattern string) bool { return regexp.MustCompile(`(?i)` + pattern).MatchString(statement) }
		onFresh := false
		if table := regexp.MustCompile(`(?i)^(?:ALTER TABLE(?: IF EXISTS)?|CREATE.* INDEX.* ON|CREATE.* TRIGGER.* ON|LOCK TABLE) (\w+)`).FindStringSubmatch(statement); len(table) > 1 {
			onFresh = fresh(table[1])
		}
		if statement == "" || has("CONCURRENTLY") || onFresh {
			continue
		}
		locks = locks || !has("^(SET|RESET) ")
		switch {
		case has(`^(CREATE|DROP)( UNIQUE)? INDEX|^REINDEX|^CLUSTER|^VACUUM`):
			complain("an index that is made or dropped while writers wait: %s", statement)
		case has(`^DROP TABLE|DROP COLUMN|RENAME`):
			complain("nodes of the release before use it: %s", statement)
		case has(`ALTER COLUMN \w+ (SET DATA )?TYPE|SET NOT NULL`):
			complain("it reads the whole table while others wait: %s", statement)
		case has(`ADD (CONSTRAINT|CHECK|FOREIGN|UNIQUE|PRIMARY|EXCLUDE)|ADD COLUMN.* (REFERENCES|CHECK|UNIQUE)`) && !has(`NOT VALID|USING INDEX`):
			complain("a constraint that is not NOT VALID at first: %s", statement)
		}
	}
	if locks && !regexp.MustCompile(`(?i)\bSET (LOCAL )?lock_timeout\b`).MatchString(up) {
		complain("no lock_timeout")
	}
	return problems
}

// Whoever adds a migration that nodes could not bear is told so here.
func TestMigrationsRunBesideNodes(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(migrations.FS, "*.sql")
	require.NoError(t, err)
	checked := 0
	for _, name := range names {
		if name < firstOnline {
			continue
		}
		content, err := fs.ReadFile(migrations.FS, name)
		require.NoError(t, err)
		require.Empty(t, offline(string(content)), name)
		checked++
	}
	require.GreaterOrEqual(t, checked, 3)
}

func TestWhatNodesCouldNotBearIsFound(t *testing.T) {
	t.Parallel()
	const patient = "-- +goose Up\nSET lock_timeout = '2s';\n"
	for _, good := range []string{
		"", "CREATE TABLE t (id bigint PRIMARY KEY, u bigint REFERENCES s); CREATE INDEX i ON t (u); ALTER TABLE t ADD CHECK (id > 0);",
		"CREATE UNIQUE INDEX CONCURRENTLY i ON s (id);", "ALTER TABLE s ADD CHECK (id > 0) NOT VALID;", "ALTER TABLE s ADD COLUMN c text;",
		"ALTER TABLE s VALIDATE CONSTRAINT c;", "-- +goose Down\nDROP TABLE s;", "-- DROP TABLE s;",
	} {
		require.Empty(t, offline(patient+good), good)
	}
	for _, bad := range []string{
		"CREATE INDEX i ON s (id);", "create unique index i on s (id);", "DROP INDEX i;", "DROP TABLE s;", "ALTER TABLE s DROP COLUMN c;",
		"ALTER TABLE s RENAME c TO d;", "ALTER TABLE s ALTER COLUMN c TYPE text;", "ALTER TABLE s ALTER c SET NOT NULL;",
		"ALTER TABLE s\n\tADD CONSTRAINT c CHECK (id > 0);", "ALTER TABLE s ADD FOREIGN KEY (u) REFERENCES t;",
		"ALTER TABLE s ADD COLUMN u bigint REFERENCES t;", "ALTER TABLE s ADD UNIQUE (u);",
	} {
		require.Len(t, offline(patient+bad), 1, bad)
	}
	require.Equal(t, []string{"no lock_timeout"}, offline("-- +goose Up\nALTER TABLE s ADD COLUMN c text;"))
	require.Empty(t, offline("-- +goose Up\nDROP INDEX CONCURRENTLY i;"))
}
