package http

import (
	"bufio"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"boxoffice"
	"boxoffice/internal/mangle"
)

// deaf is a fixture whose fakes know what exists, and fail the test for anything else that
// they are asked.
func deaf(t *testing.T) (*fixture, []sample) {
	t.Helper()
	return setup(t), append(samples(), operationSamples()...)
}

func TestMangledPathsAreNotFound(t *testing.T) {
	t.Parallel()
	f, all := deaf(t)
	for _, s := range all {
		right := f.right(s)
		for _, path := range mangle.Paths(f.operationOf(s.id).pattern, s.target) {
			a := f.do(s.method, path, s.body, right...)
			require.Equalf(t, 404, a.Code, "%s %s: %s", s.method, path, a.Body)
		}
	}
}

func TestPathsMangledAnyhowDoNothing(t *testing.T) {
	t.Parallel()
	f, all := deaf(t)
	right := map[string][]option{}
	for _, s := range all {
		right[s.id] = f.right(s)
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.SampledFrom(all).Draw(rt, "call")
		pattern := f.operationOf(s.id).pattern
		path := rapid.SampledFrom(mangle.Paths(pattern, s.target)).Draw(rt, "path")
		for range rapid.IntRange(0, 2).Draw(rt, "more") {
			at := rapid.IntRange(0, len(path)).Draw(rt, "at")
			path = path[:at] + rapid.SampledFrom([]string{"/", "//", ";", "%2f", "/..", "%", "x", "%zz", ":", "@"}).Draw(rt, "insert") + path[at:]
		}
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(s.method + " " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")))
		if err != nil || !strings.HasPrefix(path, "/") { // net/http refuses it itself
			return
		}
		a := f.do(s.method, r.RequestURI, s.body, right[s.id]...)
		require.Containsf(rt, []int{400, 404, 405, 422}, a.Code, "%s %s: %s", s.method, path, a.Body)
	})
}

// A query that cannot be decoded is wrong whatever the call makes of queries.
func TestQueriesThatCannotBeDecodedDoNothing(t *testing.T) {
	t.Parallel()
	f, _ := deaf(t)
	allowSeats(f)
	for _, s := range samples() {
		for _, query := range mangle.Queries() {
			p := f.do(s.method, s.target+query, s.body, f.right(s)...).refused(422, boxoffice.CodeInvalidRequest)
			require.Equal(t, "query", p.Errors[0].Location, s.id)
		}
	}
}

// twice gives a header a second time, or two where there is none.
func twice(name string) option {
	return func(r *http.Request) {
		first := r.Header.Get(name)
		r.Header[name] = []string{first, first}
	}
}

func TestHeadersThatCountAreGivenOnce(t *testing.T) {
	t.Parallel()
	f, _ := deaf(t)
	allowSeats(f)
	for _, s := range samples() {
		if !f.operationOf(s.id).isAPI() {
			continue
		}
		for _, name := range []string{"Authorization", queueTokenHeader, idempotencyKeyHeader} {
			f.do(s.method, s.target, s.body, append(f.right(s), twice(name))...).refused(400, boxoffice.CodeMalformedRequest)
		}
	}
}

// Two content types are none, whatever they are.
func TestABodyHasOneContentType(t *testing.T) {
	t.Parallel()
	f, _ := deaf(t)
	allowSeats(f)
	for _, s := range samples() {
		if rule := f.operationOf(s.id).bodyRule(); rule == bodyIgnored {
			continue
		} else if rule == bodyEmpty {
			s.body = "{}"
		}
		for _, types := range [][]string{{jsonType, jsonType}, {jsonType, "text/plain"}, {jsonType + "; charset=utf-8", "x"}} {
			both := func(r *http.Request) { r.Header["Content-Type"] = types }
			f.do(s.method, s.target, s.body, append(f.right(s), both)...).refused(415, boxoffice.CodeUnsupportedMediaType)
		}
	}
}

// lasting is a schedule that answers a hold when it is let.
type lasting struct {
	*fakes

	asked chan context.Context
	let   chan struct{}
}

func (l *lasting) Hold(ctx context.Context, _ int64, _ boxoffice.Operation, _ boxoffice.Admission, _ int) (boxoffice.Outcome, error) {
	l.asked <- ctx
	select {
	case <-l.let:
		return keyed()["holdSeat"], nil
	case <-ctx.Done():
		return boxoffice.Outcome{}, ctx.Err()
	}
}

func lastingHold(t *testing.T) (*fixture, *lasting) {
	t.Helper()
	seats := &lasting{asked: make(chan context.Context, 1), let: make(chan struct{})}
	f := setup(t, func(config *Config) {
		seats.fakes = config.Users.(*fakes)
		config.Seats = seats
	})
	return f, seats
}

