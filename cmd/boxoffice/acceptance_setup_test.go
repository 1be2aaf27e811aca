package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice/persistence"
	"boxoffice/persistence/localpostgres"
)

// The acceptance tests know the program by its HTTP contract only. Each of them opens a
// house: a node in a process of its own, with its own embedded Postgres and NATS. When
// the test is over, the node is stopped and its database is audited.

// Bounds of the acceptance tests.
const (
	// soon is how long a test waits for what happens "within a second", on a machine
	// that is busy with other tests.
	soon = 10 * time.Second
	// clockSlack is how far the node's idea of the database's clock may be from this
	// process's, both on one machine.
	clockSlack = 50 * time.Millisecond
)

const (
	idempotencyKey      = "Idempotency-Key"
	idempotencyReplayed = "Idempotency-Replayed"
	queueToken          = "Queue-Token"
)

// house is a running node and what a test needs to know of it.
type house struct {
	*process
	environ []string
	admin   string // access token of an admin
	killed  bool
	exempt  bool // its errors are those that the test provokes
}

// openHouse starts a node on a new data directory.
func openHouse(t *testing.T, environ ...string) *house {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() { auditBooks(t, dir) })
	return reopenHouse(t, dir, environ...)
}

// reopenHouse starts a node on a data directory that may have been used before.
func reopenHouse(t *testing.T, dir string, environ ...string) *house {
	t.Helper()
	h := &house{environ: slices.Concat([]string{"BOXOFFICE_DATA_DIR=" + dir}, environ)}
	t.Cleanup(func() { h.requireGoodEnd(t) }) // after the node has stopped
	h.process = launchProcess(t, h.environ...)
	status, token, stderr := runProgram(t, []string{"token", "-role", "admin"}, h.environ...)
	require.Equal(t, exitStopped, status, stderr)
	h.admin = strings.TrimSpace(token)
	return h
}

// requireGoodEnd checks that a node that is gone has met neither an error of its own nor
// a data race, and that it stopped cleanly unless it was killed.
func (h *house) requireGoodEnd(t *testing.T) {
	if h.process == nil || t.Failed() {
		return
	}
	for line := range strings.SplitSeq(h.logged(), "\n") {
		if !h.exempt {
			require.NotContains(t, line, `"level":"ERROR"`)
		}
		require.NotContains(t, line, "DATA RACE")
	}
	if !h.killed {
		require.Equal(t, exitStopped, h.status)
	}
}

// auditBooks checks the database that a stopped node has left in its data directory.
func auditBooks(t *testing.T, dir string) {
	if t.Failed() {
		return // the node's log says more
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	server, err := localpostgres.Start(ctx, localpostgres.Config{DataDir: filepath.Join(dir, "postgres")})
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Stop(ctx)) }()
	requireSoundBooks(ctx, t, server.URL)
}

// requireSoundBooks checks everything that must hold of what a database keeps.
func requireSoundBooks(ctx context.Context, t *testing.T, url string) {
	t.Helper()
	database, err := persistence.Open(ctx, url, persistence.Config{})
	require.NoError(t, err)
	defer database.Close()
	violations, err := database.Check(ctx)
	require.NoError(t, err)
	require.Empty(t, violations)
	requireOperatorsAudit(ctx, t, url)
}

// person is somebody with an HTTP client: a user, an admin or nobody in particular.
type person struct {
	t     *testing.T
	house *house
	id    string // the user's
	token string // access token; empty: none is sent
	place string // the newest queue token; empty: none is sent
}

func (h *house) nobody(t *testing.T) *person    { return &person{t: t, house: h} }
func (h *house) organiser(t *testing.T) *person { return &person{t: t, house: h, token: h.admin} }

// register makes a new user.
func (h *house) register(t *testing.T, name string) *person {
	t.Helper()
	p := h.nobody(t)
	r := p.must(http.StatusCreated, "POST", "/users", body{"name": name})
	p.id, p.token = r.text("userId"), r.text("accessToken")
	return p
}

// registerAll makes n new users.
func (h *house) registerAll(t *testing.T, n int) []*person {
	t.Helper()
	people := make([]*person, n)
	for i := range people {
		people[i] = h.nobody(t)
	}
	replies := crowd(t, n, func(i int) (reply, error) {
		return people[i].try("POST", "/users", body{"name": fmt.Sprintf("Buyer %d", i+1)})
	})
	for i, r := range replies {
		require.Equal(t, http.StatusCreated, r.status, r.body)
		people[i].id, people[i].token = r.text("userId"), r.text("accessToken")
	}
	return people
}

// as is the same person in another test.
func (p *person) as(t *testing.T) *person {
	other := *p
	other.t = t
	return &other
}

// body is what is sent as JSON.
type body map[string]any

