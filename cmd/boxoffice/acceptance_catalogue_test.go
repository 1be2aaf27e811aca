package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testCatalogue finds schedules by concert, by local date of the venue and by whether
// there is anything left to buy.
func testCatalogue(t *testing.T, h *house) {
	anybody, admin := h.nobody(t), h.organiser(t)
	first := h.stage(t, body{"timeZone": "Pacific/Kiritimati", // UTC+14: the 3rd at the venue
		"startsAt": "2027-02-02T20:00:00.000Z", "endsAt": "2027-02-02T22:00:00.000Z"})
	for _, terms := range []body{
		{"timeZone": "Pacific/Niue", // UTC-11: the 1st
			"startsAt": "2027-02-02T08:00:00.000Z", "endsAt": "2027-02-02T09:00:00.000Z"},
		{
			"timeZone": "UTC", "salesOpenAt": "2027-02-01T00:00:00.000Z",
			"startsAt": "2027-02-02T12:00:00.000Z", "endsAt": "2027-02-02T13:00:00.000Z",
		},
	} {
		admin.must(http.StatusCreated, "POST", "/admin/concerts/"+itoa(first.ConcertID)+"/schedules", terms)
	}
	requireMembers(t, anybody.get("/concerts/"+itoa(first.ConcertID)).body, "concertId", "title", "artist", "description", "price")
	require.Equal(t, first, into[schedule](t, anybody.get(first.path())))
	require.Equal(t, 50, first.TotalSeats)

	// starts lists the local dates at which what a query finds begins.
	starts := func(path string) []string {
		dates := []string{}
		for _, s := range into[list[schedule]](t, anybody.get(path)).Items {
			zone, err := time.LoadLocation(s.TimeZone)
			require.NoError(t, err)
			if s.ConcertID == first.ConcertID {
				dates = append(dates, s.StartsAt.In(zone).Format("02"))
			}
		}
		return dates
	}
	schedules := "/concerts/" + itoa(first.ConcertID) + "/schedules"
	for query, want := range map[string][]string{
		"":                                {"01", "02", "03"},
		"?available=false":                {"01", "02", "03"},
		"?available=true":                 {"01", "03"},
		"?from=2027-02-02":                {"02", "03"},
		"?to=2027-02-02":                  {"01", "02"},
		"?from=2027-02-03&to=2027-02-03":  {"03"},
		"?from=2027-02-04":                {},
		"?from=2027-02-01&available=true": {"01", "03"},
		"?unknown=parameter":              {"01", "02", "03"},
	} {
		require.Equal(t, want, starts(schedules+query), query)
	}
	for date, want := range map[string][]string{"2027-02-01": {"01"}, "2027-02-02": {"02"}, "2027-02-03": {"03"}, "2027-02-04": {}} {
		require.Equal(t, want, starts("/schedules?limit=100&date="+date))
	}
	for _, bad := range []string{
		schedules + "?from=2027-02-03&to=2027-02-02", schedules + "?from=2027-02-30", schedules + "?to=yesterday",
		schedules + "?available=1", "/schedules?date=2027-2-1", "/schedules?available=yes",
	} {
		anybody.refused(http.StatusUnprocessableEntity, "invalid-request", "GET", bad, nil)
	}
	for _, unknown := range []string{"999999999", "x", "0", "99999999999999999999"} {
		anybody.refused(http.StatusNotFound, "concert-not-found", "GET", "/concerts/"+unknown, nil)
		anybody.refused(http.StatusNotFound, "concert-not-found", "GET", "/concerts/"+unknown+"/schedules", nil)
		anybody.refused(http.StatusNotFound, "schedule-not-found", "GET", "/schedules/"+unknown, nil)
		anybody.refused(http.StatusNotFound, "schedule-not-found", "GET", "/schedules/"+unknown+"/queue", nil)
	}
}

// testCatalogueCaching asks for what is known already, until it changes.
func testCatalogueCaching(t *testing.T, h *house) {
	s := h.stage(t, nil)
	anybody, buyer := h.nobody(t), h.register(t, "Buyer")
	for _, path := range []string{"/concerts/" + itoa(s.ConcertID), "/concerts/" + itoa(s.ConcertID) + "/schedules", s.path()} {
		first := anybody.get(path)
		tag := first.header.Get("ETag")
		require.Regexp(t, `^(W/)?".+"$`, tag)
		for _, known := range []string{tag, `"other", ` + tag, "*"} {
			same := anybody.must(http.StatusNotModified, "GET", path, nil, "If-None-Match", known)
			require.Empty(t, same.body)
			require.Equal(t, tag, same.header.Get("ETag"))
		}
		anybody.get(path, "If-None-Match", `"other"`)
	}
	tag := anybody.get(s.path()).header.Get("ETag")
	buyer.enter(s)
	buyer.hold(s, 1)
	require.Eventually(t, func() bool {
		r, err := anybody.try("GET", s.path(), nil, "If-None-Match", tag)
		return err == nil && r.status == http.StatusOK && r.text("availableSeats") == "49" && r.header.Get("ETag") != tag
	}, soon, pollEvery, "the count of free seats is too old")
}

