package main

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

const (
	// promptly is how soon the waiting room knows what became of a commit: a second, and
	// what a busy machine adds. The journal is looked up every 5 s: that would be too late.
	promptly = 3 * time.Second
	// healed is how soon everything works again when a fault of Postgres is over: 3 s, or 5 s
	// where connections never answer again, and what a busy machine adds.
	healed = soon
)

// TestFaultsOfPostgres is what three nodes make of a Postgres that fails in every way but
// being stopped (that is TestDatabaseGoesAway). The steps follow each other: most faults are
// the whole server's.
func TestFaultsOfPostgres(t *testing.T) {
	t.Parallel()
	x := startTrio(t, "BOXOFFICE_HOLD_TTL=3s", "BOXOFFICE_CLAIM_TTL=1s")
	over := x.closeSoon(t)
	for _, step := range []struct {
		name string
		run  func(*testing.T, *trio)
	}{
		{"answers that are lost", testLostAnswers},
		{"commits that take long", testLateCommits},
		{"hosts that never answer again", testSilentHosts},
		{"read-only", testReadOnly},
		{"a full disk", testFullDisk},
		{"locked tables", testLockedTables},
		{"nobody is let in", testNobodyIsLetIn},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(t, x) }) {
			return // its fault may not be over
		}
	}
	x.requireNobodyWaits(t, over)
}

// closeSoon sells a schedule with people in line, whose sales close while the test goes on.
func (x *trio) closeSoon(t *testing.T) schedule {
	t.Helper()
	h := x.nodes[0]
	s := h.stage(t, body{"salesCloseAt": instant(time.Now().Add(8 * time.Second))})
	h.configure(t, s, body{"paused": true})
	joinAll(t, s, h.registerAll(t, 20))
	return s
}

// requireNobodyWaits wants the close of a sale to have ended who waited, though nobody asked.
func (x *trio) requireNobodyWaits(t *testing.T, s schedule) {
	t.Helper()
	connection := x.connect(t, "boxoffice")
	require.Eventually(t, func() bool {
		var waiting int
		err := connection.QueryRow(t.Context(),
			"SELECT count(*)::int FROM queue_places WHERE schedule_id = $1 AND status = 'waiting'", s.ScheduleID).Scan(&waiting)
		return err == nil && waiting == 0
	}, 2*soon, pollEvery, "they wait for ever")
	for _, h := range x.nodes {
		got := h.queue(t, s)
		require.Equal(t, "closed", got.State)
		require.Zero(t, got.Waiting)
	}
}

// testLostAnswers sells a house out, with the answer to the commit of the last payment lost,
// and then that of a cancellation. The waiting room and those in it learn both.
func testLostAnswers(t *testing.T, x *trio) {
	const seats, waiting = 50, 3
	h := x.nodes[0]
	people := h.registerAll(t, seats+waiting)
	chargeAll(t, people[:seats], seatPrice)
	s := h.stage(t, body{"capacity": seats})
	for i, r := range crowd(t, seats, func(i int) (reply, error) { return people[i].try("POST", s.path()+"/queue-tokens", nil) }) {
		require.Equal(t, "admitted", people[i].keepPlace(r).Status)
	}
	for _, p := range people[seats:] {
		require.Equal(t, "waiting", p.join(s).Status)
	}
	h.configure(t, s, body{"paused": true}) // the places that are used up are not for others yet
	sell := func(i int) (reply, error) {
		r, err := people[i].try("POST", s.path()+"/reservations", body{"seatNumber": i + 1})
		if err != nil || r.status != http.StatusCreated {
			return r, err
		}
		return people[i].try("POST", "/payments", body{"reservationId": r.text("reservationId")}, idempotencyKey, "pay-the-"+strconv.Itoa(i))
	}
	for _, r := range crowd(t, seats-1, sell) {
		require.Equal(t, http.StatusCreated, r.status, r.body)
	}

	last := seats - 1
	unknown := x.count(t, `boxoffice_journal_commits_total\{result="unknown"\}`)
	x.proxy.LoseAnswerTo([]byte("pay-the-" + strconv.Itoa(last)))
	paid, err := sell(last)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, paid.status, paid.body)
	require.True(t, x.proxy.Lost())
	x.agree(t, s, "all is sold", func(q queue) bool { return q.State == "sold-out" && q.Admitted == 0 && q.AvailableSeats == 0 })
	people[last].refused(http.StatusGone, "queue-token-expired", "GET", s.me(), nil)
	h.configure(t, s, body{"paused": false})
	x.agree(t, s, "all is sold", func(q queue) bool { return q.State == "sold-out" && q.Admitted == 0 && q.Waiting == waiting })
	h.register(t, "Late").refused(http.StatusConflict, "sold-out", "POST", s.path()+"/queue-tokens", nil)

	x.proxy.LoseAnswerTo([]byte("give-it-back"))
	people[last].must(http.StatusCreated, "POST", "/payments/"+paid.text("paymentId")+"/cancellation", nil, idempotencyKey, "give-it-back")
	require.True(t, x.proxy.Lost())
	x.agree(t, s, "a seat is free", func(q queue) bool { return q.State == "open" && q.AvailableSeats == 1 && q.Waiting == 0 })
	for i, p := range people[seats:] {
		require.Equal(t, "admitted", p.at(x.nodes[i]).poll(s).Status)
	}
	require.EqualValues(t, seatPrice, people[last].balance())
	require.Equal(t, 2, x.count(t, `boxoffice_journal_commits_total\{result="unknown"\}`)-unknown)
	x.loseOneAfterTheOther(t)
}