// try sends one request to the API; headers come in pairs and replace the person's own.
// A header of "" is not sent.
func (p *person) try(method, path string, payload body, headers ...string) (reply, error) {
	own := []string{"Authorization", "Bearer " + p.token, queueToken, p.place}
	if p.token == "" {
		own[1] = ""
	}
	var sent []string
	all := slices.Concat(own, headers)
	for i := 0; i < len(all); i += 2 {
		if replaced := i < len(own) && slices.Contains(headers, all[i]); all[i+1] != "" && !replaced {
			sent = append(sent, all[i], all[i+1])
		}
	}
	if payload == nil {
		return p.house.try(method, "/api/v1"+path, nil, sent...)
	}
	return p.house.try(method, "/api/v1"+path, payload, sent...)
}

// call sends one request and returns whatever is answered.
func (p *person) call(method, path string, payload body, headers ...string) reply {
	p.t.Helper()
	r, err := p.try(method, path, payload, headers...)
	require.NoError(p.t, err)
	require.NotEmpty(p.t, r.header.Get("X-Request-Id"))
	return r
}

// must sends a request that has to succeed in a certain way.
func (p *person) must(status int, method, path string, payload body, headers ...string) reply {
	p.t.Helper()
	r := p.call(method, path, payload, headers...)
	require.Equal(p.t, status, r.status, "%s %s: %v", method, path, r.body)
	return r
}

func (p *person) get(path string, headers ...string) reply {
	p.t.Helper()
	return p.must(http.StatusOK, "GET", path, nil, headers...)
}

// refused sends a request that has to be refused in a certain way.
func (p *person) refused(status int, code, method, path string, payload body, headers ...string) reply {
	p.t.Helper()
	r := p.call(method, path, payload, headers...)
	requireProblem(p.t, status, code, r, method+" "+path)
	return r
}

// requireProblem checks that a reply is a certain problem, and whole.
func requireProblem(t *testing.T, status int, code string, r reply, about ...any) {
	t.Helper()
	require.Equal(t, status, r.status, "%v: %v", about, r.body)
	require.Equal(t, code, r.text("code"), "%v: %v", about, r.body)
	require.Equal(t, "application/problem+json", r.header.Get("Content-Type"))
	require.Equal(t, strconv.Itoa(status), r.text("status"))
	require.True(t, strings.HasPrefix(r.text("type"), "/problems/"), r.body)
	require.NotEmpty(t, r.text("title"))
	require.NotEmpty(t, r.text("detail"))
	require.Equal(t, r.header.Get("X-Request-Id"), r.text("requestId"))
	retryable := status == http.StatusTooManyRequests || status == http.StatusInternalServerError ||
		status == http.StatusServiceUnavailable
	require.Equal(t, retryable, r.body["retryable"], r.body)
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		seconds, err := strconv.Atoi(r.header.Get("Retry-After"))
		require.NoError(t, err)
		require.Positive(t, seconds)
	}
	if code == "invalid-request" {
		require.NotEmpty(t, r.body["errors"], r.body)
	}
}

// requireMembers checks that a JSON object has these members and no other.
func requireMembers(t *testing.T, object map[string]any, members ...string) {
	t.Helper()
	got := make([]string, 0, len(object))
	for member := range object {
		got = append(got, member)
	}
	require.ElementsMatch(t, members, got)
}

// into reads a reply's body as a T.
func into[T any](t *testing.T, r reply) T {
	t.Helper()
	value, err := decode[T](r)
	require.NoError(t, err, "%v", r.body)
	return value
}

func decode[T any](r reply) (value T, err error) {
	encoded, err := json.Marshal(r.body)
	if err != nil {
		return value, err
	}
	err = json.Unmarshal(encoded, &value)
	return value, err
}

// crowdSize is how many requests a crowd has under way at a time.
const crowdSize = 48

// crowd makes n requests, as many at a time as is polite.
func crowd(t *testing.T, n int, request func(i int) (reply, error)) []reply {
	t.Helper()
	return together(t, n, crowdSize, request)
}

// stampede makes n requests at once.
func stampede(t *testing.T, n int, request func(i int) (reply, error)) []reply {
	t.Helper()
	return together(t, n, n, request)
}

// together makes n requests from a number of goroutines that begin at the same time.
func together(t *testing.T, n, workers int, request func(i int) (reply, error)) []reply {
	t.Helper()
	replies, errs := make([]reply, n), make([]error, n)
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for range min(workers, n) {
		all.Go(func() {
			<-begin
			for i := range next {
				replies[i], errs[i] = request(i)
			}
		})
	}
	close(begin)
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return replies
}

// waitUntil returns at a time, which the node told or which follows from what it told.
func waitUntil(t *testing.T, at time.Time) {
	t.Helper()
	require.NoError(t, tryWaitUntil(t.Context(), at))
}

func tryWaitUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait until %s: %w", at, ctx.Err())
	}
}

// newKey is an idempotency key that nobody has used.
func newKey() string { return uuid.NewString() }