// testPoints charges an account to its limits.
func testPoints(t *testing.T, h *house) {
	const most, limit = 10_000_000, 1_000_000_000
	user := h.register(t, "Rich")
	charges := user.path("/points/charges")
	// An account is charged by one request at a time; a few are enough to wait for it.
	for _, r := range together(t, limit/most-1, 8, func(int) (reply, error) {
		return user.try("POST", charges, body{"amount": most}, idempotencyKey, newKey())
	}) {
		require.Equal(t, http.StatusCreated, r.status, r.body)
	}
	user.charge(most - 1)
	refused := user.refused(http.StatusUnprocessableEntity, "balance-limit", "POST", charges, body{"amount": 2}, idempotencyKey, "a")
	require.Empty(t, refused.header.Get(idempotencyReplayed))
	user.charge(1)
	user.refused(http.StatusUnprocessableEntity, "balance-limit", "POST", charges, body{"amount": 1}, idempotencyKey, "b")
	require.EqualValues(t, limit, user.balance())
	history := all[entry](user, user.path("/points/history"), 100)
	require.Len(t, history, limit/most+1)
	for i, e := range history[:len(history)-1] {
		require.Equal(t, e.BalanceAfter, e.Amount+history[i+1].BalanceAfter, "each entry adds to the one before")
	}

	// Only charges know the limit: points that come back are the user's.
	const price = 300
	bought := user.buy(h.stage(t, body{"price": price}), 1)
	user.charge(price)
	require.EqualValues(t, limit+price, user.cancel(bought.PaymentID).Balance)
	user.refused(http.StatusUnprocessableEntity, "balance-limit", "POST", charges, body{"amount": 1}, idempotencyKey, "c")
}

// testHistory pages through a history that grows meanwhile.
func testHistory(t *testing.T, h *house) {
	user := h.register(t, "Reader")
	for i := range 25 {
		user.charge(int64(i + 1))
	}
	path := user.path("/points/history")
	first := into[list[entry]](t, user.get(path))
	require.Len(t, first.Items, 20)
	require.NotNil(t, first.Next)
	requireMembers(t, user.get(path).body["items"].([]any)[0].(map[string]any), "entryId", "type", "amount", "balanceAfter", "createdAt")
	for i, e := range first.Items {
		require.EqualValues(t, 25-i, e.Amount, "newest first")
	}
	user.charge(1000)
	second := into[list[entry]](t, user.get(path+"?cursor="+url.QueryEscape(*first.Next)))
	require.Nil(t, second.Next)
	require.Len(t, second.Items, 5, "a page goes on where the one before ended")
	require.EqualValues(t, 5, second.Items[0].Amount)
	for _, limit := range []int{1, 2, 13, 26, 100} {
		require.Len(t, all[entry](user, path, limit), 26)
	}
}

// testLists asks every list for pages that it does not have.
func testLists(t *testing.T, h *house) {
	s := h.stage(t, nil)
	user := h.register(t, "Reader")
	user.charge(2 * seatPrice)
	for range 2 {
		user.cancel(user.buy(s, 1).PaymentID)
	}
	for _, path := range []string{
		"/concerts", "/concerts/" + itoa(s.ConcertID) + "/schedules", "/schedules",
		user.path("/points/history"), user.path("/reservations"), user.path("/payments"),
	} {
		for _, query := range []string{
			"limit=0", "limit=101", "limit=-1", "limit=x", "limit=1.5", "limit=99999999999999999999",
			"cursor=x", "cursor=%00", "cursor=AAAAAAAAAAAAAAAAAAAA",
		} {
			user.refused(http.StatusUnprocessableEntity, "invalid-request", "GET", path+"?"+query, nil)
		}
		requireMembers(t, user.get(path+"?limit=1&surprise=1").body, "items", "next")
	}
	require.Len(t, all[payment](user, user.path("/payments"), 1), 2)
	require.Len(t, all[reservation](user, user.path("/reservations"), 1), 2)
	for _, status := range []string{"held", "confirmed", "expired", "released", "cancelled"} {
		want := 0
		if status == "cancelled" {
			want = 2
		}
		require.Len(t, all[reservation](user, user.path("/reservations"), 1), 2)
		got := into[list[reservation]](t, user.get(user.path("/reservations?status="+status)))
		require.Len(t, got.Items, want, status)
	}
	user.refused(http.StatusUnprocessableEntity, "invalid-request", "GET", user.path("/reservations?status=lost"), nil)

	var ids []int64
	for i := range 3 {
		ids = append(ids, h.stage(t, body{"timeZone": fmt.Sprintf("Etc/GMT-%d", i+1)}).ConcertID)
	}
	listed := []int64{}
	for _, c := range all[struct{ ConcertID int64 }](user, "/concerts", 7) {
		listed = append(listed, c.ConcertID)
	}
	for _, id := range ids {
		require.Contains(t, listed, id)
	}
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(listed))), len(listed), "a concert is listed twice")
}
