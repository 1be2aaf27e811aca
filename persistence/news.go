package persistence

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"boxoffice"
	"boxoffice/seatmap"
)

// ScheduleNews returns what a schedule's journal says after one of its versions, in one
// snapshot of the database. The error wraps boxoffice.ErrNoGrain if there is no such
// schedule.
func (d *Database) ScheduleNews(ctx context.Context, scheduleID, after int64) (boxoffice.ScheduleNews, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	news, err := selectNews(ctx, d.pool, scheduleID, after)
	return news, failure("read what a schedule did", err)
}

// selectNews reads events and seats in one statement, because one statement sees one
// snapshot. A hold that is over makes its seat available, whether or not its grain has
// written that down.
func selectNews(ctx context.Context, q querier, scheduleID, after int64) (boxoffice.ScheduleNews, error) {
	type newsRow struct {
		Version int64
		Free    int
		Sold    int
		Type    *string
		Data    []byte
	}
	none := boxoffice.ScheduleNews{}
	rows, err := q.Query(ctx, `
		SELECT g.version, $3 - seats.live AS free, seats.sold, e.type, e.data
		FROM grains g
		CROSS JOIN LATERAL (
			SELECT count(*) AS live, count(*) FILTER (WHERE r.status = 'confirmed') AS sold
			FROM reservations r
			WHERE r.schedule_id = g.id AND r.status IN ('held', 'confirmed')
				AND (r.status = 'confirmed' OR r.expires_at > clock_timestamp())
		) AS seats
		LEFT JOIN events e ON e.id = g.id AND e.kind = g.kind AND e.version > $4
		WHERE g.kind = $1 AND g.id = $2
		ORDER BY e.version`, boxoffice.KindSchedule, scheduleID, boxoffice.SeatCount, after)
	if err != nil {
		return none, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[newsRow])
	switch {
	case err != nil:
		return none, err
	case len(found) == 0:
		return none, boxoffice.ErrNoGrain
	}
	news := boxoffice.ScheduleNews{
		After: after, Version: found[0].Version, AvailableSeats: found[0].Free, SoldOut: found[0].Sold == boxoffice.SeatCount,
	}
	places := make(map[uint64]boxoffice.PlaceNews)
	for _, row := range found {
		if row.Type == nil {
			break // nothing happened
		}
		data, err := seatmap.DecodeEvent(*row.Type, row.Data)
		if err != nil {
			return none, fmt.Errorf("read what a schedule did: %w", err)
		}
		if place, ok := placeNewsOf(data); ok {
			places[place.Sequence] = place
		}
	}
	for _, place := range places {
		news.Places = append(news.Places, place)
	}
	slices.SortFunc(news.Places, func(a, b boxoffice.PlaceNews) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return news, nil
}

// placeNewsOf returns how an event leaves the place that it concerns.
func placeNewsOf(data boxoffice.EventData) (boxoffice.PlaceNews, bool) {
	switch d := data.(type) {
	case seatmap.Held:
		return boxoffice.PlaceNews{Sequence: d.Sequence, HeldUntil: d.ExpiresAt}, true
	case seatmap.Released:
		return boxoffice.PlaceNews{Sequence: d.Sequence}, true
	case seatmap.Expired:
		return boxoffice.PlaceNews{Sequence: d.Sequence}, true
	case seatmap.Confirmed:
		return boxoffice.PlaceNews{Sequence: d.Sequence, Completed: true}, true
	default:
		return boxoffice.PlaceNews{}, false
	}
}

// overdue is how long after its time something is due that nobody has done: an active
// grain does it within less.
const overdue = 2 * time.Second

// dueGrains is the query of DueGrains.
const dueGrains = `
	WITH RECURSIVE live AS (
		(SELECT schedule_id AS id FROM queue_places WHERE ended_at IS NULL ORDER BY schedule_id LIMIT 1)
		UNION ALL
		SELECT (
			SELECT p.schedule_id FROM queue_places p WHERE p.ended_at IS NULL AND p.schedule_id > live.id
			ORDER BY p.schedule_id LIMIT 1
		) FROM live WHERE live.id IS NOT NULL
	), overdue AS (
		SELECT 'schedule' AS kind, schedule_id AS id, min(expires_at) AS due FROM reservations
		WHERE status = 'held' AND expires_at <= now() - $1::interval
		GROUP BY schedule_id
		UNION ALL
		SELECT 'gatekeeper', schedule_id, min(ends_at) FROM queue_places
		WHERE ended_at IS NULL AND ends_at <= now() - $1::interval
			AND (held_until IS NULL OR held_until <= now() - $1::interval)
		GROUP BY schedule_id
		UNION ALL
		SELECT 'gatekeeper', s.id, s.sales_close_at FROM live
		JOIN schedules s ON s.id = live.id
		WHERE s.sales_close_at <= now() - $1::interval AND EXISTS (
			SELECT FROM queue_places p
			WHERE p.schedule_id = s.id AND p.ended_at IS NULL AND p.admitted_at IS NULL
		)
	)
	SELECT kind, id FROM overdue
	GROUP BY kind, id
	ORDER BY min(due)
	LIMIT $2`

// DueGrains names up to limit grains, the longest overdue first, that nobody seems to
// drive: schedules with holds that are over but not written down as expired, gatekeepers
// with admissions that are over but have not ended, and those whose sales have closed
// while places still wait.
//
// The last are found by stepping through the schedules that have live places: an index
// look-up for each, however many wait there, and none for those where all have ended.
func (d *Database) DueGrains(ctx context.Context, limit int) ([]boxoffice.Grain, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	rows, err := d.pool.Query(ctx, dueGrains, overdue, limit)
	if err != nil {
		return nil, failure("look for due grains", err)
	}
	grains, err := pgx.CollectRows(rows, pgx.RowToStructByName[boxoffice.Grain])
	return grains, failure("look for due grains", err)
}
