package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireReplay sends a request again and gets the first answer again.
func requireReplay(p *person, first reply, method, path string, payload body, key string) {
	p.t.Helper()
	again := p.call(method, path, payload, idempotencyKey, key)
	require.Equal(p.t, first.status, again.status, again.body)
	require.Equal(p.t, "true", again.header.Get(idempotencyReplayed))
	if first.status < http.StatusBadRequest {
		require.Equal(p.t, first.body, again.body)
	} else {
		require.Equal(p.t, first.text("code"), again.text("code"))
	}
	require.Empty(p.t, first.header.Get(idempotencyReplayed))
}

// testKeys repeats every keyed request after the state that it was decided on is gone.
func testKeys(t *testing.T, h *house) {
	s := h.stage(t, nil)
	buyer, other := h.register(t, "Careful"), h.register(t, "Other")
	const key = "the same key for everything"
	charges := buyer.path("/points/charges")
	charged := buyer.must(http.StatusCreated, "POST", charges, body{"amount": 100_000}, idempotencyKey, key)
	buyer.enter(s)
	held := buyer.must(http.StatusCreated, "POST", s.path()+"/reservations", body{"seatNumber": 1}, idempotencyKey, key)
	pay := body{"reservationId": held.text("reservationId")}
	paid := buyer.must(http.StatusCreated, "POST", "/payments", pay, idempotencyKey, key)
	cancellation := "/payments/" + paid.text("paymentId") + "/cancellation"
	cancelled := buyer.must(http.StatusCreated, "POST", cancellation, nil, idempotencyKey, key)
	other.enter(s)
	other.hold(s, 1)

	// The place was used up by the payment, the seat is somebody else's: a repetition
	// is answered before any of it is looked at.
	requireReplay(buyer, charged, "POST", charges, body{"amount": 100_000}, key)
	requireReplay(buyer, held, "POST", s.path()+"/reservations", body{"seatNumber": 1}, key)
	requireReplay(buyer, paid, "POST", "/payments", pay, key)
	requireReplay(buyer, cancelled, "POST", cancellation, nil, key)
	withoutPlace := buyer.as(t)
	withoutPlace.place = ""
	requireReplay(withoutPlace, held, "POST", s.path()+"/reservations", body{"seatNumber": 1}, key)
	withoutPlace.place = "forged"
	requireReplay(withoutPlace, held, "POST", s.path()+"/reservations", body{"seatNumber": 1}, key)
	require.EqualValues(t, 100_000, buyer.balance())

	// Another spelling of the same value is the same request; another value is not.
	r, err := h.raw("POST", "/api/v1"+charges, "{ \"amount\" : 100000 }\n",
		"Authorization", "Bearer "+buyer.token, idempotencyKey, key)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, r.status)
	require.Equal(t, charged.body, r.body)
	buyer.refused(http.StatusUnprocessableEntity, "idempotency-key-reused", "POST", charges, body{"amount": 1}, idempotencyKey, key)
	buyer.refused(http.StatusForbidden, "queue-token-expired",
		"POST", s.path()+"/reservations", body{"seatNumber": 2}, idempotencyKey, key)
	buyer.enter(s)
	buyer.refused(http.StatusUnprocessableEntity, "idempotency-key-reused",
		"POST", s.path()+"/reservations", body{"seatNumber": 2}, idempotencyKey, key)
	elsewhere := h.stage(t, nil)
	buyer.enter(elsewhere)
	buyer.refused(http.StatusUnprocessableEntity, "idempotency-key-reused",
		"POST", elsewhere.path()+"/reservations", body{"seatNumber": 1}, idempotencyKey, key)
	buyer.refused(http.StatusUnprocessableEntity, "idempotency-key-reused", "POST", "/payments",
		body{"reservationId": cancelled.text("paymentId")}, idempotencyKey, key)

	// A key is its user's own.
	other.must(http.StatusCreated, "POST", other.path("/points/charges"), body{"amount": 1}, idempotencyKey, key)

	for _, header := range [][]string{nil, {idempotencyKey, ""}} {
		buyer.refused(http.StatusBadRequest, "idempotency-key-required", "POST", charges, body{"amount": 1}, header...)
		buyer.refused(http.StatusBadRequest, "idempotency-key-required", "POST", "/payments", pay, header...)
		buyer.refused(http.StatusBadRequest, "idempotency-key-required", "POST", cancellation, nil, header...)
	}
	for _, bad := range []string{strings.Repeat("k", 256), "Schlüssel", "tab\tbed"} {
		buyer.refused(http.StatusUnprocessableEntity, "invalid-request", "POST", charges, body{"amount": 1}, idempotencyKey, bad)
	}
	buyer.must(http.StatusCreated, "POST", charges, body{"amount": 1}, idempotencyKey, strings.Repeat("k", 255))
	require.EqualValues(t, 100_001, buyer.balance())
}

