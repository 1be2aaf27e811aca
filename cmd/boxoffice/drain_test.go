package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// TestOneOfThreeDrainsUnderLoad tells one of three busy nodes to stop. Nobody who goes to
// another node instead notices more than that, and its open streams do not hold it up.
func TestOneOfThreeDrainsUnderLoad(t *testing.T) {
	t.Parallel()
	environ := onDatabase(t, sharedKey(t), "BOXOFFICE_NATS_URL="+startNATS(t, server.Options{}))
	var houses []*house
	for range 3 {
		houses = append(houses, reopenHouse(t, t.TempDir(), environ...))
	}
	shows := stageSome(t, houses[0])
	leaving := houses[1]
	streamed := leaving.register(t, "Reader").follow(shows[0])

	visits := startVisitors(t, houses, shows[1:])
	visits.await(t, 60)
	began := time.Now()
	leaving.signal(syscall.SIGTERM)
	require.Equal(t, exitStopped, leaving.wait(), leaving.logged())
	require.Less(t, time.Since(began), stopLimit)
	select {
	case err := <-streamed:
		require.NoError(t, err, "a stream that ends with its node ends well")
	case <-time.After(soon):
		require.FailNow(t, "the stream goes on")
	}
	visits.await(t, 60)
	require.Empty(t, visits.end())
}

// follow opens the stream of a place that waits, and sends what becomes of it.
func (p *person) follow(s schedule) <-chan error {
	p.t.Helper()
	p.house.configure(p.t, s, body{"paused": true})
	require.Equal(p.t, "waiting", p.join(s).Status)
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.house.url+"/api/v1"+s.me()+"/events", nil)
	require.NoError(p.t, err)
	request.Header.Set(queueToken, p.place)
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = response.Body.Close() })
	require.Equal(p.t, http.StatusOK, response.StatusCode)
	ended := make(chan error, 1)
	go func() { // ends with the response's body
		_, err := io.Copy(io.Discard, response.Body)
		ended <- err
	}()
	return ended
}

// visits are people who hold seats and let them go again, each at whatever node answers.
type visits struct {
	houses   []*house
	done     chan struct{}
	all      sync.WaitGroup
	ended    atomic.Int64
	mu       sync.Mutex
	failures []string
}

func startVisitors(t *testing.T, houses []*house, shows []schedule) *visits {
	t.Helper()
	const visitors = 9
	v := &visits{houses: houses, done: make(chan struct{})}
	for i, visitor := range houses[0].registerAll(t, visitors) {
		v.all.Go(func() {
			for turn := i; ; turn++ {
				select {
				case <-v.done:
					return
				default:
				}
				if err := v.visit(visitor, shows[turn%len(shows)], i+1, turn); err != nil {
					v.mu.Lock()
					v.failures = append(v.failures, err.Error())
					v.mu.Unlock()
				}
				v.ended.Add(1)
			}
		})
	}
	return v
}

// await returns when so many more visits have ended.
func (v *visits) await(t *testing.T, more int64) {
	t.Helper()
	wanted := v.ended.Load() + more
	require.Eventually(t, func() bool { return v.ended.Load() >= wanted }, startLimit, pollEvery)
}

// end stops the clients and reports what went wrong.
func (v *visits) end() []string {
	close(v.done)
	v.all.Wait()
	return v.failures
}

func (v *visits) visit(p *person, s schedule, seat, turn int) error {
	r, err := v.ask(p, turn, "POST", s.path()+"/queue-tokens", nil, http.StatusCreated, http.StatusOK)
	if err != nil {
		return err
	}
	p.place = r.text("token")
	key := newKey()
	r, err = v.ask(p, turn+1, "POST", s.path()+"/reservations", body{"seatNumber": seat}, http.StatusCreated, http.StatusOK, idempotencyKey, key)
	if err != nil {
		return err
	}
	if _, err = v.ask(p, turn+2, "DELETE", "/reservations/"+r.text("reservationId"), nil, http.StatusNoContent, http.StatusNoContent); err != nil {
		return err
	}
	_, err = v.ask(p, turn, "DELETE", s.me(), nil, http.StatusNoContent, http.StatusNoContent)
	return err
}

// ask goes to one node after the other until one answers with one of two statuses.
func (v *visits) ask(p *person, first int, method, path string, payload body, status, orStatus int, headers ...string) (reply, error) {
	var r reply
	var err error
	for i := range v.houses {
		r, err = p.at(v.houses[(first+i)%len(v.houses)]).try(method, path, payload, headers...)
		if err == nil && slices.Contains([]int{status, orStatus}, r.status) {
			return r, nil
		}
		if err == nil && r.status != http.StatusServiceUnavailable {
			break
		}
	}
	return r, errors.Join(fmt.Errorf("%s %s: %d %v", method, path, r.status, r.body), err)
}
