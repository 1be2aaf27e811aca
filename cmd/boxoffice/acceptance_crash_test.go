package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// deed is one keyed request of a journey, and its answer if there was one.
type deed struct {
	method, path, key string
	payload           body
	reply             reply
	known             bool
}

// journey is what one buyer did, up to the first request that was not answered.
type journey struct {
	buyer *person
	deeds []deed
	place *place // in the line that nobody is let in from
	lost  bool   // a request was not answered
	odd   *reply // an answer that should not be
}

// ask sends a request and reports whether it was answered with one of the statuses.
func (j *journey) ask(method, path string, payload body, key string, statuses ...int) (reply, bool) {
	r, err := j.buyer.try(method, path, payload, idempotencyKey, key)
	j.lost = err != nil || r.status == http.StatusServiceUnavailable
	if !j.lost && !slices.Contains(statuses, r.status) && r.status != http.StatusConflict {
		j.odd = &r
	}
	return r, !j.lost && slices.Contains(statuses, r.status)
}

// do asks with a key, and keeps what became of it.
func (j *journey) do(method, path string, payload body) (reply, bool) {
	d := deed{method: method, path: path, key: newKey(), payload: payload}
	r, ok := j.ask(method, path, payload, d.key, http.StatusCreated)
	d.reply, d.known = r, !j.lost
	j.deeds = append(j.deeds, d)
	return r, ok
}

// travel takes a new user as far as the node goes along: into the paused line, and to a
// seat that is paid and, sometimes, given back. It reports whether that was done.
func (j *journey) travel(line, show schedule, random *rand.Rand) bool {
	r, ok := j.ask("POST", "/users", body{"name": "Traveller"}, "", http.StatusCreated)
	if !ok {
		return false
	}
	j.buyer.id, j.buyer.token = r.text("userId"), r.text("accessToken")
	if r, ok = j.ask("POST", line.path()+"/queue-tokens", nil, "", http.StatusCreated); !ok {
		return false
	}
	waiting, err := decode[place](r)
	if err != nil {
		j.odd = &r
		return false
	}
	j.place = &waiting
	if r, ok = j.ask("POST", show.path()+"/queue-tokens", nil, "", http.StatusCreated); !ok {
		return false
	}
	j.buyer.place = r.text("token")
	if _, ok = j.do("POST", j.buyer.path("/points/charges"), body{"amount": seatPrice + random.IntN(1000)}); !ok {
		return false
	}
	r, ok = j.do("POST", show.path()+"/reservations", body{"seatNumber": 1 + random.IntN(50)})
	if !ok || random.IntN(4) == 0 {
		return false
	}
	r, ok = j.do("POST", "/payments", body{"reservationId": r.text("reservationId")})
	if !ok || random.IntN(2) == 0 {
		return false
	}
	_, ok = j.do("POST", "/payments/"+r.text("paymentId")+"/cancellation", nil)
	return ok
}

// TestCrash kills a node that is busy, three times on the same data, and starts it again:
// whatever it had acknowledged is there, and what it had not, happens once when it is
// sent again. What became of the database is audited at the end.
func TestCrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	t.Cleanup(func() { auditBooks(t, dir) })
	h := reopenHouse(t, dir)
	for seed := range uint64(3) {
		t.Logf("seed %d", seed)
		line, rooms := h.stage(t, nil), openRooms(t, h)
		h.configure(t, line, body{"paused": true})
		busy := startTravellers(t, h, line, seed)
		h.configure(t, rooms.slow, body{"paused": false})
		// The crash comes when enough was done to mean something, and at any moment then.
		require.Eventually(t, func() bool { return busy.cancelled.Load() >= 5 }, startLimit, pollEvery)
		random := rand.New(rand.NewPCG(seed, travellers))
		waitUntil(t, time.Now().Add(time.Duration(random.IntN(300))*time.Millisecond))
		h.kill()
		travelled := busy.stop()

		h = reopenHouse(t, dir)
		for _, j := range travelled {
			j.buyer.house = h
		}
		requireKept(t, line, travelled)
		rooms.requireLimits(t, h)
	}
}

// rooms are two waiting rooms with limits that a crash must not stretch.
type rooms struct {
	slow, small         schedule
	slowLine, smallLine []*person
}

const (
	slowRate      = 4 // admissions per second of the slow room, which begins paused
	smallCapacity = 3 // of the small room, in which as many wait as are inside
)

func openRooms(t *testing.T, h *house) rooms {
	t.Helper()
	r := rooms{
		slow:      h.stage(t, body{"admitPerSecond": slowRate}),
		small:     h.stage(t, body{"capacity": smallCapacity}),
		smallLine: h.registerAll(t, 2*smallCapacity),
	}
	h.configure(t, r.slow, body{"paused": true})
	r.slowLine = joinAll(t, r.slow, h.registerAll(t, 3*slowRate))
	for _, p := range r.smallLine {
		p.join(r.small)
	}
	return r
}

