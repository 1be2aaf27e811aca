package persistence

import (
	"context"

	"boxoffice"
)

// WriteGroup writes commits as one group, past the queue, and gives their results.
func (j *Journal) WriteGroup(ctx context.Context, commits ...boxoffice.Commit) ([]boxoffice.CommitResult, error) {
	results := make([]boxoffice.CommitResult, len(commits))
	var group []*pending
	for i, c := range commits {
		rows, err := changesOf(c)
		if err != nil {
			return nil, err
		}
		group = append(group, &pending{commit: c, rows: rows, done: func(r boxoffice.CommitResult) { results[i] = r }})
	}
	(&groupWriter{journal: j}).write(ctx, group)
	return results, nil
}
