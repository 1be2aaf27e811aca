package http

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
)

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, target := range []string{
		"/nothing", "/api", "/api/v1", "/api/v1/", "/api/v2/concerts", "/api/v1/concerts/", "/api/v1/concerts/3/", "//api/v1/concerts", "/API/v1/concerts",
		"/api/v1/concerts//schedules", "/api/v1/schedules//queue", "/api/v1/schedules//seats", "/api/v1/users//points", "/api/v1//schedules/7/queue",
		"/api/v1/schedules/7/events", "/api/v1/admin", "/problems/", "/problems/nothing", "/docs/", "/docs/x", "/openapi.yaml",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "OPTIONS", "TRACE", "PURGE", "get"} {
			if method != "GET" && method != "HEAD" && (strings.HasPrefix(target, "/problems/n") || target == "/docs/x") {
				continue // these paths have a route
			}
			f.do(method, target, "", f.admin()).refused(404, boxoffice.CodeNotFound)
		}
	}
	for target, allow := range map[string]string{
		"/api/v1/users":                          "POST, OPTIONS",
		"/api/v1/concerts":                       "GET, HEAD, OPTIONS",
		placeTarget:                              "GET, HEAD, DELETE, OPTIONS",
		reservationTarget:                        "GET, HEAD, DELETE, OPTIONS",
		"/api/v1/admin/schedules/7/queue":        "PATCH, OPTIONS",
		"/api/v1/schedules/unknown/reservations": "POST, OPTIONS",
		"/livez":                                 "GET, HEAD, OPTIONS",
	} {
		for _, method := range []string{"PUT", "TRACE", "PURGE", "get", "CONNECT"} {
			a := f.do(method, target, "{")
			a.refused(405, boxoffice.CodeMethodNotAllowed)
			require.Equal(t, allow, a.Header().Get("Allow"))
		}
		a := f.do("OPTIONS", target, "")
		require.Equal(t, 204, a.Code)
		require.Equal(t, allow, a.Header().Get("Allow"))
	}
	f.do("HEAD", "/api/v1/users", "").refused(405, boxoffice.CodeMethodNotAllowed)
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, id := range []string{"abc", "01939d3a-5c6e-7a11-8f00-5b2f6d1c9e01", "a/b+c=d@e_f.g:h", strings.Repeat("x", maxRequestID)} {
		require.Equal(t, id, f.do("GET", "/livez", "", with(requestIDHeader, id)).Header().Get(requestIDHeader))
	}
	for _, id := range []string{"", "a b", "a\nb", `"`, "<x>", "é", strings.Repeat("x", maxRequestID+1)} {
		_, err := uuid.Parse(f.do("GET", "/nothing", "", with(requestIDHeader, id)).Header().Get(requestIDHeader))
		require.NoError(t, err)
	}
}

func TestTraceContext(t *testing.T) {
	t.Parallel()
	f := setup(t)
	const traceID, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for value, flags := range map[string]string{
		"00-" + traceID + "-" + span + "-01":       "01",
		"00-" + traceID + "-" + span + "-00":       "00",
		"cc-" + traceID + "-" + span + "-01-later": "01",
	} {
		got := f.do("GET", "/livez", "", with("traceparent", value)).Header().Get("Traceparent")
		require.Regexp(t, "^00-"+traceID+"-[0-9a-f]{16}-"+flags+"$", got)
		require.NotContains(t, got, span)
	}
	require.Contains(t, f.log.String(), "traceId="+traceID)
	for _, value := range []string{
		"", "x", "00-" + traceID + "-" + span, "ff-" + traceID + "-" + span + "-01", "00-" + traceID + "-" + span + "-01-more",
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01", "00-" + traceID + "-" + strings.Repeat("0", 16) + "-01",
		"00-" + strings.ToUpper(traceID) + "-" + span + "-01", "0-" + traceID + "-" + span + "-01", "00-" + traceID[:31] + "-" + span + "-01",
		"00-" + traceID + "-" + span + "-1g",
	} {
		require.Empty(t, f.do("GET", "/livez", "", with("traceparent", value)).Header().Get("Traceparent"), value)
	}
}

