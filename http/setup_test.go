package http

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"boxoffice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What the fakes know.
const (
	knownConcert  = 3
	knownSchedule = 7
)

var (
	start     = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	userID    = uuid.MustParse("01939d3a-5c6e-7a11-8f00-5b2f6d1c9e01")
	otherID   = uuid.MustParse("01939d3a-5c6e-7a11-8f00-5b2f6d1c9e02")
	adminID   = uuid.MustParse("01939d3a-5c6e-7a11-8f00-5b2f6d1c9e03")
	strangeID = uuid.MustParse("01939d3a-5c6e-7a11-8f00-5b2f6d1c9e04") // never registered
	thingID   = uuid.MustParse("01939d3a-5c6e-7c33-8f00-5b2f6d1c9e05")
)

// fixture is an API over fakes. Unless a test says otherwise they know a concert, a
// schedule and two users, no key has an answer, and it is always the same time.
type fixture struct {
	*fakes

	t       testing.TB
	api     *api
	handler http.Handler
	keys    *Keys
	log     *logBuffer
}

// logBuffer is a log that a test can read.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newKeys(t testing.TB, seed byte) *Keys {
	t.Helper()
	keys, err := NewKeys(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	require.NoError(t, err)
	return keys
}

// setup makes a fixture; configure may change what the API is made of.
func setup(t testing.TB, configure ...func(*Config)) *fixture {
	t.Helper()
	f := &fixture{t: t, keys: newKeys(t, 1), log: &logBuffer{}}
	f.fakes = &fakes{
		t:   t,
		now: func() time.Time { return start },
		user: func(id uuid.UUID) (boxoffice.User, error) {
			if id != userID && id != otherID {
				return boxoffice.User{}, boxoffice.Errorf(boxoffice.CodeUserNotFound, "there is no such user")
			}
			return boxoffice.User{ID: id, Name: "Mina Park", CreatedAt: start}, nil
		},
		concert: func(id int64) (boxoffice.Concert, error) {
			if id != knownConcert {
				return boxoffice.Concert{}, boxoffice.Errorf(boxoffice.CodeConcertNotFound, "there is no such concert")
			}
			return boxoffice.Concert{ID: id, Title: "Winter Lights", Price: 12_000}, nil
		},
		schedule: func(id int64) (boxoffice.ScheduleInfo, error) {
			if id != knownSchedule {
				return boxoffice.ScheduleInfo{}, boxoffice.Errorf(boxoffice.CodeScheduleNotFound, "there is no such schedule")
			}
			return scheduleInfo(), nil
		},
		storedAnswer: func(boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) {
			return boxoffice.Outcome{}, false, nil
		},
	}
	config := Config{
		Log: slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Clock: f.fakes, Stopwatch: time.Now,
		Keys: f.keys, Health: f.fakes, Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = w.Write([]byte("up 1\n"))
		}),
		Users: f.fakes, Points: f.fakes, Catalogue: f.fakes, Organiser: f.fakes, Reservations: f.fakes, Payments: f.fakes,
		Answers: f.fakes, Seats: f.fakes, SeatMaps: f.fakes, WaitingRooms: f.fakes, Queues: f.fakes, Cluster: f.fakes,
	}
	for _, change := range configure {
		change(&config)
	}
	var err error
	f.api, err = newAPI(config)
	require.NoError(t, err)
	f.handler = f.api.router
	return f
}

// in passes the fixture to a subtest that runs alone.
func (f *fixture) in(t *testing.T) *fixture {
	t.Helper()
	inner := *f
	inner.t = t
	return &inner
}

func scheduleInfo() boxoffice.ScheduleInfo {
	return boxoffice.ScheduleInfo{
		Terms: boxoffice.Terms{
			ScheduleID: knownSchedule, ConcertID: knownConcert,
			StartsAt: start.AddDate(0, 1, 0), EndsAt: start.AddDate(0, 1, 0).Add(2 * time.Hour), TimeZone: "Asia/Seoul",
			SalesOpenAt: start, SalesCloseAt: start.AddDate(0, 1, 0), Price: 12_000,
		},
		Title: "Winter Lights", AvailableSeats: 42,
	}
}

// option changes a request.
type option func(*http.Request)

func with(name, value string) option { return func(r *http.Request) { r.Header.Set(name, value) } }

func without(name string) option { return func(r *http.Request) { r.Header.Del(name) } }

func key(value string) option { return with(idempotencyKeyHeader, value) }

func (f *fixture) as(id uuid.UUID) option {
	return with("Authorization", "Bearer "+f.accessToken(Caller{UserID: id}, time.Hour))
}

func (f *fixture) admin() option {
	return with("Authorization", "Bearer "+f.accessToken(Caller{UserID: adminID, Admin: true}, time.Hour))
}

func (f *fixture) accessToken(caller Caller, ttl time.Duration) string {
	f.t.Helper()
	token, _, err := f.keys.SignAccess(caller, f.now(), ttl)
	require.NoError(f.t, err)
	return token
}

func waitingClaims() queueClaims {
	return queueClaims{ScheduleID: knownSchedule, UserID: userID, Sequence: 5, JoinedAt: start.Add(-time.Minute).UnixMilli()}
}

func admittedClaims() queueClaims {
	claims := waitingClaims()
	claims.AdmittedUntil = start.Add(10 * time.Minute).UnixMilli()
	return claims
}

