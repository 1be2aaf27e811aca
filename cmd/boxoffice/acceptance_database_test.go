package main

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice/persistence/localpostgres"
)

// TestDatabaseGoesAway stops the Postgres of a busy node without ceremony and starts it
// again. The node says 503 meanwhile, comes back by itself and has lost nothing.
func TestDatabaseGoesAway(t *testing.T) {
	t.Parallel()
	config := localpostgres.Config{DataDir: t.TempDir()}
	server, err := localpostgres.Start(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.StopImmediate(context.Background())) })
	t.Cleanup(func() {
		if !t.Failed() {
			requireSoundBooks(context.Background(), t, server.URL)
		}
	})
	environ := []string{"BOXOFFICE_DATABASE_URL=" + server.URL, "BOXOFFICE_DATA_DIR=" + t.TempDir()}
	status, _, stderr := runProgram(t, []string{"migrate"}, environ...)
	require.Equal(t, exitStopped, status, stderr)
	h := reopenHouse(t, environ[1][len("BOXOFFICE_DATA_DIR="):], environ[0])

	s := h.stage(t, body{"capacity": 2})
	owner, looker, waiting := h.register(t, "Owner"), h.register(t, "Looker"), h.register(t, "Waiting")
	owner.charge(seatPrice)
	owner.enter(s)
	looker.enter(s)
	place := waiting.join(s)
	hold := owner.hold(s, 1)

	line := h.stage(t, nil)
	h.configure(t, line, body{"paused": true})
	busy, chargers := startTravellers(t, h, line, 0), startChargers(t, h, 4)
	require.Eventually(t, func() bool { return chargers.done.Load() >= 20 && busy.cancelled.Load() >= 5 }, startLimit, pollEvery)
	require.NoError(t, server.StopImmediate(t.Context()))
	require.Eventually(t, func() bool {
		r, err := h.try("GET", "/readyz", nil)
		return err == nil && r.status == http.StatusServiceUnavailable
	}, soon, pollEvery, "a node without its database says that it is ready")
	require.Equal(t, http.StatusOK, h.call("GET", "/livez", nil).status)
	pay := body{"reservationId": hold.ReservationID}
	for _, call := range []struct {
		p            *person
		method, path string
		payload      body
	}{
		{owner, "POST", "/payments", pay},
		{owner, "POST", owner.path("/points/charges"), body{"amount": 1}},
		{owner, "GET", owner.path("/points"), nil},
		{looker, "POST", s.path() + "/reservations", body{"seatNumber": 2}},
		{looker, "POST", "/users", body{"name": "Nobody"}},
	} {
		call.p.refused(http.StatusServiceUnavailable, "unavailable", call.method, call.path, call.payload, idempotencyKey, "outage")
	}

	config.Port = server.Port
	again, err := localpostgres.Start(t.Context(), config)
	require.NoError(t, err)
	server = again
	restarted := time.Now()
	require.Eventually(t, func() bool {
		r, err := owner.try("POST", "/payments", pay, idempotencyKey, "outage")
		return err == nil && r.status == http.StatusCreated
	}, soon, pollEvery, "the node does not find back to its database")
	t.Logf("paying was possible again after %s", time.Since(restarted))
	waiting.untilAdmitted(s)
	require.Equal(t, place.JoinedAt, waiting.poll(s).JoinedAt)
	looker.hold(s, 2)
	require.Zero(t, owner.balance())
	require.Eventually(t, func() bool {
		r, err := h.try("GET", "/readyz", nil)
		return err == nil && r.status == http.StatusOK
	}, soon, pollEvery)
	chargers.settle(t)
	requireKept(t, line, busy.stop())
}

// chargers are users who charge one point after the other, whatever happens.
type chargers struct {
	people  []*person
	charged []int64 // acknowledged, by person
	odd     []reply // answers that are neither a success nor unavailable
	errs    []error
	done    atomic.Int64
	refused atomic.Int64
	stop    context.CancelFunc
	all     sync.WaitGroup
	mu      sync.Mutex
}

func startChargers(t *testing.T, h *house, n int) *chargers {
	ctx, cancel := context.WithCancel(t.Context())
	c := &chargers{people: h.registerAll(t, n), charged: make([]int64, n), stop: cancel}
	t.Cleanup(func() { cancel(); c.all.Wait() })
	for i := range n {
		c.all.Go(func() {
			for key := newKey(); ctx.Err() == nil; {
				r, err := c.people[i].try("POST", c.people[i].path("/points/charges"), body{"amount": 1}, idempotencyKey, key)
				switch {
				case err == nil && r.status == http.StatusCreated:
					key = newKey()
					c.charged[i]++
					c.done.Add(1)
				case err == nil && r.status == http.StatusServiceUnavailable && r.header.Get("Retry-After") != "":
					c.refused.Add(1) // the same key is sent again
					_ = tryWaitUntil(ctx, time.Now().Add(pollEvery))
				default:
					c.mu.Lock()
					c.odd, c.errs = append(c.odd, r), append(c.errs, err)
					c.mu.Unlock()
					return
				}
			}
		})
	}
	return c
}

// settle waits until every charger has charged again, stops them and counts.
func (c *chargers) settle(t *testing.T) {
	t.Helper()
	seen := c.done.Load()
	require.Eventually(t, func() bool { return c.done.Load() > seen+20 }, soon, pollEvery)
	c.stop()
	c.all.Wait()
	require.Empty(t, c.odd, c.errs)
	require.Positive(t, c.refused.Load(), "nobody noticed the outage")
	for i, p := range c.people {
		require.Equal(t, c.charged[i], p.balance(), "acknowledged charges and the balance")
	}
}