func TestPanicsAndUnknownErrorsAreInternal(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for name, fail := range map[string]func() error{
		"panic":             func() error { panic("secret") },
		"error":             func() error { return errors.New("secret") },
		"internal":          func() error { return boxoffice.Errorf(boxoffice.CodeInternal, "secret") },
		"code of nobody":    func() error { return &boxoffice.Error{Code: "secret"} },
		"wrapped":           func() error { return fmt.Errorf("secret: %w", errors.ErrUnsupported) },
		"empty":             func() error { return &boxoffice.Error{} },
		"nothing to unwrap": func() error { return errors.Join(errors.New("secret")) },
	} {
		f.queueStatus = func(int64) (boxoffice.QueueStatus, error) { return boxoffice.QueueStatus{}, fail() }
		a := f.do("GET", "/api/v1/schedules/7/queue", "", with(requestIDHeader, "id-of-"+strings.ReplaceAll(name, " ", "-")))
		a.refused(500, boxoffice.CodeInternal)
		require.NotContains(t, a.Body.String(), "secret")
		require.Contains(t, f.log.String(), "requestId=id-of-"+strings.ReplaceAll(name, " ", "-"))
	}
	require.Contains(t, f.log.String(), "observe_test.go", "the stack of the panic")
	require.Contains(t, f.log.String(), "secret")
}

func TestPanicAfterTheHeaderCutsTheAnswerShort(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.api.Metrics = nil
	f.api.router.Get("/late", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		panic("late")
	})
	f.api.router.Get("/abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for _, target := range []string{"/late", "/abort"} {
		require.PanicsWithError(t, http.ErrAbortHandler.Error(), func() {
			f.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil))
		})
	}
}

func TestWhatIsDownIsUnavailable(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, err := range []error{boxoffice.Unavailable(errors.New("no route to Postgres")), fmt.Errorf("read: %w", context.DeadlineExceeded), context.Canceled} {
		f.queueStatus = func(int64) (boxoffice.QueueStatus, error) { return boxoffice.QueueStatus{}, err }
		a := f.do("GET", "/api/v1/schedules/7/queue", "")
		p := a.refused(503, boxoffice.CodeUnavailable)
		require.Equal(t, "1", a.Header().Get("Retry-After"))
		require.NotContains(t, p.Detail, "Postgres")
	}
	require.Contains(t, f.log.String(), "no route to Postgres")
	f.ready = func() error { return errors.New("no lease") }
	require.NotContains(t, f.do("GET", "/readyz", "").refused(503, boxoffice.CodeUnavailable).Detail, "lease")
	f.ready = func() error {
		return &boxoffice.Error{Code: boxoffice.CodeUnavailable, Detail: "the node has no lease"}
	}
	require.Equal(t, "the node has no lease", f.do("GET", "/readyz", "").refused(503, boxoffice.CodeUnavailable).Detail)
	// The checks before a call fail in the same way.
	f.schedule = func(int64) (boxoffice.ScheduleInfo, error) {
		return boxoffice.ScheduleInfo{}, boxoffice.Unavailable(nil)
	}
	f.api.knownSchedules = newRecent[int64, struct{}](maxKnownSchedules)
	f.do("POST", joinTarget, "").refused(503, boxoffice.CodeUnavailable)
	f.user = func(uuid.UUID) (boxoffice.User, error) { return boxoffice.User{}, boxoffice.Unavailable(nil) }
	f.do("GET", paymentTarget, "", f.as(userID)).refused(503, boxoffice.CodeUnavailable)
	f.api.knownUsers.add(userID, struct{}{})
	f.storedAnswer = func(boxoffice.IdempotencyKey) (boxoffice.Outcome, bool, error) {
		return boxoffice.Outcome{}, false, boxoffice.Unavailable(nil)
	}
	f.reservation = func(uuid.UUID, time.Time) (boxoffice.Reservation, error) {
		return boxoffice.Reservation{}, reservationNotFound()
	}
	f.do("POST", payTarget, payBody, f.as(userID), key("k")).refused(503, boxoffice.CodeUnavailable)
}

// What exists is looked up once; what does not is looked up each time, because somebody
// may make it.
func TestWhatIsKnownToExistIsNotLookedUpAgain(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.queueStatus = func(int64) (boxoffice.QueueStatus, error) { return queueStatus(), nil }
	lookups := 0
	known := f.schedule
	f.schedule = func(id int64) (boxoffice.ScheduleInfo, error) { lookups++; return known(id) }
	for range 3 {
		f.do("GET", "/api/v1/schedules/7/queue", "").succeeded(200, queueText)
	}
	require.Equal(t, 1, lookups)
	for range 3 {
		f.do("GET", "/api/v1/schedules/8/queue", "").refused(404, boxoffice.CodeScheduleNotFound)
	}
	require.Equal(t, 4, lookups)
}

