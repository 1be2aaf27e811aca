package http

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"boxoffice"

	"boxoffice/seatmap"
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

func (c *crowd) Hold(context.Context, int64, seatmap.Hold) (boxoffice.Outcome, error) {
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

// hotRequest is a call that crowds make, and the most that it may allocate in this package:
// what net/http allocates for a request comes on top.
type hotRequest struct {
	request *http.Request
	body    string
	status  int
	most    float64
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
		"poll":         {request("GET", placeTarget, f.queue(waitingClaims())), "", 200, 3},
		"seats":        {request("GET", seatsTarget, guarded...), "", 200, 3},
		"304":          {request("GET", seatsTarget, append(guarded, with("If-None-Match", `"12"`))...), "", 304, 2},
		"refused hold": {request("POST", holdTarget, append(guarded, with("Content-Type", "application/json"))...), `{"seatNumber":17}`, 409, 8},
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

func TestCrowdsCostFewAllocations(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts everybody's
	f := crowded(t)
	for name, hot := range hotRequests(f) {
		w := &sink{header: http.Header{}}
		serveHot(f.handler, hot.request, hot.body, w)
		require.Equal(t, hot.status, w.status, name)
		have := testing.AllocsPerRun(200, func() { serveHot(f.handler, hot.request, hot.body, w) })
		t.Logf("%s: %.0f allocations, %d bytes of body", name, have, w.bytes)
		require.LessOrEqual(t, have, hot.most+raceSlack, name)
	}
}

func BenchmarkHot(b *testing.B) {
	f := crowded(b)
	for name, hot := range hotRequests(f) {
		b.Run(strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
			w := &sink{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				serveHot(f.handler, hot.request, hot.body, w)
			}
		})
	}
}

// What is appended by hand is what package json makes of it.
func TestAnswersOfCrowdsAreWhatPackageJSONMakes(t *testing.T) {
	t.Parallel()
	texts := rapid.StringOf(rapid.SampledFrom([]rune("ab \"\\/<>&\n\x00\u2028é世😀\x7f")))
	times := rapid.Custom(func(t *rapid.T) timestamp {
		return timestamp(time.UnixMilli(rapid.Int64Range(-62_135_596_800_000, 253_402_300_799_999).Draw(t, "ms")))
	})
	numbers := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1, 100))
	rapid.Check(t, func(t *rapid.T) {
		place := placeJSON{
			Token: "eyJ-_.x", ScheduleID: numbers.Draw(t, "schedule"), UserID: userID, Status: boxoffice.PlaceWaiting,
			Position: rapid.Int().Draw(t, "position"), Ahead: rapid.Int().Draw(t, "ahead"), Waiting: rapid.Int().Draw(t, "waiting"),
			PollAfterMS: numbers.Draw(t, "poll"), JoinedAt: times.Draw(t, "joined"), ExpiresAt: times.Draw(t, "expires"),
			ExpiresInSeconds: rapid.Int().Draw(t, "seconds"), SoldOut: rapid.Bool().Draw(t, "sold out"),
		}
		if rapid.Bool().Draw(t, "admitted") {
			place.AdmittedAt, place.Status = new(times.Draw(t, "admitted")), boxoffice.PlaceAdmitted
		}
		if rapid.Bool().Draw(t, "estimated") {
			place.ETASeconds = &etaJSON{Min: rapid.Int().Draw(t, "min"), Max: rapid.Int().Draw(t, "max")}
		}
		want, err := json.Marshal(place)
		require.NoError(t, err)
		require.Equal(t, string(want), string(place.appendTo(nil)))

		reservation := reservationJSON{
			ReservationID: userID, ConcertID: numbers.Draw(t, "concert"), ScheduleID: numbers.Draw(t, "schedule"),
			SeatNumber: rapid.Int().Draw(t, "seat"), UserID: userID, Status: boxoffice.ReservationHeld,
			Price: numbers.Draw(t, "price"), CreatedAt: times.Draw(t, "created"),
		}
		if rapid.Bool().Draw(t, "held") {
			reservation.ExpiresAt, reservation.ExpiresInSeconds = new(times.Draw(t, "expires")), new(rapid.Int().Draw(t, "seconds"))
		}
		if rapid.Bool().Draw(t, "paid") {
			reservation.PaymentID = &userID
		}
		want, err = json.Marshal(reservation)
		require.NoError(t, err)
		require.Equal(t, string(want), string(reservation.appendTo(nil)))

		payment := paymentJSON{
			PaymentID: userID, ReservationID: userID, ConcertID: numbers.Draw(t, "concert"), ScheduleID: numbers.Draw(t, "schedule"),
			SeatNumber: rapid.Int().Draw(t, "seat"), Amount: numbers.Draw(t, "amount"), Balance: numbers.Draw(t, "balance"),
			Status: boxoffice.PaymentCompleted, StartsAt: times.Draw(t, "starts"), EndsAt: times.Draw(t, "ends"), PaidAt: times.Draw(t, "paid"),
		}
		if rapid.Bool().Draw(t, "cancelled") {
			payment.RefundedAmount, payment.CancelledAt = new(numbers.Draw(t, "refunded")), new(times.Draw(t, "cancelled at"))
		}
		want, err = json.Marshal(payment)
		require.NoError(t, err)
		require.Equal(t, string(want), string(payment.appendTo(nil)))

		p := problem{
			Type: texts.Draw(t, "type"), Title: texts.Draw(t, "title"), Status: rapid.Int().Draw(t, "status"), Detail: texts.Draw(t, "detail"),
			Code: boxoffice.Code(texts.Draw(t, "code")), RequestID: texts.Draw(t, "id"), Retryable: rapid.Bool().Draw(t, "retryable"),
		}
		if rapid.Bool().Draw(t, "seats") {
			p.AvailableSeats = rapid.SliceOf(rapid.Int()).Draw(t, "available")
		}
		if rapid.Bool().Draw(t, "points") {
			p.Balance, p.Amount = new(numbers.Draw(t, "balance")), new(numbers.Draw(t, "amount"))
		}
		if rapid.Bool().Draw(t, "invalid") {
			p.Errors = []valueError{{texts.Draw(t, "location"), texts.Draw(t, "message")}, {}}
		}
		var encoded bytes.Buffer
		encoder := json.NewEncoder(&encoded)
		encoder.SetEscapeHTML(false)
		require.NoError(t, encoder.Encode(p))
		require.Equal(t, encoded.String(), string(p.appendTo(nil)))

		seats := boxoffice.SeatMap{
			ScheduleID: numbers.Draw(t, "schedule"), Version: numbers.Draw(t, "version"), Prices: new([boxoffice.SeatCount]int64),
		}
		rendered := seatMapJSON{ScheduleID: seats.ScheduleID, Version: seats.Version}
		for i := range seats.Statuses {
			seats.Statuses[i], seats.Prices[i] = boxoffice.SeatHeld, numbers.Draw(t, "price")
			rendered.Seats = append(rendered.Seats, seatJSON{SeatNumber: i + 1, Status: "held", Price: seats.Prices[i]})
		}
		want, err = json.Marshal(rendered)
		require.NoError(t, err)
		require.Equal(t, string(want), string(appendSeatMap(nil, &seats)))
	})
}

