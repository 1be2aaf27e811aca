package persistence_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/seatmap"
)

func TestReservationsOfAUser(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := f.user(1000)
	type made struct {
		*seller
		held seatmap.Hold
	}
	var all []made
	for range 5 {
		id := f.schedule(100)
		admission := f.room(id).admit(user)[0]
		s := f.seller(id)
		held := hold(admission, 3)
		s.do(held)
		all = append(all, made{s, held})
	}
	paid, cancelled := pay(all[1].held, "a"), pay(all[2].held, "b")
	all[1].do(paid)
	all[2].do(cancelled)
	all[2].do(cancel(cancelled, "c"))
	all[3].do(seatmap.Release{
		Operation: boxoffice.Operation{ID: newID()}, ReservationID: all[3].held.ReservationID, UserID: user,
	})
	later := f.now.Add(holdTTL)

	list := func(status boxoffice.ReservationStatus, now time.Time) []boxoffice.Reservation {
		return pages(t, 2, func(p boxoffice.PageRequest) (boxoffice.Page[boxoffice.Reservation], error) {
			return f.db.UserReservations(f.ctx, user, status, now, p)
		})
	}
	ids := func(reservations []boxoffice.Reservation) (ids []uuid.UUID) {
		for _, r := range reservations {
			ids = append(ids, r.ID)
		}
		return ids
	}
	of := func(numbers ...int) (ids []uuid.UUID) {
		for _, n := range numbers {
			ids = append(ids, all[n].held.ReservationID)
		}
		return ids
	}
	require.Equal(t, of(4, 3, 2, 1, 0), ids(list("", f.now)))
	require.Equal(t, of(4, 0), ids(list(boxoffice.ReservationHeld, f.now)))
	require.Empty(t, list(boxoffice.ReservationExpired, f.now))
	require.Empty(t, list(boxoffice.ReservationHeld, later))
	require.Equal(t, of(4, 0), ids(list(boxoffice.ReservationExpired, later)))
	require.Equal(t, of(1), ids(list(boxoffice.ReservationConfirmed, later)))
	require.Equal(t, of(2), ids(list(boxoffice.ReservationCancelled, later)))
	require.Equal(t, of(3), ids(list(boxoffice.ReservationReleased, later)))

	// A hold that is over reads as expired, without a time at which it expires.
	got, err := f.db.Reservation(f.ctx, all[0].held.ReservationID, f.now)
	require.NoError(t, err)
	require.Equal(t, f.now.Add(holdTTL), got.ExpiresAt)
	expired, err := f.db.Reservation(f.ctx, got.ID, later)
	require.NoError(t, err)
	got.Status, got.ExpiresAt = boxoffice.ReservationExpired, time.Time{}
	require.Equal(t, got, expired)
	bought, err := f.db.Reservation(f.ctx, all[1].held.ReservationID, later)
	require.NoError(t, err)
	require.Equal(t, paid.PaymentID, bought.PaymentID)

	_, err = f.db.Reservation(f.ctx, newID(), f.now)
	require.Equal(t, boxoffice.CodeReservationNotFound, boxoffice.CodeOf(err))
	_, err = f.db.UserReservations(f.ctx, user, "gone", f.now, boxoffice.PageRequest{Limit: 1})
	require.Equal(t, boxoffice.CodeInvalidRequest, boxoffice.CodeOf(err))

	payments := pages(t, 1, func(p boxoffice.PageRequest) (boxoffice.Page[boxoffice.Payment], error) {
		return f.db.UserPayments(f.ctx, user, p)
	})
	require.Len(t, payments, 2)
	slices.SortFunc(payments, func(a, b boxoffice.Payment) int { return int(a.ScheduleID - b.ScheduleID) })
	for i, id := range []uuid.UUID{paid.PaymentID, cancelled.PaymentID} {
		payment, err := f.db.Payment(f.ctx, id)
		require.NoError(t, err)
		require.Equal(t, payment, payments[i])
	}
	_, err = f.db.Payment(f.ctx, newID())
	require.Equal(t, boxoffice.CodePaymentNotFound, boxoffice.CodeOf(err))
	f.sound()
}

func TestDueGrains(t *testing.T) {
	t.Parallel()
	f := setup(t)
	due := func(limit int) []boxoffice.Grain {
		grains, err := f.db.DueGrains(f.ctx, limit)
		require.NoError(t, err)
		return grains
	}
	held, admitted, longHeld := f.schedule(0), f.schedule(0), f.schedule(0)
	for _, id := range []int64{held, longHeld} {
		admission := f.room(id).admit(f.user(0))[0]
		f.seller(id).do(hold(admission, 1))
	}
	f.room(admitted).admit(f.user(0), f.user(0))
	require.Empty(t, due(10))

	f.exec("UPDATE reservations SET created_at = now() - interval '1 hour', expires_at = now() - interval '1 second' WHERE schedule_id = $1", held)
	f.exec("UPDATE queue_places SET admitted_at = now() - interval '1 hour', ends_at = now() - interval '1 second'")
	require.Empty(t, due(10), "whoever drives them has not had the time yet")
	f.exec("UPDATE reservations SET created_at = now() - interval '1 hour', expires_at = now() - interval '4 seconds' WHERE schedule_id = $1", held)
	f.exec("UPDATE queue_places SET ends_at = now() - interval '3 seconds'")
	require.Equal(t, []boxoffice.Grain{
		{Kind: boxoffice.KindSchedule, ID: held}, {Kind: boxoffice.KindGatekeeper, ID: admitted},
	}, due(10), "a live hold keeps its place")
	require.Len(t, due(1), 1)
	f.exec("UPDATE queue_places SET held_until = now() - interval '3 seconds' WHERE held_until IS NOT NULL")
	require.Len(t, due(10), 4)
	f.exec("UPDATE queue_places SET status = 'left', held_until = NULL, ended_at = now()")
	require.Len(t, due(10), 1)
}
