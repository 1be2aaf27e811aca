package persistence

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"boxoffice"
)

// WriteGroup writes commits as one group, past the queue, and returns their results.
func (j *Journal) WriteGroup(ctx context.Context, commits ...boxoffice.Commit) ([]boxoffice.CommitResult, error) {
	return j.Flusher().WriteGroup(ctx, commits...)
}

// Flusher writes groups one after the other, as those of a journal do.
type Flusher struct{ writer groupWriter }

func (j *Journal) Flusher() *Flusher { return &Flusher{groupWriter{journal: j}} }

// Cautious is how many groups with payments will be checked first.
func (f *Flusher) Cautious() int { return f.writer.cautious }

func (f *Flusher) WriteGroup(ctx context.Context, commits ...boxoffice.Commit) ([]boxoffice.CommitResult, error) {
	results := make([]boxoffice.CommitResult, len(commits))
	var group []*pending
	for i, c := range commits {
		rows, err := changesOf(c)
		if err != nil {
			return nil, err
		}
		group = append(group, &pending{commit: c, rows: rows, done: func(r boxoffice.CommitResult) { results[i] = r }})
	}
	f.writer.write(ctx, group)
	return results, nil
}

// Setting reads a setting of a session for queries.
func (d *Database) Setting(ctx context.Context, t *testing.T, name string) (value string) {
	t.Helper()
	require.NoError(t, d.pool.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value))
	return value
}

// Occupy takes a connection for queries until release is called.
func (d *Database) Occupy(ctx context.Context, t *testing.T) (release func()) {
	t.Helper()
	conn, err := d.pool.Acquire(ctx)
	require.NoError(t, err)
	return conn.Release
}

// CheckAfter looks for violations after damage that is not kept.
func (d *Database) CheckAfter(ctx context.Context, damage ...string) ([]Violation, error) {
	tx, err := d.pool.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	for _, sql := range damage {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	return check(ctx, tx)
}
