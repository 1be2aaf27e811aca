package persistence

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
)

// selectReservations is the start of every query of reservations; $1 is now. A hold that
// is over is shown as expired, whether or not its grain has written that down.
const selectReservations = `
	SELECT r.id, s.concert_id, r.schedule_id, r.seat_number, r.user_id, shown.status, r.price, r.created_at,
		CASE WHEN shown.status = 'held' THEN r.expires_at END, p.id
	FROM reservations r
	JOIN schedules s ON s.id = r.schedule_id
	LEFT JOIN payments p ON p.reservation_id = r.id
	CROSS JOIN LATERAL (
		SELECT CASE WHEN r.status = 'held' AND r.expires_at <= $1 THEN 'expired' ELSE r.status END AS status
	) AS shown`

// Reservation is a reservation as it stands at now. It fails with reservation-not-found.
func (d *Database) Reservation(ctx context.Context, id uuid.UUID, now time.Time) (boxoffice.Reservation, error) {
	rows, err := d.pool.Query(ctx, selectReservations+" WHERE r.id = $2", now, id)
	if err != nil {
		return boxoffice.Reservation{}, failure("read reservation", err)
	}
	reservation, err := pgx.CollectExactlyOneRow(rows, reservationOfRow)
	if errors.Is(err, pgx.ErrNoRows) {
		return reservation, boxoffice.Errorf(boxoffice.CodeReservationNotFound, "there is no such reservation")
	}
	return reservation, failure("read reservation", err)
}

// UserReservations lists the reservations of a user that have a status at now, or all if
// it is empty, newest first.
func (d *Database) UserReservations(
	ctx context.Context, userID uuid.UUID, status boxoffice.ReservationStatus, now time.Time, page boxoffice.PageRequest,
) (boxoffice.Page[boxoffice.Reservation], error) {
	none := boxoffice.Page[boxoffice.Reservation]{}
	switch status {
	case "", boxoffice.ReservationHeld, boxoffice.ReservationConfirmed, boxoffice.ReservationExpired,
		boxoffice.ReservationReleased, boxoffice.ReservationCancelled:
	default:
		return none, boxoffice.Invalid("query.status", "must be a status of a reservation")
	}
	after, err := listReservations.read(page, newest())
	if err != nil {
		return none, err
	}
	sql := selectReservations + " WHERE r.user_id = $2 AND (r.created_at, r.id) < ($3, $4)"
	args := []any{now, userID, after.at, after.id, page.Limit + 1}
	if status != "" {
		sql += " AND shown.status = $6"
		args = append(args, status)
	}
	rows, err := d.pool.Query(ctx, sql+" ORDER BY r.created_at DESC, r.id DESC LIMIT $5", args...)
	if err != nil {
		return none, failure("list reservations", err)
	}
	reservations, err := pgx.CollectRows(rows, reservationOfRow)
	if err != nil {
		return none, failure("list reservations", err)
	}
	return pageOf(listReservations, reservations, page.Limit, func(r boxoffice.Reservation) position {
		return position{at: r.CreatedAt, id: r.ID}
	}), nil
}

func reservationOfRow(row pgx.CollectableRow) (r boxoffice.Reservation, err error) {
	var expiresAt *time.Time
	var paymentID *uuid.UUID
	err = row.Scan(&r.ID, &r.ConcertID, &r.ScheduleID, &r.SeatNumber, &r.UserID, &r.Status, &r.Price, &r.CreatedAt,
		&expiresAt, &paymentID)
	r.CreatedAt, r.PaymentID = r.CreatedAt.UTC(), valueOf(paymentID)
	if expiresAt != nil {
		r.ExpiresAt = expiresAt.UTC()
	}
	return r, err
}

// selectPayments is the start of every query of payments.
const selectPayments = `
	SELECT p.id, p.reservation_id, s.concert_id, s.id, r.seat_number, p.user_id, p.amount, p.balance, p.status,
		s.starts_at, s.ends_at, p.paid_at, coalesce(p.refunded_amount, 0), p.cancelled_at
	FROM payments p
	JOIN reservations r ON r.id = p.reservation_id
	JOIN schedules s ON s.id = r.schedule_id`

// Payment fails with payment-not-found.
func (d *Database) Payment(ctx context.Context, id uuid.UUID) (boxoffice.Payment, error) {
	rows, err := d.pool.Query(ctx, selectPayments+" WHERE p.id = $1", id)
	if err != nil {
		return boxoffice.Payment{}, failure("read payment", err)
	}
	payment, err := pgx.CollectExactlyOneRow(rows, paymentOfRow)
	if errors.Is(err, pgx.ErrNoRows) {
		return payment, boxoffice.Errorf(boxoffice.CodePaymentNotFound, "there is no such payment")
	}
	return payment, failure("read payment", err)
}

// UserPayments lists the payments of a user, cancelled ones too, newest first.
func (d *Database) UserPayments(
	ctx context.Context, userID uuid.UUID, page boxoffice.PageRequest,
) (boxoffice.Page[boxoffice.Payment], error) {
	none := boxoffice.Page[boxoffice.Payment]{}
	after, err := listPayments.read(page, newest())
	if err != nil {
		return none, err
	}
	rows, err := d.pool.Query(ctx, selectPayments+`
		WHERE p.user_id = $1 AND (p.paid_at, p.id) < ($2, $3)
		ORDER BY p.paid_at DESC, p.id DESC
		LIMIT $4`, userID, after.at, after.id, page.Limit+1)
	if err != nil {
		return none, failure("list payments", err)
	}
	payments, err := pgx.CollectRows(rows, paymentOfRow)
	if err != nil {
		return none, failure("list payments", err)
	}
	return pageOf(listPayments, payments, page.Limit, func(p boxoffice.Payment) position {
		return position{at: p.PaidAt, id: p.ID}
	}), nil
}

func paymentOfRow(row pgx.CollectableRow) (p boxoffice.Payment, err error) {
	var cancelledAt *time.Time
	err = row.Scan(&p.ID, &p.ReservationID, &p.ConcertID, &p.ScheduleID, &p.SeatNumber, &p.UserID, &p.Amount, &p.Balance,
		&p.Status, &p.StartsAt, &p.EndsAt, &p.PaidAt, &p.RefundedAmount, &cancelledAt)
	p.StartsAt, p.EndsAt, p.PaidAt = p.StartsAt.UTC(), p.EndsAt.UTC(), p.PaidAt.UTC()
	if cancelledAt != nil {
		p.CancelledAt = cancelledAt.UTC()
	}
	return p, err
}