// The quick ways of finding and reading a call give what the long ones would.
func TestQuickWaysGoWhereTheLongOnesGo(t *testing.T) {
	t.Parallel()
	f := setup(t)
	require.NotEmpty(t, f.api.hot)
	for key, hot := range f.api.hot {
		found, path, id := chi.NewRouteContext(), key.rest, ""
		if !strings.HasPrefix(path, "/") {
			path, id = schedulePrefix+"7/"+path, "7"
		}
		require.True(t, f.api.router.Match(found, key.method, path))
		require.Equal(t, hot.route.pattern, found.RoutePattern())
		require.Equal(t, id, found.URLParam(scheduleParam))
	}
	for text, want := range map[string]any{
		`{"seatNumber":1}`: seatNumber(1), `{"seatNumber":50}`: seatNumber(50), `{"seatNumber":17}`: seatNumber(17),
		`{"seatNumber":0}`: nil, `{"seatNumber":51}`: nil, `{"seatNumber":01}`: nil, `{"seatNumber":-1}`: nil, `{"seatNumber":1.0}`: nil, `{"seatNumber":}`: nil,
		`{"seatNumber":1,"seatNumber":2}`: nil, `{"seatNumber": 1}`: nil, `{"seatNumber":100}`: nil, `{"seatnumber":1}`: nil, `{"seatNumber":1}}`: nil, ``: nil, `{}`: nil,
	} {
		require.Equal(t, want, quickSeat([]byte(text)), text)
		requireSpeltAsEncoded(t, text, want)
	}
	id, upper := thingID.String(), strings.ToUpper(thingID.String())
	for text, want := range map[string]any{
		`{"reservationId":"` + id + `"}`: newPaymentJSON{thingID}, `{"reservationId":"` + upper + `"}`: newPaymentJSON{thingID},
		`{"reservationId": "` + id + `"}`: nil, `{"reservationId":"` + id + `","a":1}`: nil, `{"reservationId":"` + id[1:] + `"}`: nil, `{"reservationid":"` + id + `"}`: nil,
		`{"reservationId":"{` + id[2:] + `}"}`: nil, `{"reservationId":"` + strings.ReplaceAll(id, "-", "") + `"}`: nil, `{"reservationId":"` + id[:35] + `g"}`: nil, `{"reservationId":""}`: nil, ``: nil, `{}`: nil,
	} {
		require.Equal(t, want, quickPayment([]byte(text)), text)
		requireSpeltAsEncoded(t, text, want)
	}
}

// requireSpeltAsEncoded fails if a body that was read quickly has another digest then.
func requireSpeltAsEncoded(t *testing.T, text string, read any) {
	t.Helper()
	if read == nil {
		return
	}
	decoded, err := decodeBody([]byte(text))
	require.NoError(t, err)
	encoded, err := json.Marshal(decoded)
	require.NoError(t, err)
	require.Equal(t, text, string(encoded))
}
