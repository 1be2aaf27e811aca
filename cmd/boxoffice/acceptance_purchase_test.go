package main

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testPurchase buys a seat, looks at everything on the way, and gives it back.
func testPurchase(t *testing.T, h *house) {
	s := h.stage(t, nil)
	buyer := h.nobody(t)
	registered := buyer.must(http.StatusCreated, "POST", "/users", body{"name": "Mina"})
	requireMembers(t, registered.body, "userId", "name", "accessToken", "accessTokenExpiresAt")
	buyer.id, buyer.token = registered.text("userId"), registered.text("accessToken")
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, buyer.id)

	profile := buyer.get(buyer.path(""))
	requireMembers(t, profile.body, "userId", "name", "createdAt")
	require.Equal(t, "Mina", profile.text("name"))
	require.Zero(t, buyer.balance())

	charged := buyer.must(http.StatusCreated, "POST", buyer.path("/points/charges"), body{"amount": 100_000}, idempotencyKey, "first")
	requireMembers(t, charged.body, "entryId", "amount", "balance")
	require.Equal(t, "100000", charged.text("balance"))

	joined := buyer.must(http.StatusCreated, "POST", s.path()+"/queue-tokens", nil)
	requireMembers(t, joined.body, "token", "scheduleId", "userId", "status", "position", "ahead", "waiting", "etaSeconds",
		"pollAfterMs", "joinedAt", "admittedAt", "expiresAt", "expiresInSeconds", "soldOut")
	admitted := buyer.keepPlace(joined)
	require.Equal(t, "admitted", admitted.Status)
	require.Zero(t, admitted.Position)
	require.NotNil(t, admitted.AdmittedAt)
	require.Equal(t, admitted.AdmittedAt.Add(10*time.Minute), admitted.ExpiresAt)

	seats := buyer.seats(s)
	require.Len(t, seats.Seats, 50)
	for i, seat := range seats.Seats {
		require.Equal(t, i+1, seat.SeatNumber)
		require.Equal(t, "available", seat.Status)
		require.EqualValues(t, seatPrice, seat.Price)
	}

	held := buyer.must(http.StatusCreated, "POST", s.path()+"/reservations", body{"seatNumber": 12})
	requireMembers(t, held.body, "reservationId", "concertId", "scheduleId", "seatNumber", "userId", "status", "price",
		"createdAt", "expiresAt", "expiresInSeconds", "paymentId")
	hold := into[reservation](t, held)
	require.Equal(t, "held", hold.Status)
	require.Equal(t, buyer.id, hold.UserID)
	require.Equal(t, s.ConcertID, hold.ConcertID)
	require.Equal(t, hold.CreatedAt.Add(5*time.Minute), *hold.ExpiresAt)
	require.InDelta(t, 300, *hold.ExpiresInSeconds, 1)
	require.Nil(t, hold.PaymentID)
	require.Equal(t, "held", buyer.seats(s).statusOf(12), "a map is never older than what was acknowledged")

	paid := buyer.must(http.StatusCreated, "POST", "/payments", body{"reservationId": hold.ReservationID}, idempotencyKey, "pay")
	requireMembers(t, paid.body, "paymentId", "reservationId", "concertId", "scheduleId", "seatNumber", "amount", "balance",
		"status", "startsAt", "endsAt", "paidAt")
	bought := into[payment](t, paid)
	require.Equal(t, "completed", bought.Status)
	require.EqualValues(t, seatPrice, bought.Amount)
	require.EqualValues(t, 100_000-seatPrice, bought.Balance)
	require.Equal(t, s.StartsAt, bought.StartsAt)
	require.Equal(t, s.EndsAt, bought.EndsAt)

	confirmed := buyer.reservation(hold.ReservationID)
	require.Equal(t, "confirmed", confirmed.Status)
	require.Nil(t, confirmed.ExpiresAt)
	require.Nil(t, confirmed.ExpiresInSeconds)
	require.Equal(t, bought.PaymentID, *confirmed.PaymentID)
	requireProblem(t, http.StatusForbidden, "queue-token-expired", buyer.call("GET", s.path()+"/seats", nil))
	requireProblem(t, http.StatusGone, "queue-token-expired", buyer.call("GET", s.me(), nil))

	giveBack(t, buyer, bought)
}

