package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// contend asks for a seat that is held until a time, again and again from a second before
// it, and gets it at that time: not earlier, and by then at once.
func contend(t *testing.T, p *person, s schedule, number int, until time.Time) reservation {
	t.Helper()
	waitUntil(t, until.Add(-time.Second))
	refused := 0
	for {
		asked := time.Now()
		r := p.call("POST", s.path()+"/reservations", body{"seatNumber": number})
		if r.status == http.StatusCreated {
			got := into[reservation](t, r)
			require.False(t, got.CreatedAt.Before(until), "seat given at %s, while it was held until %s", got.CreatedAt, until)
			require.Positive(t, refused, "the test came too late to see a refusal")
			return got
		}
		requireProblem(t, http.StatusConflict, "seat-taken", r)
		require.True(t, asked.Before(until.Add(clockSlack)), "refused at %s, though it was free from %s", asked, until)
		refused++
	}
}

// TestHoldEnds keeps holds of two seconds to their time, in the presence of whoever
// waits for the seat.
func TestHoldEnds(t *testing.T) {
	t.Parallel()
	h := openHouse(t, "BOXOFFICE_HOLD_TTL=2s")
	s := h.stage(t, nil)
	people := h.audience(t, s, 4)
	owner, rival, punctual, looker := people[0], people[1], people[2], people[3]
	chargeAll(t, people, seatPrice)
	lost := owner.hold(s, 1)
	require.Equal(t, 2*time.Second, lost.ExpiresAt.Sub(lost.CreatedAt))
	contend(t, rival, s, 1, *lost.ExpiresAt)

	kept := punctual.hold(s, 2)
	waitUntil(t, kept.ExpiresAt.Add(-time.Second))
	require.True(t, punctual.pay(kept.ReservationID).PaidAt.Before(*kept.ExpiresAt))

	for range 2 {
		owner.refused(http.StatusGone, "hold-expired", "POST", "/payments",
			body{"reservationId": lost.ReservationID}, idempotencyKey, "too late")
	}
	require.EqualValues(t, seatPrice, owner.balance(), "paying too late takes nothing")
	expired := owner.reservation(lost.ReservationID)
	require.Equal(t, "expired", expired.Status)
	require.Nil(t, expired.ExpiresAt)
	owner.must(http.StatusNoContent, "DELETE", "/reservations/"+lost.ReservationID, nil)
	require.Equal(t, "expired", owner.reservation(lost.ReservationID).Status)
	require.Empty(t, into[list[reservation]](t, owner.get(owner.path("/reservations?status=held"))).Items)

	payAtTheEdge(t, h, s)

	// Nobody asks for this one; it is shown as free all the same.
	unasked := owner.hold(s, 3)
	require.Equal(t, "held", looker.seats(s).statusOf(3))
	waitUntil(t, unasked.ExpiresAt.Add(time.Second+clockSlack))
	require.Equal(t, "available", looker.seats(s).statusOf(3))
	require.Equal(t, "sold", looker.seats(s).statusOf(2))
}

// payAtTheEdge lets people pay around the very end of their holds: in time or not, nobody
// is charged for a seat that is no longer theirs.
func payAtTheEdge(t *testing.T, h *house, s schedule) {
	t.Helper()
	const people, first = 24, 11
	payers := h.audience(t, s, people)
	chargeAll(t, payers, seatPrice)
	holds := make([]reservation, people)
	for i, p := range payers {
		holds[i] = p.hold(s, first+i)
	}
	for i, r := range stampede(t, people, func(i int) (reply, error) {
		if err := tryWaitUntil(t.Context(), holds[i].ExpiresAt.Add(time.Duration(i-people/2)*time.Millisecond)); err != nil {
			return reply{}, err
		}
		return payers[i].try("POST", "/payments", body{"reservationId": holds[i].ReservationID}, idempotencyKey, "edge")
	}) {
		if r.status == http.StatusCreated {
			require.True(t, into[payment](t, r).PaidAt.Before(*holds[i].ExpiresAt), "paid too late: %v", r.body)
			require.Equal(t, "confirmed", payers[i].reservation(holds[i].ReservationID).Status)
			require.Zero(t, payers[i].balance())
			continue
		}
		requireProblem(t, http.StatusGone, "hold-expired", r)
		require.Equal(t, "expired", payers[i].reservation(holds[i].ReservationID).Status)
		require.EqualValues(t, seatPrice, payers[i].balance())
	}
}

