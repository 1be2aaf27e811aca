package main

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testLongLine puts 1 500 people into one waiting room and lets them in bit by bit.
func testLongLine(t *testing.T, h *house) {
	const people, capacity = 1500, 20
	s := h.stage(t, body{"capacity": capacity})
	require.Equal(t, "paused", h.configure(t, s, body{"paused": true}).State)
	line := joinAll(t, s, h.registerAll(t, people))
	requirePositions(t, s, line)

	// Every tenth leaves: the others move up, and nobody else notices.
	var stay, gone []*person
	for i, p := range line {
		if i%10 == 4 {
			gone = append(gone, p)
		} else {
			stay = append(stay, p)
		}
	}
	for _, r := range crowd(t, len(gone), func(i int) (reply, error) { return gone[i].try("DELETE", s.me(), nil) }) {
		require.Equal(t, http.StatusNoContent, r.status)
	}
	requirePositions(t, s, stay)
	gone[0].refused(http.StatusGone, "queue-token-expired", "GET", s.me(), nil)
	require.Equal(t, len(stay)+1, gone[0].join(s).Position, "joining again is at the end")
	stay = append(stay, gone[0])

	opened := h.configure(t, s, body{"paused": false})
	require.Equal(t, capacity, opened.Admitted)
	require.Equal(t, len(stay)-capacity, opened.Waiting)
	visits := letThrough(t, h, s, stay, capacity, 60)

	// The doors are thrown open.
	opened = h.configure(t, s, body{"capacity": 100_000})
	require.Zero(t, opened.Waiting)
	rest := stay[len(visits):]
	for i, r := range crowd(t, len(rest), func(i int) (reply, error) { return rest[i].try("GET", s.me(), nil) }) {
		require.Equal(t, http.StatusOK, r.status, r.body)
		admitted := rest[i].keepPlace(r)
		require.Equal(t, "admitted", admitted.Status)
		visits = append(visits, visit{from: *admitted.AdmittedAt})
	}
	require.True(t, slices.IsSortedFunc(visits, func(a, b visit) int { return a.from.Compare(b.from) }),
		"somebody was admitted before somebody who joined earlier")
}

// joinAll makes people join at once and puts them in the order of their places.
func joinAll(t *testing.T, s schedule, people []*person) []*person {
	t.Helper()
	replies := crowd(t, len(people), func(i int) (reply, error) {
		return people[i].try("POST", s.path()+"/queue-tokens", nil)
	})
	positions := make(map[*person]int)
	for i, r := range replies {
		require.Equal(t, http.StatusCreated, r.status, r.body)
		got := people[i].keepPlace(r)
		require.Equal(t, "waiting", got.Status)
		require.LessOrEqual(t, got.Position, got.Waiting)
		require.Equal(t, strconv.Itoa((got.PollAfterMS+999)/1000), r.header.Get("Retry-After"))
		positions[people[i]] = got.Position
	}
	slices.SortFunc(people, func(a, b *person) int { return cmp.Compare(positions[a], positions[b]) })
	for i, p := range people {
		require.Equal(t, i+1, positions[p], "two people were given one position, or a position nobody")
	}
	return people
}

// requirePositions checks that people, and nobody else, wait in this order.
func requirePositions(t *testing.T, s schedule, line []*person) {
	t.Helper()
	for i, r := range crowd(t, len(line), func(i int) (reply, error) { return line[i].try("GET", s.me(), nil) }) {
		require.Equal(t, http.StatusOK, r.status, r.body)
		got := into[place](t, r)
		require.Equal(t, i+1, got.Position)
		require.Equal(t, i, got.Ahead)
		require.Equal(t, len(line), got.Waiting)
		require.Equal(t, line[i].place, got.Token, "a waiting token does not change")
		require.Equal(t, s.SalesCloseAt, got.ExpiresAt)
		require.Positive(t, got.PollAfterMS)
		require.Equal(t, strconv.Itoa((got.PollAfterMS+999)/1000), r.header.Get("Retry-After"))
	}
}

// visit is how long somebody was admitted: from is exact, to is at or before the end;
// zero while it goes on.
type visit struct{ from, to time.Time }

