package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"boxoffice/cluster/localnats"
	"boxoffice/persistence/postgrestest"
)

// trio is three nodes on one Postgres, which they reach through a proxy and as a user with no
// more rights than they need.
type trio struct {
	nodes  []*house
	server string // URL of Postgres, for its superuser
	proxy  *postgrestest.Proxy
}

func startTrio(t *testing.T, environ ...string) *trio {
	t.Helper()
	server := postgrestest.Server(t)
	x := &trio{server: server.URL}
	x.sql(t, "CREATE ROLE app LOGIN PASSWORD 'app'",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app",
		"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO app")
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	u.User = url.UserPassword("app", "app")
	x.proxy = postgrestest.NewProxy(t, u.String())
	bus, err := localnats.Start(t.Context(), localnats.Config{StoreDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(bus.Stop)
	t.Cleanup(func() {
		if !t.Failed() {
			requireSoundBooks(context.Background(), t, server.URL)
		}
	})
	dir := t.TempDir()
	environ = append(environ, "BOXOFFICE_DATABASE_URL="+x.proxy.URL, "BOXOFFICE_NATS_URL="+bus.URL)
	for range 3 {
		x.nodes = append(x.nodes, reopenHouse(t, dir, environ...))
	}
	return x
}

// connect opens a session of the superuser, in which writing is allowed whatever the default.
func (x *trio) connect(t *testing.T, database string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(x.server)
	require.NoError(t, err)
	config.Database = database
	config.RuntimeParams["default_transaction_read_only"] = "off"
	connection, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close(context.Background()) })
	return connection
}

// sql runs statements in the service's database.
func (x *trio) sql(t *testing.T, statements ...string) {
	t.Helper()
	runSQL(t, x.connect(t, "boxoffice"), statements...)
}

func runSQL(t *testing.T, connection *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := connection.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

// request is one call that somebody makes, which may be sent again.
type request struct {
	p            *person
	method, path string
	payload      body
	key          string
}

func (p *person) posts(path string, payload body) request {
	return request{p, "POST", path, payload, newKey()}
}

func (p *person) gets(path string) request { return request{p: p, method: "GET", path: path} }

// sendTo sends a request to a node.
func (q request) sendTo(h *house) (reply, error) {
	return q.p.at(h).try(q.method, q.path, q.payload, idempotencyKey, q.key)
}

// unavailable sends requests to all nodes at once, and wants all to be told so. As far as
// their senders know they may have been carried out.
func (x *trio) unavailable(t *testing.T, requests ...request) {
	t.Helper()
	for i, r := range stampede(t, len(requests)*len(x.nodes), func(i int) (reply, error) {
		return requests[i/len(x.nodes)].sendTo(x.nodes[i%len(x.nodes)])
	}) {
		q := requests[i/len(x.nodes)]
		requireProblem(t, http.StatusServiceUnavailable, "unavailable", r, q.method+" "+q.path)
	}
}

// heals sends requests, each to one node after the other until it is answered with a success,
// and wants that in time. None may be answered with anything but unavailable until then.
func (x *trio) heals(t *testing.T, limit time.Duration, requests ...request) {
	t.Helper()
	began := time.Now()
	for i, r := range stampede(t, len(requests), func(i int) (reply, error) {
		for n := i; ; n++ {
			r, err := requests[i].sendTo(x.nodes[n%len(x.nodes)])
			if err != nil || r.status != http.StatusServiceUnavailable || time.Since(began) > limit {
				return r, err
			}
			if err := tryWaitUntil(t.Context(), time.Now().Add(pollEvery)); err != nil {
				return r, err
			}
		}
	}) {
		require.Less(t, r.status, http.StatusBadRequest, "%s %s: %v", requests[i].method, requests[i].path, r.body)
	}
	took := time.Since(began)
	require.Less(t, took, limit)
	t.Logf("all is well after %s", took)
}

// agree wants the waiting room to be as it should, at every node, promptly.
func (x *trio) agree(t *testing.T, s schedule, why string, wanted func(queue) bool) {
	t.Helper()
	began := time.Now()
	for _, h := range x.nodes {
		for got := h.queue(t, s); !wanted(got); got = h.queue(t, s) {
			require.Less(t, time.Since(began), promptly, "%s: %+v", why, got)
		}
	}
}

// count adds up what the nodes count of a metric, whatever its labels.
func (x *trio) count(t *testing.T, metric string) (total int) {
	t.Helper()
	for _, h := range x.nodes {
		content := h.fetch(h.url + "/metrics")
		for _, found := range regexp.MustCompile(`(?m)^`+metric+`(?:\{.*\})? (\S+)$`).FindAllStringSubmatch(content, -1) {
			value, err := strconv.ParseFloat(found[1], 64)
			require.NoError(t, err)
			total += int(value)
		}
	}
	return total
}

// readers look at a schedule, through all nodes, again and again.
type readers struct {
	cancel   context.CancelFunc
	all      sync.WaitGroup
	mu       sync.Mutex
	looks    int
	failures []string
}

// read starts readers of seats, the waiting room, and the places of those who wait.
func (x *trio) read(t *testing.T, s schedule, waiting ...*person) *readers {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &readers{cancel: cancel}
	t.Cleanup(func() { cancel(); r.all.Wait() })
	for _, h := range x.nodes {
		looks := []request{
			h.organiser(t).gets(s.path() + "/seats"),
			h.nobody(t).gets(s.path() + "/queue"),
		}
		for _, p := range waiting {
			looks = append(looks, p.gets(s.me()))
		}
		for _, look := range looks {
			r.all.Go(func() { r.look(ctx, look, h) })
		}
	}
	return r
}

func (r *readers) look(ctx context.Context, q request, h *house) {
	for ctx.Err() == nil {
		answer, err := q.sendTo(h)
		r.mu.Lock()
		r.looks++
		if err != nil || answer.status != http.StatusOK {
			r.failures = append(r.failures, fmt.Sprintf("%s: %d %v %v", q.path, answer.status, answer.body, err))
		}
		r.mu.Unlock()
		_ = tryWaitUntil(ctx, time.Now().Add(pollEvery))
	}
}

// stop wants that nobody was refused a look.
func (r *readers) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	r.all.Wait()
	require.Empty(t, strings.Join(r.failures, "\n"))
	require.Greater(t, r.looks, 100)
}