// loseOneAfterTheOther loses the answer to the commit of everything else that one of the two
// grains of a schedule has to learn from the other.
func (x *trio) loseOneAfterTheOther(t *testing.T) {
	t.Helper()
	h := x.nodes[0]
	s := h.stage(t, body{"capacity": 1})
	in, next := h.register(t, "In"), h.register(t, "Next")
	lose := func() { x.proxy.LoseAnswerTo(grainCommit()) }
	lose()
	require.Equal(t, "admitted", in.join(s).Status)
	lose()
	held := in.hold(s, 1)
	x.agree(t, s, "the seat is held", func(q queue) bool { return q.AvailableSeats == 49 && q.Admitted == 1 })
	lose()
	in.must(http.StatusNoContent, "DELETE", "/reservations/"+held.ReservationID, nil)
	x.agree(t, s, "the seat is free again", func(q queue) bool { return q.AvailableSeats == 50 && q.Admitted == 1 })
	require.Equal(t, "waiting", next.join(s).Status)
	in.hold(s, 2)
	lose()
	in.leave(s)
	x.agree(t, s, "the next is let in", func(q queue) bool { return q.AvailableSeats == 50 && q.Admitted == 1 && q.Waiting == 0 })
	require.Equal(t, "admitted", next.poll(s).Status)
	in.refused(http.StatusForbidden, "queue-token-expired", "POST", s.path()+"/reservations", body{"seatNumber": 3})
	require.True(t, x.proxy.Lost())
}

// grainCommit is in every message that writes a commit of a grain: the name of its statement.
func grainCommit() []byte { return []byte("\x00fence\x00") }

// testLateCommits buys at every node while each commit takes 450 ms. Nothing is sent again
// meanwhile, and so all is answered as if it had been quick.
func testLateCommits(t *testing.T, x *trio) {
	const schedules = 3 // all on one node once in nine runs: then less is tested
	var sales []schedule
	for range schedules {
		sales = append(sales, x.nodes[0].stage(t, nil))
	}
	people := x.nodes[0].registerAll(t, schedules*len(x.nodes))
	chargeAll(t, people, seatPrice)
	x.proxy.Delay(grainCommit(), 450*time.Millisecond)
	defer x.proxy.Delay(nil, 0)
	const calls, tries = "boxoffice_grain_call_duration_seconds_count", "boxoffice_grain_call_tries_total"
	callsBefore, triesBefore := x.count(t, calls), x.count(t, tries)
	for _, r := range stampede(t, len(people), func(i int) (reply, error) {
		return x.buysAndCancels(people[i].at(x.nodes[i%len(x.nodes)]), sales[i/len(x.nodes)], i%len(x.nodes)+1)
	}) {
		require.Equal(t, http.StatusCreated, r.status, r.body)
	}
	made, sent := x.count(t, calls)-callsBefore, x.count(t, tries)-triesBefore
	require.GreaterOrEqual(t, made, 4*len(people))
	require.LessOrEqual(t, sent, 2*made, "commands are sent again and again")
	for _, p := range people {
		require.Len(t, all[payment](p, p.path("/payments"), 20), 1)
		require.EqualValues(t, seatPrice, p.balance())
	}
}