// testKeysOfRefusals repeats requests that were refused: business refusals are answers
// and stay, everything else may be tried again with the same key.
func testKeysOfRefusals(t *testing.T, h *house) {
	s := h.stage(t, nil)
	buyer, rival := h.register(t, "Unlucky"), h.register(t, "Rival")
	buyer.charge(2 * seatPrice)
	rival.enter(s)
	taken := rival.hold(s, 1)

	// Refused by the guard: not stored.
	request := body{"seatNumber": 1}
	path := s.path() + "/reservations"
	buyer.refused(http.StatusUnauthorized, "queue-token-required", "POST", path, request, idempotencyKey, "a")
	buyer.enter(s)
	buyer.refused(http.StatusUnprocessableEntity, "invalid-request", "POST", path, body{"seatNumber": 51}, idempotencyKey, "a")
	// Refused by the seat map: stored.
	refused := buyer.refused(http.StatusConflict, "seat-taken", "POST", path, request, idempotencyKey, "a")
	rival.must(http.StatusNoContent, "DELETE", "/reservations/"+taken.ReservationID, nil)
	requireReplay(buyer, refused, "POST", path, request, "a")
	hold := into[reservation](t, buyer.must(http.StatusCreated, "POST", path, request, idempotencyKey, "b"))
	again := buyer.must(http.StatusOK, "POST", path, request, idempotencyKey, "c")
	requireReplay(buyer, again, "POST", path, request, "c")

	payments := func(id string) body { return body{"reservationId": id} }
	unknown := newKey()
	buyer.refused(http.StatusNotFound, "reservation-not-found", "POST", "/payments", payments(unknown), idempotencyKey, "a")
	rival.refused(http.StatusNotFound, "reservation-not-found", "POST", "/payments", payments(hold.ReservationID), idempotencyKey, "a")
	bought := into[payment](t, buyer.must(http.StatusCreated, "POST", "/payments", payments(hold.ReservationID), idempotencyKey, "a"))
	refused = buyer.refused(http.StatusConflict, "already-paid", "POST", "/payments", payments(hold.ReservationID), idempotencyKey, "b")
	buyer.cancel(bought.PaymentID)
	requireReplay(buyer, refused, "POST", "/payments", payments(hold.ReservationID), "b")
	refused = buyer.refused(http.StatusGone, "hold-expired", "POST", "/payments", payments(hold.ReservationID), idempotencyKey, "c")
	requireReplay(buyer, refused, "POST", "/payments", payments(hold.ReservationID), "c")
	cancellation := "/payments/" + bought.PaymentID + "/cancellation"
	refused = buyer.refused(http.StatusConflict, "already-cancelled", "POST", cancellation, nil, idempotencyKey, "a")
	requireReplay(buyer, refused, "POST", cancellation, nil, "a")
	rival.refused(http.StatusNotFound, "payment-not-found", "POST", cancellation, nil, idempotencyKey, "a")
	require.EqualValues(t, 2*seatPrice, buyer.balance())
}
