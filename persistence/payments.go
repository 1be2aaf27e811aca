package persistence

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"boxoffice"
)

// selectPayments is the start of every query of payments. Dates that are not there are the
// zero time.
const selectPayments = `
	SELECT p.id, p.reservation_id, s.concert_id, s.id AS schedule_id, r.seat_number, p.user_id, p.amount, p.balance,
		p.status, s.starts_at, s.ends_at, p.paid_at, coalesce(p.refunded_amount, 0) AS refunded_amount,
		coalesce(p.cancelled_at, '0001-01-01Z') AS cancelled_at
	FROM payments p
	JOIN reservations r ON r.id = p.reservation_id
	JOIN schedules s ON s.id = r.schedule_id`

// Payment fails with payment-not-found.
func (d *Database) Payment(ctx context.Context, id uuid.UUID) (boxoffice.Payment, error) {
	return readOne(ctx, d.pool, "read payment",
		boxoffice.Errorf(boxoffice.CodePaymentNotFound, "there is no such payment"),
		pgx.RowToStructByName[boxoffice.Payment], selectPayments+" WHERE p.id = $1", id)
}

// UserPayments lists the payments of a user, cancelled ones too, newest first.
func (d *Database) UserPayments(
	ctx context.Context, userID uuid.UUID, page boxoffice.PageRequest,
) (boxoffice.Page[boxoffice.Payment], error) {
	return listPage(ctx, d, listPayments, page, newest(), func(after position, limit int) (string, []any) {
		return selectPayments + `
			WHERE p.user_id = $1 AND (p.paid_at, p.id) < ($2, $3)
			ORDER BY p.paid_at DESC, p.id DESC
			LIMIT $4`, []any{userID, after.at, after.id, limit}
	}, pgx.RowToStructByName[boxoffice.Payment], func(p boxoffice.Payment) position {
		return position{at: p.PaidAt, id: p.ID}
	})
}