// buysAndCancels goes from the waiting room to the cancelled payment, and stops at the first
// answer that is not 201.
func (x *trio) buysAndCancels(p *person, s schedule, number int) (reply, error) {
	joined, err := p.try("POST", s.path()+"/queue-tokens", nil)
	if err != nil || joined.status != http.StatusCreated {
		return joined, err
	}
	p.place = joined.text("token")
	held, err := p.try("POST", s.path()+"/reservations", body{"seatNumber": number})
	if err != nil || held.status != http.StatusCreated {
		return held, err
	}
	paid, err := p.try("POST", "/payments", body{"reservationId": held.text("reservationId")}, idempotencyKey, newKey())
	if err != nil || paid.status != http.StatusCreated {
		return paid, err
	}
	return p.try("POST", "/payments/"+paid.text("paymentId")+"/cancellation", nil, idempotencyKey, newKey())
}

// testSilentHosts lets every open connection wait for ever, as a primary does that lost its
// power, while new ones are fine.
func testSilentHosts(t *testing.T, x *trio) {
	s := x.nodes[0].stage(t, nil)
	people := x.nodes[0].audience(t, s, len(x.nodes))
	x.proxy.FallSilent()
	unready := make([]bool, len(x.nodes))
	var looking sync.WaitGroup
	for i, h := range x.nodes {
		looking.Go(func() {
			for began := time.Now(); !unready[i] && time.Since(began) < healed; {
				r, err := h.try("GET", "/readyz", nil)
				unready[i] = err == nil && r.status == http.StatusServiceUnavailable
				_ = tryWaitUntil(t.Context(), time.Now().Add(pollEvery))
			}
		})
	}
	var requests []request
	for i, p := range people {
		requests = append(requests, p.posts(s.path()+"/reservations", body{"seatNumber": i + 1}),
			p.posts(p.path("/points/charges"), body{"amount": 1}))
	}
	x.heals(t, healed, requests...)
	looking.Wait()
	require.Equal(t, []bool{true, true, true}, unready, "they said that they were ready")
	for _, h := range x.nodes {
		h.eventually("/readyz", http.StatusOK)
	}
	require.Zero(t, x.proxy.Cancels())
}

