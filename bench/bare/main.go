// Command bare is the floor of the benchmarks: a chi router whose handlers write
// constant answers, of the sizes that boxoffice's answers have. What boxoffice does on
// top of it is what a ratio to it shows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("bare", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:8091", "HTTP address")
	placeBytes := flags.Int("place-bytes", 0, "size of the answer to a poll; 0 = a usual one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("there are no arguments, but got %q", flags.Arg(0))
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes(*placeBytes), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintf(stderr, "bare listens on http://%s\n", listener.Addr())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err = server.Shutdown(ctx)
	if serveErr := <-failed; !errors.Is(serveErr, http.ErrServerClosed) {
		return errors.Join(err, serveErr)
	}
	return err
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