// net/http ends a request's context when the client has closed its half of the connection,
// which it may do once everything is sent.
func TestAClientThatHasSentEverythingIsAnswered(t *testing.T) {
	t.Parallel()
	f, seats := lastingHold(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := NewServer(f.handler, 10, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x"+holdTarget, strings.NewReader(`{"seatNumber":17}`))
	require.NoError(t, err)
	f.as(userID)(r)
	f.queue(admittedClaims())(r)
	require.NoError(t, r.Write(conn))
	ctx := <-seats.asked
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	<-requestOf(ctx).client.Done()
	require.NoError(t, ctx.Err())
	close(seats.let)
	response := read(t, conn)
	require.Equal(t, 201, response.StatusCode)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.JSONEq(t, heldText, string(body))
	require.NoError(t, conn.Close())
	require.NoError(t, server.Shutdown(t.Context()))
	require.NoError(t, <-done)
}

func TestCallsEndInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, seats := lastingHold(t)
		begin := time.Now()
		f.do("POST", holdTarget, `{"seatNumber":17}`, f.as(userID), f.queue(admittedClaims())).refused(503, boxoffice.CodeUnavailable)
		require.Equal(t, requestTimeout, time.Since(begin))
		require.Error(t, (<-seats.asked).Err())
	})
}

// Rows that an earlier release stored are found by the same digests, and its queue tokens
// are the same.
func TestDigestsKeepTheirForm(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for id, want := range map[string]string{
		"chargePoints":  "b6ac2235e787ebebf815b9b607049887e2a68675d8340afb3c06edc009067798",
		"holdSeat":      "91fbd312bc2bc6b4beeb4aa6be7c0717db6c4fe036484597fea5c9d743c0b22f",
		"pay":           "124d5a3934ac9f14157a3378d3897f9292958c2f422f09d587f3ce8edbcd2016",
		"cancelPayment": "8eb0291876ddad302e44958da096c7b6154b1e59f46521f26f85a2c30ef94da0",
	} {
		s := sampleOf(t, id)
		s.arrange(f)
		var got [32]byte
		outcome := keyed()[id]
		f.charge = func(op boxoffice.Operation, _ uuid.UUID, _ int64, _ time.Time) (boxoffice.Outcome, error) {
			got = op.Key.Digest
			return outcome, nil
		}
		f.hold = func(_ int64, asked holding) (boxoffice.Outcome, error) { got = asked.Key.Digest; return outcome, nil }
		f.pay = func(_ int64, asked selling) (boxoffice.Outcome, error) { got = asked.Key.Digest; return outcome, nil }
		f.cancelSale = f.pay
		require.Equal(t, s.status, f.do(s.method, s.target, s.body, f.right(s)...).Code)
		require.Equal(t, want, hex.EncodeToString(got[:]), id)
	}
}

func TestCodingsAreNegotiated(t *testing.T) {
	t.Parallel()
	f := setup(t)
	require.NoError(t, f.api.writeDocument())
	for _, target := range []string{"/docs/swagger-ui.css", "/openapi.json"} {
		requireCodings(t, f, target)
	}
	require.Equal(t, "public, max-age=300", f.do("GET", "/.well-known/jwks.json", "").Header().Get("Cache-Control"))
}

func requireCodings(t *testing.T, f *fixture, target string) {
	t.Helper()
	for accepted, packed := range map[string]bool{
		"gzip": true, "br, gzip": true, "GZIP;q=0.5": true, "*": true, "br;q=1, *;q=0.1": true, "x-gzip": true,
		"": false, "br": false, "gzip;q=0": false, "gzip; q=0.000": false, "gzip;q=0, *": false, "*;q=0": false, "*, gzip;q=0": false, "identity": false, "notgzip": false,
	} {
		a := f.do("GET", target, "", with("Accept-Encoding", accepted))
		require.Equal(t, packed, a.Header().Get("Content-Encoding") == "gzip", accepted)
		require.Equal(t, "Accept-Encoding", a.Header().Get("Vary"))
		again := f.do("GET", target, "", with("Accept-Encoding", accepted), with("If-None-Match", a.Header().Get("ETag")))
		require.Equal(t, 304, again.Code, accepted)
	}
	plain, packed := f.do("GET", target, ""), f.do("GET", target, "", with("Accept-Encoding", "gzip"))
	require.NotEqual(t, plain.Header().Get("ETag"), packed.Header().Get("ETag"))
	unpacked, err := gunzip(packed.Body.Bytes())
	require.NoError(t, err)
	require.Equal(t, plain.Body.Bytes(), unpacked)
}