// requireLimits checks, after a crash, that nobody more is inside than may be.
func (r rooms) requireLimits(t *testing.T, h *house) {
	t.Helper()
	now := h.queue(t, r.small)
	require.Equal(t, smallCapacity, now.Admitted)
	require.Equal(t, smallCapacity, now.Waiting)
	for i, p := range r.smallLine {
		p = p.at(h)
		token := p.place
		got := p.poll(r.small)
		require.Equal(t, token, got.Token)
		require.Equal(t, max(0, i-smallCapacity+1), got.Position)
	}
	r.smallLine[0].at(h).leave(r.small)
	require.Equal(t, "admitted", r.smallLine[smallCapacity].at(h).untilAdmitted(r.small).Status)
	require.Equal(t, 1, r.smallLine[smallCapacity+1].at(h).poll(r.small).Position)

	var admissions []time.Time
	for _, p := range r.slowLine {
		admissions = append(admissions, *p.at(h).untilAdmitted(r.slow).AdmittedAt)
	}
	requireRate(t, admissions, slowRate)
}

// What keeps a node busy before it dies.
const travellers, shows = 8, 6

// load is travellers under way.
type load struct {
	cancelled atomic.Int64 // journeys that went all the way
	journeys  [travellers][]*journey
	done      chan struct{}
	finish    func() // closes done
	all       sync.WaitGroup
}

func startTravellers(t *testing.T, h *house, line schedule, seed uint64) *load {
	t.Helper()
	l := &load{done: make(chan struct{})}
	l.finish = sync.OnceFunc(func() { close(l.done) })
	t.Cleanup(func() { l.stop() })
	var stages [shows]schedule
	for i := range stages {
		stages[i] = h.stage(t, body{"capacity": 10_000})
	}
	for i := range travellers {
		l.all.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			for n := 0; ; n++ {
				select {
				case <-l.done:
					return
				default:
				}
				j := &journey{buyer: h.nobody(t)}
				l.journeys[i] = append(l.journeys[i], j)
				if j.travel(line, stages[(i+n)%shows], random) {
					l.cancelled.Add(1)
				}
				if j.lost {
					return
				}
			}
		})
	}
	return l
}

// stop ends the journeys and returns all of them.
func (l *load) stop() []*journey {
	l.finish()
	l.all.Wait()
	return slices.Concat(l.journeys[:]...)
}

// requireKept checks that nothing that was acknowledged to travellers is lost, and sends
// again what was not.
func requireKept(t *testing.T, line schedule, travelled []*journey) {
	t.Helper()
	counts := make(map[string]int) // acknowledged deeds, by what was done
	checks := crowd(t, len(travelled), func(i int) (reply, error) {
		return reply{}, travelled[i].recheck(line)
	})
	require.Len(t, checks, len(travelled))
	unknown := 0
	for _, j := range travelled {
		require.Nil(t, j.odd, "%+v", j.odd)
		for _, d := range j.deeds {
			if d.known {
				counts[d.path[strings.LastIndexByte(d.path, '/')+1:]]++
			} else {
				unknown++
			}
		}
		if j.place != nil {
			counts["line"]++
		}
	}
	t.Logf("acknowledged before the crash: %v; sent again after it: %d", counts, unknown)
	for _, kind := range []string{"line", "charges", "reservations", "payments", "cancellation"} {
		require.Positive(t, counts[kind], "the crash came too early to mean anything: %v", counts)
	}
}

// recheck compares what a traveller was told before a crash with what is true after it.
func (j *journey) recheck(line schedule) error {
	if j.place != nil {
		r, err := j.buyer.try("GET", line.me(), nil, queueToken, j.place.Token)
		if err != nil {
			return err
		}
		// Nobody has left the line, so positions are what they were.
		if r.status != http.StatusOK || r.text("position") != fmt.Sprint(j.place.Position) || r.text("joinedAt") != instant(j.place.JoinedAt) {
			return fmt.Errorf("place %+v became %d %v", *j.place, r.status, r.body)
		}
	}
	balance := int64(0)
	for _, d := range j.deeds {
		again, err := j.buyer.try(d.method, d.path, d.payload, idempotencyKey, d.key)
		if err != nil {
			return err
		}
		replayed := again.header.Get(idempotencyReplayed) == "true"
		same := again.status == d.reply.status && (again.status >= 400 || fmt.Sprint(again.body) == fmt.Sprint(d.reply.body))
		if d.known && !(replayed && same) {
			return fmt.Errorf("%s %s was answered %d %v, and is now (replayed: %t) %d %v",
				d.method, d.path, d.reply.status, d.reply.body, replayed, again.status, again.body)
		}
		if again.status >= http.StatusInternalServerError {
			return fmt.Errorf("%s %s is answered %d %v", d.method, d.path, again.status, again.body)
		}
		if told := again.text("balance"); again.status == http.StatusCreated && told != "" {
			if _, err := fmt.Sscan(told, &balance); err != nil {
				return err
			}
		}
	}
	if len(j.deeds) == 0 {
		return nil
	}
	r, err := j.buyer.try("GET", j.buyer.path("/points"), nil)
	if err != nil {
		return err
	}
	// A traveller's deeds are done one after the other, so the last of them tells.
	if r.text("balance") != fmt.Sprint(balance) {
		return fmt.Errorf("the balance is %v after %+v", r.body, j.deeds)
	}
	return nil
}
