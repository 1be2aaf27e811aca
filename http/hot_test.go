package http

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
)

// crowd answers the calls of crowds from memory, without an allocation of its own.
type crowd struct {
	*fakes

	place boxoffice.Place
	seats *boxoffice.SeatMap
	taken boxoffice.Outcome
}

func (c *crowd) Now() time.Time { return start }

func (c *crowd) Place(context.Context, int64, boxoffice.PlaceRef) (boxoffice.Place, error) {
	return c.place, nil
}

func (c *crowd) SeatMap(context.Context, int64, *boxoffice.Admission) (*boxoffice.SeatMap, error) {
	return c.seats, nil
}

func (c *crowd) Hold(context.Context, int64, boxoffice.Operation, boxoffice.Admission, int) (boxoffice.Outcome, error) {
	return c.taken, nil
}

// sink is a response that is thrown away.
type sink struct {
	header http.Header
	status int
	bytes  int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { s.bytes += len(p); return len(p), nil }

// hotRequest is a call that crowds make.
type hotRequest struct {
	request *http.Request
	body    string
	status  int
}

func hotRequests(f *fixture) map[string]hotRequest {
	request := func(method, target string, options ...option) *http.Request {
		r := httptest.NewRequest(method, target, nil)
		for _, change := range options {
			change(r)
		}
		return r
	}
	guarded := []option{f.as(userID), f.queue(admittedClaims())}
	return map[string]hotRequest{
		"poll":         {request("GET", placeTarget, f.queue(waitingClaims())), "", 200},
		"seats":        {request("GET", seatsTarget, guarded...), "", 200},
		"304":          {request("GET", seatsTarget, append(guarded, with("If-None-Match", `"12"`))...), "", 304},
		"refused hold": {request("POST", holdTarget, append(guarded, with("Content-Type", "application/json"))...), `{"seatNumber":17}`, 409},
	}
}

// crowded is a fixture whose crowd is answered from memory, and which logs nothing.
func crowded(t testing.TB) *fixture {
	t.Helper()
	return setup(t, func(config *Config) {
		c := &crowd{
			fakes: config.Users.(*fakes), place: waitingPlace(), seats: seatMap(),
			taken: boxoffice.Outcome{At: start, Refusal: &boxoffice.Error{
				Code: boxoffice.CodeSeatTaken, Detail: "seat 17 is taken", AvailableSeats: []int{3, 5, 8},
			}},
		}
		config.Log, config.Clock = slog.New(slog.DiscardHandler), c
		config.Seats, config.SeatMaps, config.WaitingRooms = c, c, c
	})
}

// serveHot sends a request into a handler as net/http would, over and over.
func serveHot(handler http.Handler, r *http.Request, body string, w *sink) {
	clear(w.header)
	w.status, w.bytes = 0, 0
	if body != "" {
		r.Body = &repeated{strings.NewReader(body)}
		r.ContentLength = int64(len(body))
	}
	handler.ServeHTTP(w, r)
}

// repeated is a body.
type repeated struct{ *strings.Reader }

func (*repeated) Close() error { return nil }

func BenchmarkHot(b *testing.B) {
	f := crowded(b)
	for name, hot := range hotRequests(f) {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			w := &sink{header: http.Header{}}
			serveHot(f.handler, hot.request, hot.body, w)
			require.Equal(b, hot.status, w.status)
			b.ReportAllocs()
			for b.Loop() {
				serveHot(f.handler, hot.request, hot.body, w)
			}
		})
	}
}
