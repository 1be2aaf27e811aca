package http

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
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

// fakes is every interface that the API consumes. A test sets the functions that it
// expects to be called; a call of any other fails it.
type fakes struct {
	t *testing.T

	now            func() time.Time
	ready          func() error
	createUser     func(boxoffice.User) error
	user           func(uuid.UUID) (boxoffice.User, error)
	balance        func(uuid.UUID) (int64, error)
	charge         func(boxoffice.Operation, uuid.UUID, int64, time.Time) (boxoffice.Outcome, error)
	history        func(uuid.UUID, boxoffice.PageRequest) (boxoffice.Page[boxoffice.LedgerEntry], error)
	concerts       func(boxoffice.PageRequest) (boxoffice.Page[boxoffice.Concert], error)
	concert        func(int64) (boxoffice.Concert, error)
	schedules      func(boxoffice.ScheduleFilter, time.Time, boxoffice.PageRequest) (boxoffice.Page[boxoffice.ScheduleInfo], error)
	schedule       func(int64) (boxoffice.ScheduleInfo, error)
	createConcert  func(boxoffice.NewConcert) (boxoffice.Concert, error)
	createSchedule func(boxoffice.NewSchedule, time.Time) (boxoffice.ScheduleInfo, error)
	reservation    func(uuid.UUID, time.Time) (boxoffice.Reservation, error)
	reservations   func(uuid.UUID, boxoffice.ReservationStatus, time.Time, boxoffice.PageRequest) (boxoffice.Page[boxoffice.Reservation], error)
	payment        func(uuid.UUID) (boxoffice.Payment, error)
	payments       func(uuid.UUID, boxoffice.PageRequest) (boxoffice.Page[boxoffice.Payment], error)
	storedAnswer   func(boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error)
	hold           func(int64, boxoffice.Hold) (boxoffice.Outcome, error)
	release        func(int64, boxoffice.Release) (boxoffice.Outcome, error)
	pay            func(int64, boxoffice.Pay) (boxoffice.Outcome, error)
	cancelSale     func(int64, boxoffice.CancelSale) (boxoffice.Outcome, error)
	seatMap        func(int64, *boxoffice.Admission) (boxoffice.SeatMap, error)
	join           func(int64, uuid.UUID) (boxoffice.Place, bool, error)
	place          func(int64, uuid.UUID, uint64) (boxoffice.Place, error)
	leave          func(int64, uuid.UUID, uint64, bool) error
	queueStatus    func(int64) (boxoffice.QueueStatus, error)
	configureQueue func(int64, boxoffice.Configure) (boxoffice.QueueStatus, error)
}

// called fails the test if a function that it did not set is needed.
func called[F any](f *fakes, name string, set bool, fn F) F {
	f.t.Helper()
	if !set {
		f.t.Errorf("%s was called", name)
	}
	return fn
}

func (f *fakes) Now() time.Time { return f.now() }

func (f *fakes) Ready(context.Context) error {
	return called(f, "Ready", f.ready != nil, f.ready)()
}

func (f *fakes) CreateUser(_ context.Context, user boxoffice.User) error {
	return called(f, "CreateUser", f.createUser != nil, f.createUser)(user)
}

func (f *fakes) User(_ context.Context, id uuid.UUID) (boxoffice.User, error) {
	return called(f, "User", f.user != nil, f.user)(id)
}

func (f *fakes) Balance(_ context.Context, id uuid.UUID) (int64, error) {
	return called(f, "Balance", f.balance != nil, f.balance)(id)
}

func (f *fakes) Charge(_ context.Context, op boxoffice.Operation, id uuid.UUID, amount int64, now time.Time) (boxoffice.Outcome, error) {
	return called(f, "Charge", f.charge != nil, f.charge)(op, id, amount, now)
}

func (f *fakes) PointsHistory(_ context.Context, id uuid.UUID, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.LedgerEntry], error) {
	return called(f, "PointsHistory", f.history != nil, f.history)(id, page)
}

func (f *fakes) Concerts(_ context.Context, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.Concert], error) {
	return called(f, "Concerts", f.concerts != nil, f.concerts)(page)
}

func (f *fakes) Concert(_ context.Context, id int64) (boxoffice.Concert, error) {
	return called(f, "Concert", f.concert != nil, f.concert)(id)
}

func (f *fakes) Schedules(_ context.Context, filter boxoffice.ScheduleFilter, now time.Time, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.ScheduleInfo], error) {
	return called(f, "Schedules", f.schedules != nil, f.schedules)(filter, now, page)
}

func (f *fakes) Schedule(_ context.Context, id int64) (boxoffice.ScheduleInfo, error) {
	return called(f, "Schedule", f.schedule != nil, f.schedule)(id)
}

func (f *fakes) CreateConcert(_ context.Context, concert boxoffice.NewConcert) (boxoffice.Concert, error) {
	return called(f, "CreateConcert", f.createConcert != nil, f.createConcert)(concert)
}

