package persistence

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"boxoffice"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// CreateConcert announces a concert. It fails with an invalid-request that lists every
// wrong value.
func (d *Database) CreateConcert(ctx context.Context, n boxoffice.NewConcert) (boxoffice.Concert, error) {
	concert, refusal := n.Validate()
	if refusal != nil {
		return boxoffice.Concert{}, refusal
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	err := d.pool.QueryRow(ctx, `
		INSERT INTO concerts (title, artist, description, price, created_at)
		VALUES ($1, $2, $3, $4, clock_timestamp())
		RETURNING id`, concert.Title, concert.Artist, concert.Description, concert.Price).Scan(&concert.ID)
	if err != nil {
		return boxoffice.Concert{}, failure("create concert", err)
	}
	return concert, nil
}

// CreateSchedule puts a concert on sale at a time: its terms, and both of its grains at
// their first event. It fails with concert-not-found, and with an invalid-request that
// lists every wrong value.
func (d *Database) CreateSchedule(
	ctx context.Context, n boxoffice.NewSchedule, now time.Time,
) (boxoffice.ScheduleInfo, error) {
	var info boxoffice.ScheduleInfo
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	err := d.transaction(ctx, func(tx pgx.Tx) error {
		concert, err := selectConcert(ctx, tx, n.ConcertID)
		if err != nil {
			return err
		}
		terms, queue, refusal := n.Decide(now, concert.Price, boxoffice.QueueLimits{
			Capacity: d.config.QueueCapacity, AdmitPerSecond: d.config.QueueAdmitPerSecond,
		})
		if refusal != nil {
			return refusal
		}
		if err := insertSchedule(ctx, tx, &terms, now); err != nil {
			return err
		}
		info = boxoffice.ScheduleInfo{Terms: terms, Title: concert.Title, AvailableSeats: boxoffice.SeatCount}
		if err := insertGrain(ctx, tx, boxoffice.KindSchedule, terms.ScheduleID,
			boxoffice.Event{At: now, Data: seatmap.Opened{Terms: terms}}); err != nil {
			return err
		}
		return insertGrain(ctx, tx, boxoffice.KindGatekeeper, terms.ScheduleID, boxoffice.Event{At: now, Data: waitingroom.Opened{
			SalesOpenAt: terms.SalesOpenAt, SalesCloseAt: terms.SalesCloseAt,
			Capacity: queue.Capacity, AdmitPerSecond: queue.AdmitPerSecond,
		}})
	})
	if err != nil {
		return boxoffice.ScheduleInfo{}, failure("create schedule", err)
	}
	return info, nil
}

// insertSchedule inserts terms and sets their id.
func insertSchedule(ctx context.Context, tx pgx.Tx, t *boxoffice.Terms, now time.Time) error {
	zone, err := boxoffice.LoadZone(t.TimeZone)
	if err != nil {
		return fmt.Errorf("time zone of the terms: %w", err)
	}
	return tx.QueryRow(ctx, `
		INSERT INTO schedules (concert_id, starts_at, ends_at, time_zone, local_date, sales_open_at, sales_close_at,
			cancellation_closes_at, price, prices, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		RETURNING id`,
		t.ConcertID, t.StartsAt, t.EndsAt, t.TimeZone, t.StartsAt.In(zone).Format(time.DateOnly), t.SalesOpenAt,
		t.SalesCloseAt, t.CancellationClosesAt, t.Price, t.Prices[:], now).Scan(&t.ScheduleID)
}

// insertGrain inserts a grain that nobody has owned yet, with its first event.
func insertGrain(ctx context.Context, tx pgx.Tx, kind boxoffice.Kind, id int64, first boxoffice.Event) error {
	eventType, data, err := boxoffice.EncodeEvent(first)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "INSERT INTO grains (kind, id, epoch, version, owner) VALUES ($1, $2, 0, 1, '')",
		kind, id); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO events (kind, id, version, epoch, type, data, at) VALUES ($1, $2, 1, 0, $3, $4, $5)`,
		kind, id, eventType, data, first.At)
	return err
}

// Concert fails with concert-not-found.
func (d *Database) Concert(ctx context.Context, id int64) (boxoffice.Concert, error) {
	return selectConcert(ctx, d.pool, id)
}

func selectConcert(ctx context.Context, q querier, id int64) (boxoffice.Concert, error) {
	return readOne(ctx, q, "read concert",
		boxoffice.Errorf(boxoffice.CodeConcertNotFound, "there is no concert %d", id),
		pgx.RowToStructByName[boxoffice.Concert],
		"SELECT id, title, artist, description, price FROM concerts WHERE id = $1", id)
}

// Concerts returns all concerts in the order in which they were announced.
func (d *Database) Concerts(ctx context.Context, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.Concert], error) {
	return listPage(ctx, d, listConcerts, page, oldest(), func(after position, limit int) (string, []any) {
		return `
			SELECT id, title, artist, description, price FROM concerts
			WHERE id > $1
			ORDER BY id
			LIMIT $2`, []any{after.number, limit}
	}, pgx.RowToStructByName[boxoffice.Concert], func(c boxoffice.Concert) position { return position{number: c.ID} })
}

// selectSchedules is the start of every query of schedules; $1 is the time at which free
// seats are counted.
const selectSchedules = `
	SELECT s.id, s.concert_id, s.starts_at, s.ends_at, s.time_zone, s.sales_open_at, s.sales_close_at,
		s.cancellation_closes_at, s.price, s.prices, c.title, seats.free
	FROM schedules s
	JOIN concerts c ON c.id = s.concert_id
	CROSS JOIN LATERAL (
		SELECT 50 - count(*) AS free FROM reservations r
		WHERE r.schedule_id = s.id AND r.status IN ('held', 'confirmed')
			AND (r.status = 'confirmed' OR r.expires_at > coalesce($1, clock_timestamp()))
	) AS seats`

// Schedule fails with schedule-not-found. Its free seats are counted at this moment.
func (d *Database) Schedule(ctx context.Context, id int64) (boxoffice.ScheduleInfo, error) {
	return readOne(ctx, d.pool, "read schedule",
		boxoffice.Errorf(boxoffice.CodeScheduleNotFound, "there is no schedule %d", id),
		scheduleOfRow, selectSchedules+" WHERE s.id = $2", (*time.Time)(nil), id)
}

// Schedules returns the schedules that a filter selects, by start. Free seats and sales are
// as of now.
func (d *Database) Schedules(
	ctx context.Context, filter boxoffice.ScheduleFilter, now time.Time, page boxoffice.PageRequest,
) (boxoffice.Page[boxoffice.ScheduleInfo], error) {
	if refusal := filter.Validate(); refusal != nil {
		return boxoffice.Page[boxoffice.ScheduleInfo]{}, refusal
	}
	return listPage(ctx, d, listSchedules, page, oldest(), func(after position, limit int) (string, []any) {
		sql := selectSchedules + " WHERE (s.starts_at, s.id) > ($2, $3)"
		args := []any{now, after.at, after.number, limit}
		and := func(condition string, value any) {
			args = append(args, value)
			sql += fmt.Sprintf(" AND %s $%d", condition, len(args))
		}
		if filter.ConcertID != 0 {
			and("s.concert_id =", filter.ConcertID)
		}
		if filter.From != "" {
			and("s.local_date >=", filter.From)
		}
		if filter.To != "" {
			and("s.local_date <=", filter.To)
		}
		if filter.Available {
			sql += " AND s.starts_at > $1 AND s.sales_open_at <= $1 AND s.sales_close_at > $1 AND seats.free > 0"
		}
		return sql + " ORDER BY s.starts_at, s.id LIMIT $4", args
	}, scheduleOfRow, func(s boxoffice.ScheduleInfo) position {
		return position{at: s.Terms.StartsAt, number: s.Terms.ScheduleID}
	})
}

func scheduleOfRow(row pgx.CollectableRow) (info boxoffice.ScheduleInfo, err error) {
	t := &info.Terms
	var prices []int64
	err = row.Scan(&t.ScheduleID, &t.ConcertID, &t.StartsAt, &t.EndsAt, &t.TimeZone, &t.SalesOpenAt, &t.SalesCloseAt,
		&t.CancellationClosesAt, &t.Price, &prices, &info.Title, &info.AvailableSeats)
	if err != nil {
		return info, err
	}
	if copied := copy(t.Prices[:], prices); copied != boxoffice.SeatCount {
		return info, fmt.Errorf("schedule %d has %d prices", t.ScheduleID, copied)
	}
	return info, nil
}
