package persistence

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
)

// reservationRow is a new reservation, or one that changes from one status to another.
type reservationRow struct {
	ID         uuid.UUID                   `db:"id"`
	ScheduleID int64                       `db:"schedule_id"`
	SeatNumber int16                       `db:"seat_number"`
	UserID     uuid.UUID                   `db:"user_id"`
	Before     boxoffice.ReservationStatus `db:"before"` // "": it is new
	Status     boxoffice.ReservationStatus `db:"status"`
	Price      int64                       `db:"price"`
	CreatedAt  time.Time                   `db:"created_at"`
	ExpiresAt  time.Time                   `db:"expires_at"` // zero unless held
	EndedAt    time.Time                   `db:"ended_at"`   // zero while live
}

// reservationKey identifies a reservation.
type reservationKey struct {
	ID uuid.UUID `db:"id"`
}

type reservationStatements struct{ endReservations, insertReservations, findReservations *statement }

func newReservationStatements() reservationStatements {
	return reservationStatements{
		endReservations: newStatement("end reservations", `
			WITH changed AS (
				UPDATE reservations r
				SET status = c.status, expires_at = NULL, ended_at = c.ended_at
				FROM {reservations} AS c
				WHERE r.id = c.id AND r.status = c.before COLLATE "C"
				RETURNING 1
			)
			SELECT expect_rows((SELECT count(*) FROM changed), cardinality({reservations.id}), 'reservations')`,
			rowsOf[reservationRow]("reservations")),
		insertReservations: newStatement("insert reservations", `
			INSERT INTO reservations
				(id, schedule_id, seat_number, user_id, status, price, created_at, expires_at, ended_at)
			SELECT c.id, c.schedule_id, c.seat_number, c.user_id, c.status, c.price, c.created_at, c.expires_at, c.ended_at
			FROM {reservations} AS c`,
			rowsOf[reservationRow]("reservations")),
		findReservations: newStatement("find reservations", `
			SELECT r.id FROM {reservations} AS c JOIN reservations r ON r.id = c.id`,
			rowsOf[reservationKey]("reservations")),
	}
}

// find queues a look for those reservations that are to be new and exist.
func (s *reservationStatements) find(ctx context.Context, b *batch, c *changes, each func(reservationKey)) {
	var made []reservationKey
	for _, r := range c.reservations {
		if r.Before == "" {
			made = append(made, reservationKey{r.ID})
		}
	}
	if len(made) > 0 {
		b.run(ctx, s.findReservations, made)
		collect(b, each)
	}
}

// write queues first the reservations that end, which frees their seats, then the new
// ones.
func (s *reservationStatements) write(ctx context.Context, b *batch, c *changes) {
	var changed, inserted []reservationRow
	for _, r := range c.reservations {
		if r.Before == "" {
			inserted = append(inserted, r)
		} else {
			changed = append(changed, r)
		}
	}
	runAll(ctx, b, s.endReservations, changed)
	runAll(ctx, b, s.insertReservations, inserted)
}

// selectReservations is the start of every query of reservations; $1 is now. A hold that is
// over is shown as expired, whether or not its grain has written its end.
const selectReservations = `
	SELECT r.id, s.concert_id, r.schedule_id, r.seat_number, r.user_id, shown.status, r.price, r.created_at,
		CASE WHEN shown.status = 'held' THEN r.expires_at ELSE '0001-01-01Z' END AS expires_at,
		coalesce(p.id, '00000000-0000-0000-0000-000000000000') AS payment_id
	FROM reservations r
	JOIN schedules s ON s.id = r.schedule_id
	LEFT JOIN payments p ON p.reservation_id = r.id
	CROSS JOIN LATERAL (
		SELECT CASE WHEN r.status = 'held' AND r.expires_at <= $1 THEN 'expired' ELSE r.status END AS status
	) AS shown`

// Reservation returns a reservation as of now. It fails with reservation-not-found.
func (d *Database) Reservation(ctx context.Context, id uuid.UUID, now time.Time) (boxoffice.Reservation, error) {
	return readOne(ctx, d.pool, "read reservation",
		boxoffice.Errorf(boxoffice.CodeReservationNotFound, "there is no such reservation"),
		pgx.RowToStructByName[boxoffice.Reservation], selectReservations+" WHERE r.id = $2", now, id)
}

// UserReservations returns the reservations of a user that have a status at now, or all if
// it is empty, newest first.
func (d *Database) UserReservations(
	ctx context.Context, userID uuid.UUID, status boxoffice.ReservationStatus, now time.Time, page boxoffice.PageRequest,
) (boxoffice.Page[boxoffice.Reservation], error) {
	switch status {
	case "", boxoffice.ReservationHeld, boxoffice.ReservationConfirmed, boxoffice.ReservationExpired,
		boxoffice.ReservationReleased, boxoffice.ReservationCancelled:
	default:
		return boxoffice.Page[boxoffice.Reservation]{}, boxoffice.Invalid("query.status", "must be a status of a reservation")
	}
	return listPage(ctx, d, listReservations, page, newest(), func(after position, limit int) (string, []any) {
		return selectReservations + `
			WHERE r.user_id = $2 AND (r.created_at, r.id) < ($3, $4) AND ($6 = '' OR shown.status = $6)
			ORDER BY r.created_at DESC, r.id DESC
			LIMIT $5`, []any{now, userID, after.at, after.id, limit, status}
	}, pgx.RowToStructByName[boxoffice.Reservation], func(r boxoffice.Reservation) position {
		return position{at: r.CreatedAt, id: r.ID}
	})
}
