package persistence

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"boxoffice"
)

// overdue is how long after its time something is due that nobody has done: an active
// grain does it within less.
const overdue = 2 * time.Second

// PlaceRows tells what the rows of places say, of those that there are.
func (d *Database) PlaceRows(ctx context.Context, scheduleID int64, sequences []uint64) ([]boxoffice.PlaceRow, error) {
	numbers := make([]int64, len(sequences))
	for i, sequence := range sequences {
		numbers[i] = int64(sequence)
	}
	rows, err := d.pool.Query(ctx, `
		SELECT sequence, status, held_until FROM queue_places
		WHERE schedule_id = $1 AND sequence = ANY ($2)
		ORDER BY sequence`, scheduleID, numbers)
	if err != nil {
		return nil, failure("read places", err)
	}
	places, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p boxoffice.PlaceRow, err error) {
		var heldUntil *time.Time
		err = row.Scan(&p.Sequence, &p.Status, &heldUntil)
		if heldUntil != nil {
			p.HeldUntil = heldUntil.UTC()
		}
		return p, err
	})
	return places, failure("read places", err)
}

// DueGrains names up to limit grains, the longest overdue first, that nobody seems to
// drive: schedules with holds that are over but not written down as expired, and
// gatekeepers with admissions that are over but have not ended.
func (d *Database) DueGrains(ctx context.Context, limit int) ([]boxoffice.Grain, error) {
	rows, err := d.pool.Query(ctx, `
		SELECT kind, id FROM (
			SELECT 'schedule' AS kind, schedule_id AS id, min(expires_at) AS due FROM reservations
			WHERE status = 'held' AND expires_at <= now() - $1::interval
			GROUP BY schedule_id
			UNION ALL
			SELECT 'gatekeeper', schedule_id, min(ends_at) FROM queue_places
			WHERE ended_at IS NULL AND ends_at <= now() - $1::interval
				AND (held_until IS NULL OR held_until <= now() - $1::interval)
			GROUP BY schedule_id
		) AS overdue
		ORDER BY due
		LIMIT $2`, overdue, limit)
	if err != nil {
		return nil, failure("look for due grains", err)
	}
	grains, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (g boxoffice.Grain, err error) {
		err = row.Scan(&g.Kind, &g.ID)
		return g, err
	})
	return grains, failure("look for due grains", err)
}