// letThrough follows the head of a line as its people buy, look and leave, count of
// them, and checks that whoever ends is followed by exactly the next in line. It returns
// the visits of all who were admitted, in order.
func letThrough(t *testing.T, h *house, s schedule, line []*person, capacity, count int) []visit {
	t.Helper()
	var visits []visit
	admit := func(p *person) {
		visits = append(visits, visit{from: *p.untilAdmitted(s).AdmittedAt})
	}
	for _, p := range line[:capacity] {
		admit(p)
	}
	for i, p := range line[:count] {
		require.Equal(t, "waiting", line[i+capacity].poll(s).Status)
		ended := time.Now()
		switch i % 3 {
		case 0:
			p.charge(seatPrice)
			hold := p.hold(s, i/3+1)
			ended = time.Now()
			p.pay(hold.ReservationID)
		case 1:
			p.hold(s, 50)
			ended = time.Now()
			p.leave(s)
		case 2:
			p.leave(s)
			p.leave(s)
		}
		visits[i].to = ended.Add(-clockSlack)
		admit(line[i+capacity])
		now := h.queue(t, s)
		require.LessOrEqual(t, now.Admitted, capacity)
		require.Equal(t, len(line)-capacity-i-1, now.Waiting)
	}
	requireCapacity(t, visits, capacity)
	return visits
}

// requireCapacity checks that there never were more visits at a time.
func requireCapacity(t *testing.T, visits []visit, capacity int) {
	t.Helper()
	for _, v := range visits {
		inside := 0
		for _, other := range visits {
			if !other.from.After(v.from) && (other.to.IsZero() || other.to.After(v.from)) {
				inside++
			}
		}
		// Those who left within the slack before v came may be counted as inside.
		require.LessOrEqual(t, inside, capacity, "inside at %s", v.from)
	}
}

// testAdmitPerSecond lets 23 people in, five per second.
func testAdmitPerSecond(t *testing.T, h *house) {
	const people, perSecond = 23, 5
	s := h.stage(t, body{"capacity": 1000, "admitPerSecond": perSecond})
	h.configure(t, s, body{"paused": true})
	line := joinAll(t, s, h.registerAll(t, people))
	opened := time.Now()
	h.configure(t, s, body{"paused": false})
	var admissions []time.Time
	for i, p := range line {
		at := *p.untilAdmitted(s).AdmittedAt
		admissions = append(admissions, at)
		// By this process's clock: nobody is seen inside before the slot has come.
		require.GreaterOrEqual(t, time.Since(opened), time.Duration(i/perSecond)*time.Second-clockSlack)
	}
	requireRate(t, admissions, perSecond)
	require.Less(t, admissions[people-1].Sub(opened), soon, "admissions are too slow")

	// Another five are let in at once when the limit is gone.
	h.configure(t, s, body{"paused": true})
	late := joinAll(t, s, h.registerAll(t, 2*perSecond))
	require.Zero(t, h.configure(t, s, body{"paused": false, "admitPerSecond": 0}).Waiting)
	for _, p := range late {
		require.Equal(t, "admitted", p.poll(s).Status)
	}
}

// requireRate checks the times at which the people of a line were admitted: in the order
// of the line, and never too many in a second, wherever that begins.
func requireRate(t *testing.T, admissions []time.Time, perSecond int) {
	t.Helper()
	require.True(t, slices.IsSortedFunc(admissions, time.Time.Compare), "%v", admissions)
	for i := range admissions[perSecond:] {
		require.Greater(t, admissions[i+perSecond].Sub(admissions[i]), time.Second, "admissions %d to %d", i, i+perSecond)
	}
}

