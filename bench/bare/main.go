// Command bare is the floor of the benchmarks: a chi router with the middleware that every
// service of this kind has (request ids, a histogram of durations by route, the decision
// whether a request is logged), whose handlers write constant answers of the sizes that
// boxoffice's have. What boxoffice does on top of it is what a ratio to it shows.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/go-chi/chi/v5"

	"boxoffice/bench/peer"
)

func main() {
	flags := flag.NewFlagSet("bare", flag.ContinueOnError)
	placeBytes, _ := strconv.Atoi(os.Getenv("PLACE_BYTES")) // of the answer to a poll; 0: a usual size
	peer.Main("bare", flags, func(context.Context) (http.Handler, func(), error) {
		return routes(placeBytes), func() {}, nil
	})
}

func routes(placeBytes int) http.Handler {
	const token = "eyJhbGciOiJIUzI1NiIsInR5cCI6InF1ZXVlK2p3dCJ9" // as long as the real ones
	place := `{"token":"` + strings.Repeat(token, 6) + `","scheduleId":1,"userId":"01930000-0000-7000-8000-000000000000",` +
		`"status":"waiting","position":500000,"ahead":499999,"waiting":1000000,"etaSeconds":{"min":6000,"max":9000},` +
		`"pollAfterMs":50000,"joinedAt":"2026-12-24T10:15:00.000Z","admittedAt":null,` +
		`"expiresAt":"2026-12-24T10:15:00.000Z","expiresInSeconds":86400,"soldOut":false}`
	if missing := placeBytes - len(place); missing > 0 {
		place = place[:len(place)-1] + `,"padding":"` + strings.Repeat("x", max(0, missing-len(`,"padding":""`))) + `"}`
	} else if placeBytes > 0 {
		place = place[:placeBytes]
	}
	taken := `{"type":"/problems/seat-taken","title":"The seat is taken","status":409,"detail":"seat 13 is taken",` +
		`"code":"seat-taken","requestId":"01930000-0000-7000-8000-000000000000","retryable":false,"availableSeats":[]}`
	var ids atomic.Int64
	r := chi.NewRouter()
	r.Use(newObserver().middleware)
	r.Post("/api/v1/users", constant(http.StatusCreated, `{"userId":"01930000-0000-7000-8000-000000000000","accessToken":"`+strings.Repeat(token, 6)+`"}`))
	r.Post("/api/v1/users/{userId}/points/charges", constant(http.StatusCreated, `{}`))
	r.Post("/api/v1/admin/concerts", constant(http.StatusCreated, `{"concertId":1}`))
	r.Post("/api/v1/admin/concerts/{concertId}/schedules", func(w http.ResponseWriter, r *http.Request) {
		constant(http.StatusCreated, fmt.Sprintf(`{"scheduleId":%d}`, ids.Add(1)))(w, r)
	})
	r.Post("/api/v1/schedules/{scheduleId}/queue-tokens", constant(http.StatusCreated, place))
	r.Get("/api/v1/schedules/{scheduleId}/queue-tokens/me", constant(http.StatusOK, place))
	r.Get("/api/v1/schedules/{scheduleId}/seats", seats())
	r.Post("/api/v1/schedules/{scheduleId}/reservations", constant(http.StatusConflict, taken))
	return r
}

func constant(status int, body string) http.HandlerFunc {
	bytes := []byte(body)
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(bytes) // the client is gone
	}
}

func seats() http.HandlerFunc {
	var b strings.Builder
	b.WriteString(`{"scheduleId":1,"version":1,"seats":[`)
	for n := range 50 {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"seatNumber":%d,"status":"available","price":10}`, n+1)
	}
	b.WriteString("]}")
	body := []byte(b.String())
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(body) // the client is gone
	}
}