// TestHoldEndsAcrossCrash kills the node while seats are held. The first node's holds
// last long enough to see them refused after the restart; the others end while no node
// runs.
func TestHoldEndsAcrossCrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	t.Cleanup(func() { auditBooks(t, dir) })
	environ := []string{"BOXOFFICE_HOLD_TTL=2s"}
	h := reopenHouse(t, dir, environ...)
	s := h.stage(t, nil)
	people := h.audience(t, s, 2)
	owner, rival := people[0], people[1]
	owner.charge(seatPrice)
	lost := owner.hold(s, 1)
	h.kill()
	waitUntil(t, *lost.ExpiresAt)

	h = reopenHouse(t, dir, append(environ, "BOXOFFICE_HOLD_TTL=12s")...)
	owner.house, rival.house = h, h
	owner.refused(http.StatusGone, "hold-expired", "POST", "/payments",
		body{"reservationId": lost.ReservationID}, idempotencyKey, newKey())
	rival.hold(s, 1)
	kept := owner.hold(s, 2)
	h.kill()
	h = reopenHouse(t, dir, environ...)
	late := h.register(t, "Late")
	late.enter(s)
	contend(t, late, s, 2, *kept.ExpiresAt)
	require.EqualValues(t, seatPrice, owner.as(t).at(h).balance())
}

// kill ends the node as a crash does and waits until it is gone.
func (h *house) kill() {
	h.t.Helper()
	h.started.Kill()
	h.wait()
	h.killed = true
}

// at is the same person at another node.
func (p *person) at(h *house) *person {
	other := *p
	other.house = h
	return &other
}

// TestPlaceEnds keeps admissions to their time: three seconds, or one where nobody comes.
func TestPlaceEnds(t *testing.T) {
	t.Parallel()
	h := openHouse(t, "BOXOFFICE_ADMISSION_TTL=3s", "BOXOFFICE_CLAIM_TTL=1s", "BOXOFFICE_HOLD_TTL=2s",
		"BOXOFFICE_QUEUE_MAX_WAITING=30", "BOXOFFICE_QUEUE_CAPACITY=1")
	for name, test := range map[string]func(*testing.T, *house){
		"admission":        testAdmissionEnds,
		"claim":            testClaimEnds,
		"claim by refusal": testClaimByRefusedCall,
		"hold":             testHoldLengthensAdmission,
		"full":             testQueueFull,
		"comings, goings":  testComingsAndGoings,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, h)
		})
	}
}

func testAdmissionEnds(t *testing.T, h *house) {
	s := h.stage(t, nil)
	first, second := h.register(t, "First"), h.register(t, "Second")
	admitted := first.enter(s)
	require.Equal(t, 3*time.Second, admitted.ExpiresAt.Sub(*admitted.AdmittedAt))
	second.join(s)
	// Being admitted at once by the join counts as seen: the claim TTL is over by now.
	waitUntil(t, admitted.ExpiresAt.Add(-4*clockSlack))
	require.Equal(t, "waiting", second.poll(s).Status)
	require.Equal(t, admitted.Token, first.poll(s).Token)
	next := second.untilAdmitted(s)
	require.False(t, next.AdmittedAt.Before(admitted.ExpiresAt))
	require.Less(t, next.AdmittedAt.Sub(admitted.ExpiresAt), time.Second, "the slot was left empty")
	requireEnded(t, first, s)
	require.Equal(t, 1, first.join(s).Position)
}

// requireEnded checks that a place is over, on every route that asks for it.
func requireEnded(t *testing.T, p *person, s schedule) {
	t.Helper()
	p.refused(http.StatusGone, "queue-token-expired", "GET", s.me(), nil)
	p.refused(http.StatusForbidden, "queue-token-expired", "POST", s.path()+"/reservations", body{"seatNumber": 1})
	require.Eventually(t, func() bool {
		r, err := p.try("GET", s.path()+"/seats", nil)
		return err == nil && r.status == http.StatusForbidden && r.text("code") == "queue-token-expired"
	}, soon, pollEvery)
	p.leave(s) // says so as often as one likes
}

func testClaimEnds(t *testing.T, h *house) {
	s := h.stage(t, nil)
	first, absent, third := h.register(t, "First"), h.register(t, "Absent"), h.register(t, "Third")
	first.enter(s)
	absent.join(s)
	third.join(s)
	before := time.Now()
	first.leave(s)
	next := third.untilAdmitted(s)
	require.GreaterOrEqual(t, next.AdmittedAt.Sub(before), time.Second-clockSlack, "the absent was not given the claim TTL")
	// The claim time begins when the absent would have asked again as told: within a second.
	require.Less(t, next.AdmittedAt.Sub(before), 3*time.Second)
	requireEnded(t, absent, s)

	// The third was seen, by the polls: the whole admission is theirs.
	waitUntil(t, next.ExpiresAt.Add(-4*clockSlack))
	third.seats(s)
}