func (f *fakes) CreateSchedule(_ context.Context, schedule boxoffice.NewSchedule, now time.Time) (boxoffice.ScheduleInfo, error) {
	return called(f, "CreateSchedule", f.createSchedule != nil, f.createSchedule)(schedule, now)
}

func (f *fakes) Reservation(_ context.Context, id uuid.UUID, now time.Time) (boxoffice.Reservation, error) {
	return called(f, "Reservation", f.reservation != nil, f.reservation)(id, now)
}

func (f *fakes) UserReservations(_ context.Context, id uuid.UUID, status boxoffice.ReservationStatus, now time.Time, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.Reservation], error) {
	return called(f, "UserReservations", f.reservations != nil, f.reservations)(id, status, now, page)
}

func (f *fakes) Payment(_ context.Context, id uuid.UUID) (boxoffice.Payment, error) {
	return called(f, "Payment", f.payment != nil, f.payment)(id)
}

func (f *fakes) UserPayments(_ context.Context, id uuid.UUID, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.Payment], error) {
	return called(f, "UserPayments", f.payments != nil, f.payments)(id, page)
}

func (f *fakes) StoredAnswer(_ context.Context, key boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) {
	return called(f, "StoredAnswer", f.storedAnswer != nil, f.storedAnswer)(key)
}

func (f *fakes) Hold(_ context.Context, id int64, cmd boxoffice.Hold) (boxoffice.Outcome, error) {
	return called(f, "Hold", f.hold != nil, f.hold)(id, cmd)
}

func (f *fakes) Release(_ context.Context, id int64, cmd boxoffice.Release) (boxoffice.Outcome, error) {
	return called(f, "Release", f.release != nil, f.release)(id, cmd)
}

func (f *fakes) Pay(_ context.Context, id int64, cmd boxoffice.Pay) (boxoffice.Outcome, error) {
	return called(f, "Pay", f.pay != nil, f.pay)(id, cmd)
}

func (f *fakes) CancelSale(_ context.Context, id int64, cmd boxoffice.CancelSale) (boxoffice.Outcome, error) {
	return called(f, "CancelSale", f.cancelSale != nil, f.cancelSale)(id, cmd)
}

func (f *fakes) SeatMap(_ context.Context, id int64, admission *boxoffice.Admission) (boxoffice.SeatMap, error) {
	return called(f, "SeatMap", f.seatMap != nil, f.seatMap)(id, admission)
}

func (f *fakes) Join(_ context.Context, id int64, user uuid.UUID) (boxoffice.Place, bool, error) {
	return called(f, "Join", f.join != nil, f.join)(id, user)
}

func (f *fakes) Place(_ context.Context, id int64, user uuid.UUID, sequence uint64) (boxoffice.Place, error) {
	return called(f, "Place", f.place != nil, f.place)(id, user, sequence)
}

func (f *fakes) Leave(_ context.Context, id int64, user uuid.UUID, sequence uint64, admitted bool) error {
	return called(f, "Leave", f.leave != nil, f.leave)(id, user, sequence, admitted)
}

func (f *fakes) QueueStatus(_ context.Context, id int64) (boxoffice.QueueStatus, error) {
	return called(f, "QueueStatus", f.queueStatus != nil, f.queueStatus)(id)
}

func (f *fakes) ConfigureQueue(_ context.Context, id int64, configure boxoffice.Configure) (boxoffice.QueueStatus, error) {
	return called(f, "ConfigureQueue", f.configureQueue != nil, f.configureQueue)(id, configure)
}

// fixture is an API over fakes. Unless a test says otherwise they know a concert, a
// schedule and two users, no key has an answer, and it is always the same time.
type fixture struct {
	*fakes

	t       *testing.T
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
func setup(t *testing.T, configure ...func(*Config)) *fixture {
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
		Log: slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Clock: f.fakes, Stopwatch: func() time.Time { return start },
		Keys: f.keys, Health: f.fakes, Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("up 1\n"))
		}),
		Users: f.fakes, Points: f.fakes, Catalogue: f.fakes, Organiser: f.fakes, Reservations: f.fakes, Payments: f.fakes,
		Answers: f.fakes, Seats: f.fakes, SeatMaps: f.fakes, WaitingRooms: f.fakes, Queues: f.fakes,
	}
	for _, change := range configure {
		change(&config)
	}
	var err error
	f.api, err = newAPI(config)
	require.NoError(t, err)
	limit, err := newRateLimit(config.RateLimit)
	require.NoError(t, err)
	f.handler = f.api.handler(limit)
	return f
}

// in gives the fixture to a subtest that runs alone.
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
	return queueClaims{ScheduleID: knownSchedule, UserID: userID, Sequence: 5}
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

	t *testing.T
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
	response := op.Responses[statusText(a.Code)]
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
	if media.Schema == nil {
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
	for pattern, item := range f.api.huma.OpenAPI().Paths {
		for _, op := range operationsOf(item) {
			method := r.Method
			if method == http.MethodHead {
				method = http.MethodGet
			}
			if op.Method == method && matchesPattern(pattern, r.URL.Path) {
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
