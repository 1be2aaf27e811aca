package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
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

// journey is what one buyer did before the node died under it.
type journey struct {
	buyer *person
	deeds []deed
	place *place // in the line that nobody is let in from
}

// do sends a keyed request, and tells whether it was answered.
func (j *journey) do(method, path string, payload body) (reply, bool) {
	d := deed{method: method, path: path, key: newKey(), payload: payload}
	r, err := j.buyer.try(method, path, payload, idempotencyKey, d.key)
	d.reply, d.known = r, err == nil && r.status != http.StatusServiceUnavailable
	j.deeds = append(j.deeds, d)
	return r, d.known
}

// travel takes a new user as far as the node goes along: into the paused line, and to a
// seat that is paid and, sometimes, given back. It tells whether that was done.
func (j *journey) travel(line, show schedule, random *rand.Rand) bool {
	r, err := j.buyer.try("POST", "/users", body{"name": "Traveller"})
	if err != nil || r.status != http.StatusCreated {
		return false
	}
	j.buyer.id, j.buyer.token = r.text("userId"), r.text("accessToken")
	if r, err = j.buyer.try("POST", line.path()+"/queue-tokens", nil); err != nil || r.status != http.StatusCreated {
		return false
	}
	waiting := into[place](j.buyer.t, r)
	j.place = &waiting
	if r, err = j.buyer.try("POST", show.path()+"/queue-tokens", nil); err != nil || r.status != http.StatusCreated {
		return false
	}
	j.buyer.place = r.text("token")
	if _, ok := j.do("POST", j.buyer.path("/points/charges"), body{"amount": seatPrice + random.IntN(1000)}); !ok {
		return false
	}
	r, ok := j.do("POST", show.path()+"/reservations", body{"seatNumber": 1 + random.IntN(50)})
	if !ok || r.status != http.StatusCreated || random.IntN(4) == 0 {
		return false
	}
	r, ok = j.do("POST", "/payments", body{"reservationId": r.text("reservationId")})
	if !ok || random.IntN(2) == 0 {
		return false
	}
	r, ok = j.do("POST", "/payments/"+r.text("paymentId")+"/cancellation", nil)
	return ok && r.status == http.StatusCreated
}

// TestCrash kills a node that is busy, three times on the same data, and starts it again:
// whatever it had acknowledged is there, and what it had not, happens once when it is
// sent again. What became of the database is audited at the end.
func TestCrash(t *testing.T) {
	t.Parallel()
	const travellers, shows = 8, 6
	dir := t.TempDir()
	t.Cleanup(func() { auditBooks(t, dir) })
	h := reopenHouse(t, dir)
	for seed := range uint64(3) {
		t.Logf("seed %d", seed)
		line := h.stage(t, nil)
		h.configure(t, line, body{"paused": true})
		var stages [shows]schedule
		for i := range stages {
			stages[i] = h.stage(t, body{"capacity": 10_000})
		}
		journeys := make([][]*journey, travellers)
		dead := make(chan struct{})
		var cancelled atomic.Int64
		var all sync.WaitGroup
		for i := range travellers {
			all.Go(func() {
				random := rand.New(rand.NewPCG(seed, uint64(i)))
				for n := 0; ; n++ {
					select {
					case <-dead:
						return
					default:
					}
					j := &journey{buyer: h.nobody(t)}
					if j.travel(line, stages[(i+n)%shows], random) {
						cancelled.Add(1)
					}
					journeys[i] = append(journeys[i], j)
				}
			})
		}
		// The crash comes when enough was done to mean something, and at any moment then.
		require.Eventually(t, func() bool { return cancelled.Load() >= 5 }, startLimit, pollEvery)
		random := rand.New(rand.NewPCG(seed, travellers))
		waitUntil(t, time.Now().Add(time.Duration(random.IntN(300))*time.Millisecond))
		h.kill()
		close(dead)
		all.Wait()

		h = reopenHouse(t, dir)
		var travelled []*journey
		for _, some := range journeys {
			for _, j := range some {
				j.buyer.house = h
				travelled = append(travelled, j)
			}
		}
		requireKept(t, line, travelled)
	}
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
