//go:build long

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice/internal/apiclient"
)

// TestBalancer needs haproxy on the PATH: go test -tags long ./cmd/boxcluster
//
// Clients behind the load balancer of docker-compose.yml, who ask once more when they are
// told that something is unavailable, see nothing of a node that is killed, nor of one
// that drains, as long as what they ask may be asked twice.
func TestBalancer(t *testing.T) {
	t.Setenv("BOXOFFICE_DRAIN_DELAY", "1s")
	c := start(t, "-haproxy", "../../deploy/haproxy.cfg", "-front", "127.0.0.1:0")
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		for _, node := range []string{"node-1", "node-2", "node-3"} {
			clients := startClients(c)
			pid, err := strconv.Atoi(c.file(node + ".pid"))
			require.NoError(t, err)
			clients.await(t, 100)
			require.NoError(t, syscall.Kill(pid, sig))
			require.Eventually(t, func() bool {
				again := c.file(node + ".pid")
				return again != "" && again != strconv.Itoa(pid) && c.get(node, "/readyz") == http.StatusOK
			}, startLimit, pollEvery)
			clients.await(t, 100)
			require.Empty(t, clients.end(), "%s of %s", sig, node)
		}
	}
	require.Equal(t, exitStopped, c.stop(), c.stderr)
}

// clients ask the balancer for things that may be asked twice.
type clients struct {
	cluster  *running
	answered atomic.Int64
	done     chan struct{}
	all      sync.WaitGroup
	mu       sync.Mutex
	failures []string
}

func startClients(c *running) *clients {
	const many = 8
	l := &clients{cluster: c, done: make(chan struct{})}
	for range many {
		l.all.Go(l.ask)
	}
	return l
}

// await returns when so many more requests are answered.
func (l *clients) await(t *testing.T, more int64) {
	t.Helper()
	wanted := l.answered.Load() + more
	require.Eventually(t, func() bool { return l.answered.Load() >= wanted }, startLimit, pollEvery)
}

// end stops the clients and returns their refusals.
func (l *clients) end() []string {
	close(l.done)
	l.all.Wait()
	return l.failures
}

func (l *clients) ask() {
	var user struct{ UserID, AccessToken string }
	l.do(http.MethodPost, "/users", map[string]any{"name": "Mina"}, &user)
	charges := "/users/" + user.UserID + "/points/charges"
	for i := 0; ; i++ {
		select {
		case <-l.done:
			return
		default:
		}
		l.do(http.MethodGet, "/schedules/"+strconv.Itoa(1+i%4)+"/queue", nil, nil)
		l.do(http.MethodPost, charges, map[string]any{"amount": 1}, nil,
			"Authorization", "Bearer "+user.AccessToken, "Idempotency-Key", uuid.NewString())
	}
}

var errUnavailable = errors.New("unavailable")

func (l *clients) do(method, path string, payload, answer any, headers ...string) {
	err := l.try(method, path, payload, answer, headers...)
	if errors.Is(err, errUnavailable) {
		err = l.try(method, path, payload, answer, headers...)
	}
	l.answered.Add(1)
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.failures = append(l.failures, fmt.Sprintf("%s %s: %v", method, path, err))
	}
}

func (l *clients) try(method, path string, payload, answer any, headers ...string) error {
	response, err := l.cluster.api.Do(l.cluster.t.Context(), apiclient.Request{
		Method: method, URL: l.cluster.file("haproxy.url") + "/api/v1" + path, Body: payload, Headers: headers,
	})
	if err != nil {
		return err
	}
	if response.Status == http.StatusServiceUnavailable {
		return fmt.Errorf("%w: %s", errUnavailable, response.Body)
	}
	if response.Status >= http.StatusMultipleChoices {
		return fmt.Errorf("%d: %s", response.Status, response.Body)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(response.Body, answer)
}
