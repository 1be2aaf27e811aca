package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// The operator's page names log messages, metrics and queries. These tests keep it correct.

const operationsPage = "../../docs/operations.md"

// section is the part of a page below a heading.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	content, err := os.ReadFile(page)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(content), "\n## "+heading+"\n")
	require.True(t, found, "%s has no heading %q", page, heading)
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// isQuoted reports whether code has a string that begins with a text. (A failed
// require.Contains would show all of the code.)
func isQuoted(code, text string) bool { return strings.Contains(code, `"`+text) }

// source is all of the program's own code, without tests.
func source(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{".", "../../actors", "../../cluster", "../../http", "../../persistence", "../../journal.go"} {
		require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(path)
			all.Write(content)
			return err
		}))
	}
	return all.String()
}

func TestOperationsPageNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	code := source(t)
	rows := regexp.MustCompile("(?m)^\\| (`[^|]+`) \\|").FindAllStringSubmatch(section(t, operationsPage, "Logs"), -1)
	require.NotEmpty(t, rows)
	for _, row := range rows {
		for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
			message := strings.TrimSuffix(quoted[1], "…")
			require.True(t, isQuoted(code, message), "nobody logs %q", message)
		}
	}
	for _, logged := range regexp.MustCompile(`\.(?:Warn|Error)(?:Context)?\((?:ctx, )?"([^"]+)"`).FindAllStringSubmatch(code, -1) {
		known := slices.ContainsFunc(rows, func(row []string) bool {
			return slices.ContainsFunc(regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1), func(quoted []string) bool {
				begin, open := strings.CutSuffix(quoted[1], "…")
				return logged[1] == begin || open && strings.HasPrefix(logged[1], begin)
			})
		})
		require.True(t, known, "operators are not told of %q", logged[1])
	}
	for _, quoted := range regexp.MustCompile("(?m)^\\| ([^|]*`[^|]+) \\|").FindAllStringSubmatch(section(t, operationsPage, "What a 503 means"), -1) {
		for _, cause := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(quoted[1], -1) {
			known := strings.Contains(code, cause[1]) || slices.Contains(causesElsewhere(), cause[1])
			require.True(t, known, "no 503 is because of %q", cause[1])
		}
	}
	metrics := regexp.MustCompile(`\bboxoffice_(\w+)`).FindAllStringSubmatch(section(t, operationsPage, "Metrics"), -1)
	require.NotEmpty(t, metrics)
	for _, metric := range metrics {
		name := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(metric[1], "")
		require.True(t, isQuoted(code, name+`"`), "there is no metric %s", name)
	}
	made := regexp.MustCompile(`Opts\{\s*Name:\s+"(\w+)"`).FindAllStringSubmatch(code, -1)
	require.NotEmpty(t, made)
	for _, metric := range made {
		told := regexp.MustCompile(`\bboxoffice_` + metric[1] + `\b`).MatchString(section(t, operationsPage, "Metrics"))
		require.True(t, told, "operators are not told of %s", metric[1])
	}
}

// causesElsewhere are what PostgreSQL and the network say, and what begins with a kind of
// grain.
func causesElsewhere() []string {
	return []string{
		"connection refused", "terminating connection", "the database system is …", "disk full", "could not extend file", "lock timeout",
		"call schedule …", "call gatekeeper …",
	}
}

// requireOperatorsAudit runs the queries with which operators audit the accounts.
func requireOperatorsAudit(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	_, queries, _ := strings.Cut(section(t, operationsPage, "When something is wrong"), "```sql\n")
	queries, _, found := strings.Cut(queries, "```")
	require.True(t, found)
	connection, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer connection.Close(ctx)
	for query := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(queries), ";"), ";\n") {
		rows, err := connection.Query(ctx, query)
		require.NoError(t, err)
		found, err := pgx.CollectRows(rows, pgx.RowToMap)
		require.NoError(t, err, query)
		require.Empty(t, found, query)
	}
}