func testReadOnly(t *testing.T, x *trio) {
	x.withoutWrites(t, func(admin *pgx.Conn) {
		runSQL(t, admin, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
	}, func(admin *pgx.Conn) {
		runSQL(t, admin, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
	})
}

func testFullDisk(t *testing.T, x *trio) {
	x.withoutWrites(t, func(admin *pgx.Conn) {
		runSQL(t, admin, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
			BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$`,
			"CREATE TRIGGER full_disk BEFORE INSERT ON events EXECUTE FUNCTION refuse()",
			"CREATE TRIGGER full_disk BEFORE INSERT ON ledger_entries EXECUTE FUNCTION refuse()")
	}, func(admin *pgx.Conn) {
		runSQL(t, admin, "DROP FUNCTION refuse CASCADE")
	})
}

func testLockedTables(t *testing.T, x *trio) {
	x.withoutWrites(t, func(admin *pgx.Conn) { runSQL(t, admin, "BEGIN", "LOCK TABLE events, ledger_entries") },
		func(admin *pgx.Conn) { runSQL(t, admin, "ROLLBACK") })
}

// withoutWrites makes a hold and an admitted place due while nothing can be written: everybody
// can look, as of now, nobody can change anything, and when it is over everything works.
func (x *trio) withoutWrites(t *testing.T, begin, end func(*pgx.Conn)) {
	t.Helper()
	admin := x.connect(t, "boxoffice")
	h := x.nodes[0]
	s := h.stage(t, body{"capacity": 3})
	people := h.registerAll(t, 9)
	payer, holder, inside, leaver, absent, next, waiting, newcomer, charger := people[0], people[1], people[2], people[3], people[4], people[5], people[6], people[7], people[8]
	payer.charge(seatPrice)
	paid := payer.buy(s, 50)
	for _, p := range []*person{inside, leaver, holder} {
		p.enter(s)
	}
	for _, p := range []*person{absent, next, waiting} {
		require.Equal(t, "waiting", p.join(s).Status)
	}
	held := holder.hold(s, 1)
	leaver.leave(s)
	h.untilQueue(t, s, "the absent is let in", func(q queue) bool { return q.Waiting == 2 && q.Admitted == 3 })

	begin(admin)
	readers := x.read(t, s, next, waiting)
	waitUntil(t, held.ExpiresAt.Add(time.Second)) // the absent's claim is over as well
	writes := []request{
		newcomer.posts(s.path()+"/queue-tokens", nil),
		inside.posts(s.path()+"/reservations", body{"seatNumber": 2}),
		payer.posts("/payments/"+paid.PaymentID+"/cancellation", nil),
		charger.posts(charger.path("/points/charges"), body{"amount": 1}),
	}
	x.unavailable(t, writes...)
	for _, n := range x.nodes {
		require.Equal(t, "available", h.organiser(t).at(n).seats(s).statusOf(1), "the hold is over")
	}
	readers.stop(t)

	end(admin)
	x.heals(t, healed, append(writes, charger.posts("/users", body{"name": "Somebody"}))...)
	next.untilAdmitted(s)
	require.EqualValues(t, 1, charger.balance())
	require.EqualValues(t, seatPrice, payer.balance())
}

// testNobodyIsLetIn ends every session of the nodes and refuses them new ones, in each of the
// ways that Postgres has.
func testNobodyIsLetIn(t *testing.T, x *trio) {
	admin := x.connect(t, "postgres")
	const (
		end  = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'boxoffice'"
		shut = "ALTER DATABASE boxoffice ALLOW_CONNECTIONS false"
		open = "ALTER DATABASE boxoffice ALLOW_CONNECTIONS true"
	)
	h := x.nodes[0]
	for name, way := range map[string]struct{ begin, end []string }{
		"not allowed": {[]string{shut, end}, []string{open}},
		"revoked": {
			[]string{"REVOKE CONNECT ON DATABASE boxoffice FROM PUBLIC", end},
			[]string{"GRANT CONNECT ON DATABASE boxoffice TO PUBLIC"},
		},
		"renamed": {
			[]string{shut, end, "ALTER DATABASE boxoffice RENAME TO elsewhere", "ALTER DATABASE elsewhere ALLOW_CONNECTIONS true"},
			[]string{"ALTER DATABASE elsewhere RENAME TO boxoffice"},
		},
	} {
		s := h.stage(t, nil)
		people := h.audience(t, s, 2)
		holder, buyer, newcomer := people[0], people[1], h.register(t, "Newcomer")
		buyer.charge(seatPrice)
		held := buyer.hold(s, 1)
		runSQL(t, admin, way.begin...)
		requests := []request{
			holder.posts(holder.path("/points/charges"), body{"amount": 1}),
			newcomer.posts(s.path()+"/queue-tokens", nil),
			holder.posts(s.path()+"/reservations", body{"seatNumber": 2}),
			buyer.gets(buyer.path("/reservations")),
			buyer.gets(buyer.path("/points/history")),
			buyer.gets("/concerts"),
			buyer.gets("/schedules"),
		}
		x.unavailable(t, append(requests, buyer.posts("/payments", body{"reservationId": held.ReservationID}))...)
		runSQL(t, admin, way.end...)
		t.Logf("%s: over", name)
		x.heals(t, healed, requests...)
	}
}