func testCapacityAndPause(t *testing.T, h *house) {
	s := h.stage(t, body{"capacity": 3})
	line := h.registerAll(t, 6)
	for i, p := range line {
		got := p.join(s)
		require.Equal(t, i >= 3, got.Status == "waiting")
		require.Equal(t, max(0, i-2), got.Position)
	}
	require.Equal(t, queue{State: "open", Waiting: 3, Admitted: 3, Capacity: 3, AvailableSeats: 50}, h.queue(t, s))
	require.Equal(t, "max-age=1", h.nobody(t).get(s.path()+"/queue").header.Get("Cache-Control"))

	// A capacity below the admitted expels nobody and lets nobody in.
	lowered := h.configure(t, s, body{"capacity": 1})
	require.Equal(t, queue{State: "open", Waiting: 3, Admitted: 3, Capacity: 1, AvailableSeats: 50}, lowered)
	line[0].leave(s)
	line[1].seats(s)
	line[1].leave(s)
	require.Equal(t, 1, line[3].poll(s).Position)
	require.Equal(t, 1, h.queue(t, s).Admitted)

	// While it is paused people join and wait, and the admitted go on.
	require.Equal(t, "paused", h.configure(t, s, body{"paused": true, "capacity": 2}).State)
	late := h.register(t, "Late")
	require.Equal(t, 4, late.join(s).Position)
	line[2].seats(s)
	line[2].leave(s)
	require.Equal(t, queue{State: "paused", Waiting: 4, Capacity: 2, AvailableSeats: 50}, h.configure(t, s, body{}))
	require.Equal(t, 1, line[3].poll(s).Position)

	require.Equal(t, queue{State: "open", Waiting: 2, Admitted: 2, Capacity: 2, AvailableSeats: 50},
		h.configure(t, s, body{"paused": false}))
	require.Equal(t, "admitted", line[3].poll(s).Status)
	require.Equal(t, "admitted", line[4].poll(s).Status)
	require.Equal(t, 1, line[5].poll(s).Position)
	require.Equal(t, 2, late.poll(s).Position)
}

func testLeaving(t *testing.T, h *house) {
	s := h.stage(t, body{"capacity": 1})
	first, second := h.register(t, "First"), h.register(t, "Second")
	first.charge(seatPrice)
	first.enter(s)
	second.join(s)
	hold := first.hold(s, 1)
	for range 2 {
		first.leave(s)
	}
	require.Equal(t, "released", first.reservation(hold.ReservationID).Status, "leaving gives an unpaid seat back")
	first.refused(http.StatusGone, "queue-token-expired", "GET", s.me(), nil)
	first.refused(http.StatusForbidden, "queue-token-expired", "POST", s.path()+"/reservations", body{"seatNumber": 1})
	require.Eventually(t, func() bool {
		r, err := first.try("GET", s.path()+"/seats", nil)
		return err == nil && r.status == http.StatusForbidden && r.text("code") == "queue-token-expired"
	}, soon, pollEvery)
	first.refused(http.StatusGone, "hold-expired", "POST", "/payments",
		body{"reservationId": hold.ReservationID}, idempotencyKey, newKey())
	second.untilAdmitted(s)
	second.hold(s, 1)

	require.Equal(t, "waiting", first.join(s).Status)
	first.leave(s) // from the line
	first.refused(http.StatusGone, "queue-token-expired", "GET", s.me(), nil)
	first.leave(s)
	require.Zero(t, h.queue(t, s).Waiting)

	// Leaving keeps what was paid.
	second.charge(seatPrice)
	mine := into[list[reservation]](t, second.get(second.path("/reservations?status=held")))
	second.pay(mine.Items[0].ReservationID)
	second.leave(s)
	require.Equal(t, "confirmed", second.reservation(mine.Items[0].ReservationID).Status)
}

func testJoiningAgain(t *testing.T, h *house) {
	s := h.stage(t, body{"capacity": 1})
	first, second, third := h.register(t, "First"), h.register(t, "Second"), h.register(t, "Third")
	admitted := first.enter(s)
	waiting := second.join(s)
	third.join(s)
	again := into[place](t, first.must(http.StatusOK, "POST", s.path()+"/queue-tokens", nil))
	require.Equal(t, admitted.Token, again.Token)
	require.Equal(t, "admitted", again.Status)
	again = into[place](t, second.must(http.StatusOK, "POST", s.path()+"/queue-tokens", nil))
	require.Equal(t, waiting.Token, again.Token)
	require.Equal(t, 1, again.Position)
	require.Equal(t, waiting.JoinedAt, again.JoinedAt)

	// The token changes once: when the place is admitted.
	first.leave(s)
	newest := second.untilAdmitted(s)
	require.NotEqual(t, waiting.Token, newest.Token)
	require.Equal(t, newest.Token, second.poll(s).Token)
	old := *second
	old.place = waiting.Token
	require.Equal(t, newest.Token, old.poll(s).Token, "the waiting token still tells the new one")
	old.place = waiting.Token
	old.refused(http.StatusForbidden, "not-admitted", "GET", s.path()+"/seats", nil)
	require.Equal(t, 2, first.join(s).Position, "a place that has ended never comes back")
	require.Equal(t, 1, third.poll(s).Position)
}