func (f *fixture) queue(claims queueClaims) option {
	return with(queueTokenHeader, f.keys.signQueue(claims))
}

// answer is a response that was found to keep to the OpenAPI document.
type answer struct {
	*httptest.ResponseRecorder

	t testing.TB
}

// do sends a request and checks its answer against the OpenAPI document and what the
// contract says of every answer.
func (f *fixture) do(method, target, body string, options ...option) answer {
	f.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, change := range options {
		change(r)
	}
	w := httptest.NewRecorder()
	f.handler.ServeHTTP(w, r)
	a := answer{ResponseRecorder: w, t: f.t}
	require.NotEmpty(f.t, w.Header().Get(requestIDHeader))
	f.checkDocumented(r, a)
	return a
}

// checkDocumented fails for a status, header or body that the document does not have.
func (f *fixture) checkDocumented(r *http.Request, a answer) {
	f.t.Helper()
	isProblem := a.Code >= 400
	if isProblem {
		require.Equal(f.t, problemType, a.Header().Get("Content-Type"))
	}
	if isProblem && a.Body.Len() > 0 {
		f.checkProblem(a)
	}
	op := f.documented(r)
	if op == nil || a.Code == http.StatusMethodNotAllowed || r.Method == http.MethodOptions {
		return
	}
	response := op.Responses[strconv.Itoa(a.Code)]
	require.NotNilf(f.t, response, "%s %s: status %d is not documented: %s", op.Method, op.Path, a.Code, a.Body)
	for _, name := range []string{"Location", "ETag", "Retry-After", "Link", "WWW-Authenticate", idempotencyReplayedHeader} {
		if a.Header().Get(name) != "" && response.Headers[name] == nil {
			require.Failf(f.t, "undocumented header", "%s %s: %d has %s", op.Method, op.Path, a.Code, name)
		}
	}
	if a.Body.Len() == 0 {
		return
	}
	contentType, _, _ := strings.Cut(a.Header().Get("Content-Type"), ";")
	media := response.Content[contentType]
	if media == nil {
		media = response.Content["*/*"]
	}
	require.NotNilf(f.t, media, "%s %s: %s is not documented", op.Method, op.Path, contentType)
	if media.Schema == nil || contentType == eventsType {
		return
	}
	var body any
	require.NoError(f.t, json.Unmarshal(a.Body.Bytes(), &body))
	result := &huma.ValidateResult{}
	huma.Validate(f.api.schemas, media.Schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, body, result)
	require.Emptyf(f.t, result.Errors, "%s %s: %s", op.Method, op.Path, a.Body)
	if isProblem {
		require.Containsf(f.t, media.Examples, a.code(), "%s %s: %s is not documented", op.Method, op.Path, a.code())
	}
}

// documented finds the operation that a request is for.
func (f *fixture) documented(r *http.Request) *huma.Operation {
	for pattern, item := range f.api.openapi.Paths {
		for _, op := range operationsOf(item) {
			method := r.Method
			if method == http.MethodHead {
				method = http.MethodGet
			}
			if op.Method == method && matchesPattern(pattern, r.URL.EscapedPath()) && isPlain(r.URL.EscapedPath()) {
				return op
			}
		}
	}
	return nil
}

func operationsOf(item *huma.PathItem) []*huma.Operation {
	var operations []*huma.Operation
	for _, op := range []*huma.Operation{item.Get, item.Post, item.Patch, item.Delete} {
		if op != nil {
			operations = append(operations, op)
		}
	}
	return operations
}

func matchesPattern(pattern, path string) bool {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return false
	}
	for i := range want {
		if want[i] != have[i] && (!strings.HasPrefix(want[i], "{") || have[i] == "") {
			return false
		}
	}
	return true
}

func (f *fixture) checkProblem(a answer) {
	f.t.Helper()
	p := a.problem()
	require.Equal(f.t, "/problems/"+string(p.Code), p.Type)
	require.Equal(f.t, a.Code, p.Status)
	require.NotEmpty(f.t, p.Title)
	require.NotEmpty(f.t, p.Detail)
	require.Equal(f.t, a.Header().Get(requestIDHeader), p.RequestID)
	require.Equal(f.t, a.Code == 429 || a.Code == 500 || a.Code == 503, p.Retryable)
	require.Equal(f.t, a.Code == 429 || a.Code == 503, a.Header().Get("Retry-After") != "")
	require.Equal(f.t, "no-store", a.Header().Get("Cache-Control"))
	require.Empty(f.t, a.Header().Get("ETag"))
}

func (a answer) problem() problem {
	a.t.Helper()
	var p problem
	require.NoErrorf(a.t, json.Unmarshal(a.Body.Bytes(), &p), "%s", a.Body)
	return p
}

func (a answer) code() string { return string(a.problem().Code) }

// refused requires a problem of this status and code.
func (a answer) refused(status int, code boxoffice.Code) problem {
	a.t.Helper()
	require.Equalf(a.t, status, a.Code, "%s", a.Body)
	p := a.problem()
	require.Equalf(a.t, code, p.Code, "%s", a.Body)
	return p
}

// succeeded requires a status and this JSON.
func (a answer) succeeded(status int, want string) {
	a.t.Helper()
	require.Equalf(a.t, status, a.Code, "%s", a.Body)
	require.Equal(a.t, "application/json", a.Header().Get("Content-Type"))
	require.JSONEq(a.t, want, a.Body.String())
}