func TestObserverAndLogSeeEveryRequest(t *testing.T) {
	t.Parallel()
	var seen []string
	times := []time.Time{start, start.Add(25 * time.Millisecond)}
	ticks := 0
	f := setup(t, func(config *Config) {
		config.Stopwatch = func() time.Time { ticks++; return times[(ticks-1)%2] }
		config.Observe = func(route, method string, status int, duration time.Duration) {
			seen = append(seen, fmt.Sprint(method, " ", route, " ", status, " ", duration))
		}
	})
	sampleOf(t, "getPlace").arrange(f)
	f.do("GET", placeTarget, "", f.queue(waitingClaims()))
	f.do("PUT", "/api/v1/users", "")
	f.do("GET", "/nothing", "")
	f.do("PURGE-42", "/nothing", "")
	f.balance = func(uuid.UUID) (int64, error) { panic("oh") }
	f.do("GET", userPath("points"), "", f.as(userID))
	require.Equal(t, []string{
		"GET /api/v1/schedules/{scheduleId}/queue-tokens/me 200 25ms", "PUT unmatched 405 25ms", "GET unmatched 404 25ms", "other unmatched 404 25ms",
		"GET /api/v1/users/{userId}/points 500 25ms",
	}, seen)
	log := f.log.String()
	require.Contains(t, log, "method=GET route=/api/v1/schedules/{scheduleId}/queue-tokens/me scheduleId=7 userId="+userID.String()+" status=200 duration=25ms")
	require.Contains(t, log, `level=DEBUG msg=request`)
	require.NotContains(t, log, `level=INFO`, "what failed was logged with its cause")
	require.NotContains(t, log, "eyJ", "a token")
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	now := start
	f := setup(t, func(config *Config) {
		config.RateLimit = 2
		config.Stopwatch = func() time.Time { return now }
	})
	f.queueStatus = func(int64) (boxoffice.QueueStatus, error) { return queueStatus(), nil }
	from := func(address string) option { return func(r *http.Request) { r.RemoteAddr = address } }
	ask := func(address string) answer { return f.do("GET", "/api/v1/schedules/7/queue", "", from(address)) }
	require.Equal(t, 200, ask("192.0.2.1:1000").Code)
	require.Equal(t, 200, ask("192.0.2.1:2000").Code)
	a := ask("[::ffff:192.0.2.1]:3000")
	a.refused(429, boxoffice.CodeRateLimited)
	require.Equal(t, "1", a.Header().Get("Retry-After"))
	require.Equal(t, 429, f.do("GET", "/nothing", "", from("192.0.2.1:1")).Code)
	require.NoError(t, f.api.writeDocument())
	for _, target := range []string{"/livez", "/metrics", "/openapi.json", "/docs", "/docs/start.js", "/.well-known/jwks.json"} {
		require.Equal(t, 200, f.do("GET", target, "", from("192.0.2.1:1000")).Code, target)
	}
	now = now.Add(499 * time.Millisecond)
	require.Equal(t, 429, ask("192.0.2.1:1000").Code)
	now = now.Add(time.Millisecond)
	require.Equal(t, 200, ask("192.0.2.1:1000").Code)
	require.Equal(t, 429, ask("192.0.2.1:1000").Code)

	// Others do not suffer, and an IPv6 client does not escape into its network.
	require.Equal(t, 200, ask("192.0.2.2:1000").Code)
	require.Equal(t, 200, ask("[2001:db8::1]:1").Code)
	require.Equal(t, 200, ask("[2001:db8::2]:1").Code)
	require.Equal(t, 429, ask("[2001:db8::3%eth0]:1").Code)
	require.Equal(t, 200, ask("[2001:db8:0:1::1]:1").Code)
	require.Equal(t, 200, ask("@").Code)
}