// giveBack cancels the only payment of a buyer who began with 100 000 points.
func giveBack(t *testing.T, buyer *person, bought payment) {
	cancelled := buyer.must(http.StatusCreated, "POST", "/payments/"+bought.PaymentID+"/cancellation", nil, idempotencyKey, "cancel")
	requireMembers(t, cancelled.body, "paymentId", "reservationId", "concertId", "scheduleId", "seatNumber", "amount", "balance",
		"status", "startsAt", "endsAt", "paidAt", "refundedAmount", "cancelledAt")
	refunded := into[payment](t, cancelled)
	require.Equal(t, "cancelled", refunded.Status)
	require.EqualValues(t, seatPrice, *refunded.RefundedAmount)
	require.EqualValues(t, 100_000, refunded.Balance)
	require.Equal(t, bought.PaidAt, refunded.PaidAt)
	require.False(t, refunded.CancelledAt.Before(refunded.PaidAt))
	require.EqualValues(t, 100_000, buyer.balance())
	require.Equal(t, "cancelled", buyer.reservation(bought.ReservationID).Status)

	history := all[entry](buyer, buyer.path("/points/history"), 2)
	require.Len(t, history, 3)
	for i, want := range []entry{
		{Type: "refund", Amount: seatPrice, BalanceAfter: 100_000, PaymentID: bought.PaymentID},
		{Type: "payment", Amount: -seatPrice, BalanceAfter: 100_000 - seatPrice, PaymentID: bought.PaymentID},
		{Type: "charge", Amount: 100_000, BalanceAfter: 100_000},
	} {
		want.EntryID, want.CreatedAt = history[i].EntryID, history[i].CreatedAt
		require.Equal(t, want, history[i])
	}

	payments := all[payment](buyer, buyer.path("/payments"), 20)
	require.Len(t, payments, 1)
	require.Equal(t, "cancelled", payments[0].Status)
	require.Equal(t, refunded, into[payment](t, buyer.get("/payments/"+bought.PaymentID)))
	buyer.refused(http.StatusConflict, "already-cancelled",
		"POST", "/payments/"+bought.PaymentID+"/cancellation", nil, idempotencyKey, newKey())
	require.EqualValues(t, 100_000, buyer.balance())
}

// testRebuy sells a seat that came back, to its first owner and to somebody else.
func testRebuy(t *testing.T, h *house) {
	s := h.stage(t, nil)
	first, second := h.register(t, "First"), h.register(t, "Second")
	first.charge(2 * seatPrice)
	second.charge(seatPrice)

	bought := first.buy(s, 5)
	second.enter(s)
	second.refused(http.StatusConflict, "seat-taken", "POST", s.path()+"/reservations", body{"seatNumber": 5})
	first.cancel(bought.PaymentID)
	require.Equal(t, "available", second.seats(s).statusOf(5))
	resold := second.pay(second.hold(s, 5).ReservationID)
	first.enter(s)
	first.refused(http.StatusConflict, "seat-taken", "POST", s.path()+"/reservations", body{"seatNumber": 5})
	second.cancel(resold.PaymentID)
	first.pay(first.hold(s, 5).ReservationID)

	require.EqualValues(t, seatPrice, first.balance())
	require.EqualValues(t, seatPrice, second.balance())
	statuses := []string{}
	for _, r := range all[reservation](first, first.path("/reservations"), 1) {
		statuses = append(statuses, r.Status)
	}
	require.Equal(t, []string{"confirmed", "cancelled"}, statuses, "newest first")
}

func testInsufficientPoints(t *testing.T, h *house) {
	s := h.stage(t, nil)
	buyer := h.register(t, "Short")
	buyer.charge(seatPrice - 1)
	buyer.enter(s)
	hold := buyer.hold(s, 1)
	request := body{"reservationId": hold.ReservationID}
	refusal := buyer.refused(http.StatusPaymentRequired, "insufficient-points", "POST", "/payments", request, idempotencyKey, "a")
	require.Equal(t, strconv.Itoa(seatPrice-1), refusal.text("balance"))
	require.Equal(t, strconv.Itoa(seatPrice), refusal.text("amount"))
	require.Equal(t, "held", buyer.reservation(hold.ReservationID).Status, "the hold stays")
	require.EqualValues(t, seatPrice-1, buyer.balance())

	buyer.charge(1)
	again := buyer.refused(http.StatusPaymentRequired, "insufficient-points", "POST", "/payments", request, idempotencyKey, "a")
	require.Equal(t, "true", again.header.Get(idempotencyReplayed), "a refusal is an answer too")
	require.Zero(t, buyer.pay(hold.ReservationID).Balance)
	buyer.refused(http.StatusConflict, "already-paid", "POST", "/payments", request, idempotencyKey, newKey())
}

func testFreeSeats(t *testing.T, h *house) {
	s := h.stage(t, body{"price": 0})
	buyer := h.register(t, "Guest")
	bought := buyer.buy(s, 50)
	require.Zero(t, bought.Amount)
	require.Zero(t, bought.Balance)
	require.Zero(t, *buyer.cancel(bought.PaymentID).RefundedAmount)
}