// testClaimByRefusedCall is seen by a call with the waiting token, which is refused
// because there is a newer one.
func testClaimByRefusedCall(t *testing.T, h *house) {
	s := h.stage(t, nil)
	first, second := h.register(t, "First"), h.register(t, "Second")
	first.enter(s)
	second.join(s)
	first.leave(s)
	h.untilQueue(t, s, "nobody is admitted", func(q queue) bool { return q.Admitted == 1 })
	link := second.refused(http.StatusForbidden, "not-admitted", "GET", s.path()+"/seats", nil).header.Get("Link")
	require.True(t, strings.Contains(link, s.me()) && strings.Contains(link, `rel="status"`), link)
	seen := time.Now()
	waitUntil(t, seen.Add(1500*time.Millisecond))
	admitted := second.poll(s)
	require.Equal(t, "admitted", admitted.Status)
	second.hold(s, 1)
}

func testHoldLengthensAdmission(t *testing.T, h *house) {
	s := h.stage(t, nil)
	first, second := h.register(t, "First"), h.register(t, "Second")
	first.charge(seatPrice)
	admitted := first.enter(s)
	second.join(s)
	waitUntil(t, admitted.AdmittedAt.Add(2200*time.Millisecond))
	hold := first.hold(s, 1)
	require.True(t, hold.ExpiresAt.After(admitted.ExpiresAt))
	require.Eventually(t, func() bool {
		r, err := first.try("GET", s.me(), nil)
		return err == nil && r.text("expiresAt") == instant(*hold.ExpiresAt)
	}, time.Second, pollEvery, "a place lasts as long as its hold")
	waitUntil(t, admitted.ExpiresAt.Add(3*clockSlack))
	still := first.poll(s)
	require.Equal(t, admitted.Token, still.Token, "the same token, for longer")
	require.Equal(t, "held", first.seats(s).statusOf(1))
	first.must(http.StatusOK, "POST", s.path()+"/reservations", body{"seatNumber": 1})
	require.Equal(t, "waiting", second.poll(s).Status)

	first.pay(hold.ReservationID)
	second.untilAdmitted(s)
	requireEnded(t, first, s)
}

func testQueueFull(t *testing.T, h *house) {
	s := h.stage(t, nil)
	h.configure(t, s, body{"paused": true})
	line, last := h.registerAll(t, 30), h.register(t, "Last")
	joinAll(t, s, line)
	last.refused(http.StatusServiceUnavailable, "queue-full", "POST", s.path()+"/queue-tokens", nil)
	line[4].must(http.StatusOK, "POST", s.path()+"/queue-tokens", nil)
	line[4].leave(s)
	require.Equal(t, 30, last.join(s).Position)
}

// testComingsAndGoings runs a line whose people end in every way there is: they leave,
// pay, let a hold or an admission run out, or never come. Whatever happens in front,
// the order of admission is that of joining.
func testComingsAndGoings(t *testing.T, h *house) {
	const people, capacity = 25, 5
	s := h.stage(t, body{"capacity": capacity})
	h.configure(t, s, body{"paused": true})
	line := joinAll(t, s, h.registerAll(t, people))
	chargeAll(t, line, seatPrice)
	h.configure(t, s, body{"paused": false})
	admissions := make([]time.Time, people)
	stampede(t, people, func(i int) (reply, error) {
		p := line[i]
		if i%5 == 4 {
			return reply{}, nil // never comes
		}
		admitted, err := p.tryUntilAdmitted(s)
		if err != nil {
			return reply{}, err
		}
		admissions[i] = *admitted.AdmittedAt
		if i%5 < 2 {
			r, err := p.try("POST", s.path()+"/reservations", body{"seatNumber": i + 1})
			if err != nil || i%5 == 0 {
				return r, err
			}
			return p.try("POST", "/payments", body{"reservationId": r.text("reservationId")}, idempotencyKey, "pay")
		}
		if i%5 == 2 {
			return p.try("DELETE", s.me(), nil)
		}
		return reply{}, nil // looks and does nothing
	})
	came := slices.DeleteFunc(admissions, time.Time.IsZero)
	require.Len(t, came, people-people/5)
	require.True(t, slices.IsSortedFunc(came, time.Time.Compare), "somebody was admitted before somebody who joined earlier: %v", came)
	h.untilQueue(t, s, "somebody who is gone keeps a slot", func(q queue) bool { return q.Admitted == 0 })
}