func TestClientsBehindProxies(t *testing.T) {
	t.Parallel()
	trusted := proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, test := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:1", []string{"198.51.100.1"}, "192.0.2.1"}, // says somebody who is not trusted
		{"10.0.0.1:1", nil, "10.0.0.1"},
		{"10.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"}, // the first is hearsay
		{"10.0.0.1:1", []string{"203.0.113.9,198.51.100.1 , 10.2.0.1"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"203.0.113.9", "198.51.100.1, 10.2.0.1", "10.3.0.1"}, "198.51.100.1"},
		{"10.0.0.1:1", []string{"10.2.0.1, 10.3.0.1"}, "10.2.0.1"},
		{"10.0.0.1:1", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		{"10.0.0.1:1", []string{"198.51.100.1,,10.2.0.1"}, "10.2.0.1"},
		{"10.0.0.1:1", []string{""}, "10.0.0.1"},
		{"10.0.0.1:1", []string{","}, "10.0.0.1"},
		{"[fd00::1]:1", []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		{"[::ffff:10.0.0.1]:1", []string{"198.51.100.1:80"}, "198.51.100.1"},
		{"[fd00::1%eth0]:1", []string{"2001:db8::7"}, "2001:db8::7"},
		{"@", []string{"198.51.100.1"}, "invalid IP"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Header[forwardedHeader] = test.remote, test.forwarded
		require.Equal(t, test.want, trusted.client(r).String(), "%v", test)
	}
	// Each client behind the proxy has a pace of its own.
	f := setup(t, func(config *Config) { config.RateLimit, config.TrustedProxies = 1, trusted })
	f.queueStatus = func(int64) (boxoffice.QueueStatus, error) { return queueStatus(), nil }
	ask := func(client string) int {
		proxied := func(r *http.Request) { r.RemoteAddr = "10.0.0.1:1" }
		return f.do("GET", "/api/v1/schedules/7/queue", "", proxied, with(forwardedHeader, client)).Code
	}
	require.Equal(t, 200, ask("198.51.100.1"))
	require.Equal(t, 200, ask("198.51.100.2"))
	require.Equal(t, 429, ask("203.0.113.9, 198.51.100.1"))
	require.Contains(t, f.log.String(), "client=198.51.100.2")
}

func TestCatalogueIsNotSentAgain(t *testing.T) {
	t.Parallel()
	f := setup(t)
	a := f.do("GET", "/api/v1/schedules/7", "")
	etag := a.Header().Get("ETag")
	require.Regexp(t, `^"[0-9a-f]{32}"$`, etag)
	for _, header := range []string{etag, "W/" + etag, `"x", ` + etag, "*"} {
		again := f.do("GET", "/api/v1/schedules/7", "", with("If-None-Match", header))
		require.Equal(t, 304, again.Code)
		require.Empty(t, again.Body.String())
		require.Equal(t, etag, again.Header().Get("ETag"))
		require.Equal(t, "public, no-cache", again.Header().Get("Cache-Control"))
	}
	f.schedule = func(int64) (boxoffice.ScheduleInfo, error) {
		info := scheduleInfo()
		info.AvailableSeats--
		return info, nil
	}
	changed := f.do("GET", "/api/v1/schedules/7", "", with("If-None-Match", etag))
	require.Equal(t, 200, changed.Code)
	require.NotEqual(t, etag, changed.Header().Get("ETag"))
	f.do("GET", "/api/v1/schedules?limit=0", "", with("If-None-Match", "*")).refused(422, boxoffice.CodeInvalidRequest)
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	_, err := New(Config{})
	require.ErrorContains(t, err, "is missing")
	f := setup(t)
	whole := Config{
		Log: f.api.Log, Clock: f.fakes, Stopwatch: f.api.Stopwatch, Keys: f.keys, Health: f.fakes, Metrics: f.api.Metrics,
		Users: f.fakes, Points: f.fakes, Catalogue: f.fakes, Organiser: f.fakes, Reservations: f.fakes, Payments: f.fakes,
		Answers: f.fakes, Seats: f.fakes, SeatMaps: f.fakes, WaitingRooms: f.fakes, Queues: f.fakes, Cluster: f.fakes,
	}
	handler, err := New(whole)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	require.Equal(t, 200, w.Code)
	require.Contains(t, w.Body.String(), `"version":"development"`)
	whole.RateLimit = -1
	_, err = New(whole)
	require.ErrorContains(t, err, "negative")
}
