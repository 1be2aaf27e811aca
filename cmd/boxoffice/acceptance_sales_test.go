package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testSalesClose lets the sales of a schedule end while people hold, wait and look.
func testSalesClose(t *testing.T, h *house) {
	people := h.registerAll(t, 4)
	payer, looker, waiting, late := people[0], people[1], people[2], people[3]
	payer.charge(seatPrice)
	closes := time.Now().Add(2 * time.Second).Truncate(time.Millisecond)
	s := h.stage(t, body{"capacity": 2, "salesCloseAt": instant(closes)})
	require.True(t, s.SalesCloseAt.Equal(closes))
	payer.enter(s)
	looker.enter(s)
	require.Equal(t, s.SalesCloseAt, waiting.join(s).ExpiresAt)
	hold := payer.hold(s, 1)

	waitUntil(t, closes.Add(clockSlack))
	require.Equal(t, "closed", h.queue(t, s).State)
	require.Zero(t, h.queue(t, s).Waiting)
	late.refused(http.StatusConflict, "sales-closed", "POST", s.path()+"/queue-tokens", nil)
	waiting.refused(http.StatusGone, "queue-token-expired", "GET", s.me(), nil)
	waiting.refused(http.StatusConflict, "sales-closed", "POST", s.path()+"/queue-tokens", nil)
	looker.refused(http.StatusConflict, "sales-closed", "POST", s.path()+"/reservations", body{"seatNumber": 2})

	// What lives is still given, and a hold can be paid.
	looker.must(http.StatusOK, "POST", s.path()+"/queue-tokens", nil)
	looker.seats(s)
	again := into[reservation](t, payer.must(http.StatusOK, "POST", s.path()+"/reservations", body{"seatNumber": 1}))
	require.Equal(t, hold.ReservationID, again.ReservationID)
	payer.pay(hold.ReservationID)
	for _, listed := range all[schedule](h.nobody(t), "/concerts/"+itoa(s.ConcertID)+"/schedules", 100) {
		require.Equal(t, s.ScheduleID, listed.ScheduleID)
	}
	available := into[list[schedule]](t, h.nobody(t).get("/concerts/"+itoa(s.ConcertID)+"/schedules?available=true"))
	require.Empty(t, available.Items)
}

// testSalesNotOpen asks for seats before they are sold, and when they are.
func testSalesNotOpen(t *testing.T, h *house) {
	opens := time.Now().Add(time.Second).Truncate(time.Millisecond)
	s := h.stage(t, body{"salesOpenAt": instant(opens)})
	early := h.register(t, "Early")
	early.refused(http.StatusConflict, "sales-closed", "POST", s.path()+"/queue-tokens", nil)
	require.Equal(t, "closed", h.queue(t, s).State)
	path := "/concerts/" + itoa(s.ConcertID) + "/schedules?available=true"
	require.Empty(t, into[list[schedule]](t, early.get(path)).Items)
	waitUntil(t, opens.Add(clockSlack))
	early.enter(s)
	require.Equal(t, "open", h.queue(t, s).State)
	require.Eventually(t, func() bool {
		r, err := early.try("GET", path, nil)
		return err == nil && r.status == http.StatusOK && len(r.body["items"].([]any)) == 1
	}, soon, pollEvery)
	early.hold(s, 1)
}
