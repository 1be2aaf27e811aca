package main

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// audience registers people who are all let in at once.
func (h *house) audience(t *testing.T, s schedule, n int) []*person {
	t.Helper()
	people := h.registerAll(t, n)
	for i, r := range crowd(t, n, func(i int) (reply, error) {
		return people[i].try("POST", s.path()+"/queue-tokens", nil)
	}) {
		require.Equal(t, http.StatusCreated, r.status, r.body)
		require.Equal(t, "admitted", people[i].keepPlace(r).Status)
	}
	return people
}

// chargeAll charges points for each of some people.
func chargeAll(t *testing.T, people []*person, amount int64) {
	t.Helper()
	for _, r := range crowd(t, len(people), func(i int) (reply, error) {
		return people[i].try("POST", people[i].path("/points/charges"), body{"amount": amount}, idempotencyKey, "charge")
	}) {
		require.Equal(t, http.StatusCreated, r.status, r.body)
	}
}

// testOneSeat lets 300 people ask for the same seat at the same time.
func testOneSeat(t *testing.T, h *house) {
	const buyers, number = 300, 7
	s := h.stage(t, body{"capacity": buyers})
	people := h.audience(t, s, buyers)
	replies := stampede(t, buyers, func(i int) (reply, error) {
		return people[i].try("POST", s.path()+"/reservations", body{"seatNumber": number})
	})
	winner := -1
	for i, r := range replies {
		if r.status == http.StatusCreated {
			require.Equal(t, -1, winner, "the seat was given twice")
			winner = i
			continue
		}
		requireProblem(t, http.StatusConflict, "seat-taken", r)
		free := into[struct{ AvailableSeats []int }](t, r).AvailableSeats
		require.Len(t, free, 49)
		require.NotContains(t, free, number)
	}
	require.NotEqual(t, -1, winner, "nobody got the seat")
	mine := into[list[reservation]](t, people[winner].get(people[winner].path("/reservations")))
	require.Len(t, mine.Items, 1)
	require.Equal(t, number, mine.Items[0].SeatNumber)
}

// testEverySeat lets 50 people ask for a seat each, and pay, until the house is sold
// out; then a seat comes back and goes to who waits.
func testEverySeat(t *testing.T, h *house) {
	const buyers = 50
	s := h.stage(t, body{"capacity": buyers})
	people := h.audience(t, s, buyers)
	chargeAll(t, people, seatPrice)
	waiting := h.register(t, "Patient")
	waiting.charge(seatPrice)
	require.Equal(t, "waiting", waiting.join(s).Status)
	h.configure(t, s, body{"paused": true})

	holds := stampede(t, buyers, func(i int) (reply, error) {
		return people[i].try("POST", s.path()+"/reservations", body{"seatNumber": i + 1})
	})
	for _, r := range holds {
		require.Equal(t, http.StatusCreated, r.status, r.body)
	}
	require.Equal(t, "paused", h.queue(t, s).State, "held is not sold")
	payments := stampede(t, buyers, func(i int) (reply, error) {
		return people[i].try("POST", "/payments", body{"reservationId": holds[i].text("reservationId")}, idempotencyKey, "pay")
	})
	for i, r := range payments {
		require.Equal(t, http.StatusCreated, r.status, r.body)
		require.Equal(t, i+1, into[payment](t, r).SeatNumber)
		require.Zero(t, into[payment](t, r).Balance)
	}

	require.Eventually(t, func() bool {
		r, err := waiting.try("GET", s.me(), nil)
		return err == nil && r.body["soldOut"] == true
	}, soon, pollEvery, "who waits is not told that all is sold")
	h.configure(t, s, body{"paused": false})
	soldOut := queue{State: "sold-out", Waiting: 1, Capacity: buyers}
	h.untilQueue(t, s, "the house is not sold out", func(q queue) bool { return q == soldOut })
	waiting.must(http.StatusOK, "POST", s.path()+"/queue-tokens", nil)
	h.register(t, "Late").refused(http.StatusConflict, "sold-out", "POST", s.path()+"/queue-tokens", nil)
	listed := "/concerts/" + itoa(s.ConcertID) + "/schedules?available=true"
	require.Eventually(t, func() bool {
		r, err := waiting.try("GET", listed, nil)
		return err == nil && r.status == http.StatusOK && len(r.body["items"].([]any)) == 0
	}, soon, pollEvery, "a schedule that is sold out is listed as available")
	require.Equal(t, "waiting", waiting.poll(s).Status)

	people[20].cancel(payments[20].text("paymentId"))
	admitted := waiting.untilAdmitted(s)
	require.False(t, admitted.SoldOut)
	seats := waiting.seats(s)
	for _, seat := range seats.Seats {
		want := "sold"
		if seat.SeatNumber == 21 {
			want = "available"
		}
		require.Equal(t, want, seat.Status, "seat %d", seat.SeatNumber)
	}
	waiting.pay(waiting.hold(s, 21).ReservationID)
	h.untilQueue(t, s, "the house is not sold out again", func(q queue) bool { return q.State == "sold-out" })
}