func testSeatPrices(t *testing.T, h *house) {
	s := h.stage(t, body{"price": 100, "seatPrices": []body{
		{"from": 1, "to": 10, "price": 300}, {"from": 50, "to": 50, "price": 0},
	}})
	require.EqualValues(t, 100, s.Price)
	buyer := h.register(t, "Picky")
	buyer.charge(300)
	buyer.enter(s)
	for _, seat := range buyer.seats(s).Seats {
		want := int64(100)
		switch {
		case seat.SeatNumber <= 10:
			want = 300
		case seat.SeatNumber == 50:
			want = 0
		}
		require.Equal(t, want, seat.Price, "seat %d", seat.SeatNumber)
	}
	hold := buyer.hold(s, 10)
	require.EqualValues(t, 300, hold.Price)
	require.EqualValues(t, 300, buyer.pay(hold.ReservationID).Amount)
}

func testOneSeatPerUser(t *testing.T, h *house) {
	s := h.stage(t, nil)
	buyer, other := h.register(t, "Greedy"), h.register(t, "Other")
	buyer.charge(seatPrice)
	buyer.enter(s)
	other.enter(s)
	other.hold(s, 2)

	hold := buyer.hold(s, 1)
	again := into[reservation](t, buyer.must(http.StatusOK, "POST", s.path()+"/reservations", body{"seatNumber": 1}))
	require.Equal(t, hold.ReservationID, again.ReservationID)
	for number, why := range map[int]string{2: "taken", 3: "free"} {
		r := buyer.refused(http.StatusConflict, "already-reserved", "POST", s.path()+"/reservations", body{"seatNumber": number})
		require.NotContains(t, r.body, "availableSeats", why)
	}
	buyer.pay(hold.ReservationID)
	buyer.enter(s)
	for _, number := range []int{1, 2, 3} {
		buyer.refused(http.StatusConflict, "already-reserved", "POST", s.path()+"/reservations", body{"seatNumber": number})
	}
}

func testRelease(t *testing.T, h *house) {
	s := h.stage(t, nil)
	buyer, other := h.register(t, "Wavering"), h.register(t, "Other")
	buyer.charge(seatPrice)
	buyer.enter(s)
	other.enter(s)
	hold := buyer.hold(s, 1)
	other.refused(http.StatusNotFound, "reservation-not-found", "DELETE", "/reservations/"+hold.ReservationID, nil)
	for range 2 {
		buyer.must(http.StatusNoContent, "DELETE", "/reservations/"+hold.ReservationID, nil)
	}
	released := buyer.reservation(hold.ReservationID)
	require.Equal(t, "released", released.Status)
	require.Nil(t, released.ExpiresAt)
	other.hold(s, 1)
	buyer.refused(http.StatusGone, "hold-expired", "POST", "/payments",
		body{"reservationId": hold.ReservationID}, idempotencyKey, newKey())
	require.EqualValues(t, seatPrice, buyer.balance())

	bought := buyer.pay(buyer.hold(s, 2).ReservationID)
	buyer.refused(http.StatusConflict, "already-paid", "DELETE", "/reservations/"+bought.ReservationID, nil)
	buyer.cancel(bought.PaymentID)
	buyer.must(http.StatusNoContent, "DELETE", "/reservations/"+bought.ReservationID, nil)
	require.Equal(t, "cancelled", buyer.reservation(bought.ReservationID).Status)
}

// testCancellationCloses buys a seat of a performance that begins within the hour, in a
// zone where that is the same day.
func testCancellationCloses(t *testing.T, h *house) {
	now := time.Now().UTC()
	zone := "Etc/GMT"
	if offset := 12 - now.Hour(); offset > 0 {
		zone += fmt.Sprintf("-%d", offset) // which is east
	} else if offset < 0 {
		zone += fmt.Sprintf("+%d", -offset)
	}
	today := h.stage(t, body{
		"timeZone": zone,
		"startsAt": instant(now.Add(time.Hour)), "endsAt": instant(now.Add(2 * time.Hour)),
	})
	tomorrow := h.stage(t, body{
		"timeZone": zone,
		"startsAt": instant(now.Add(25 * time.Hour)), "endsAt": instant(now.Add(26 * time.Hour)),
	})
	buyer := h.register(t, "Late")
	buyer.charge(2 * seatPrice)
	late, early := buyer.buy(today, 1), buyer.buy(tomorrow, 1)
	for range 2 {
		buyer.refused(http.StatusConflict, "cancellation-closed",
			"POST", "/payments/"+late.PaymentID+"/cancellation", nil, idempotencyKey, "a")
	}
	require.EqualValues(t, seatPrice, buyer.cancel(early.PaymentID).Balance)
}
