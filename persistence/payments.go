package persistence

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
)

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