// testPaymentsOfOneHold pays one hold 20 times at once, as 20 different requests.
func testPaymentsOfOneHold(t *testing.T, h *house) {
	const attempts = 20
	s := h.stage(t, nil)
	buyer := h.register(t, "Impatient")
	buyer.charge(attempts * seatPrice)
	buyer.enter(s)
	request := body{"reservationId": buyer.hold(s, 1).ReservationID}
	paid := 0
	for _, r := range stampede(t, attempts, func(i int) (reply, error) {
		return buyer.try("POST", "/payments", request, idempotencyKey, fmt.Sprint("key ", i))
	}) {
		if r.status == http.StatusCreated {
			paid++
			continue
		}
		requireProblem(t, http.StatusConflict, "already-paid", r)
	}
	require.Equal(t, 1, paid)
	require.EqualValues(t, (attempts-1)*seatPrice, buyer.balance())
	require.Len(t, all[entry](buyer, buyer.path("/points/history"), 20), 2)
	require.Len(t, all[payment](buyer, buyer.path("/payments"), 20), 1)
}

// testPaymentWithOneKey sends one payment 20 times at once.
func testPaymentWithOneKey(t *testing.T, h *house) {
	const attempts = 20
	s := h.stage(t, nil)
	buyer := h.register(t, "Nervous")
	buyer.charge(attempts * seatPrice)
	buyer.enter(s)
	request := body{"reservationId": buyer.hold(s, 1).ReservationID}
	requireOneAnswer(t, http.StatusCreated, stampede(t, attempts, func(int) (reply, error) {
		return buyer.try("POST", "/payments", request, idempotencyKey, "the one")
	}))
	require.EqualValues(t, (attempts-1)*seatPrice, buyer.balance())
	require.Len(t, all[payment](buyer, buyer.path("/payments"), 20), 1)
}

// testOneKeyAtOnce sends every other kind of keyed request 20 times at once.
func testOneKeyAtOnce(t *testing.T, h *house) {
	const attempts = 20
	s := h.stage(t, nil)
	buyer := h.register(t, "Nervous")
	requireOneAnswer(t, http.StatusCreated, stampede(t, attempts, func(int) (reply, error) {
		return buyer.try("POST", buyer.path("/points/charges"), body{"amount": 100_000}, idempotencyKey, "k")
	}))
	require.EqualValues(t, 100_000, buyer.balance())

	buyer.enter(s)
	holds := stampede(t, attempts, func(int) (reply, error) {
		return buyer.try("POST", s.path()+"/reservations", body{"seatNumber": 3}, idempotencyKey, "k")
	})
	requireOneAnswer(t, http.StatusCreated, holds)
	bought := buyer.pay(holds[0].text("reservationId"))
	requireOneAnswer(t, http.StatusCreated, stampede(t, attempts, func(int) (reply, error) {
		return buyer.try("POST", "/payments/"+bought.PaymentID+"/cancellation", nil, idempotencyKey, "k")
	}))
	require.EqualValues(t, 100_000, buyer.balance())

	taker := h.register(t, "Quick")
	taker.enter(s)
	taker.hold(s, 9)
	buyer.enter(s)
	requireOneAnswer(t, http.StatusConflict, stampede(t, attempts, func(int) (reply, error) {
		return buyer.try("POST", s.path()+"/reservations", body{"seatNumber": 9}, idempotencyKey, "refused")
	}))
}

// requireOneAnswer checks that all replies say the same, and that one of them does not
// say that it is a repetition. A problem's request id is its own.
func requireOneAnswer(t *testing.T, status int, replies []reply) {
	t.Helper()
	first := 0
	for _, r := range replies {
		require.Equal(t, status, r.status, r.body)
		delete(r.body, "requestId")
		require.Equal(t, replies[0].body, r.body)
		if r.header.Get(idempotencyReplayed) == "" {
			first++
			continue
		}
		require.Equal(t, "true", r.header.Get(idempotencyReplayed))
	}
	require.Equal(t, 1, first, "answers without %s", idempotencyReplayed)
}
