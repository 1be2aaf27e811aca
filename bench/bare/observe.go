package main

import (
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// observer does what happens to every request.
type observer struct {
	durations *prometheus.HistogramVec
	log       *slog.Logger // of level warn, as the service's in a benchmark: it writes nothing
}

func newObserver() *observer {
	return &observer{
		durations: promauto.With(prometheus.NewRegistry()).NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "How long requests take.", Buckets: prometheus.DefBuckets,
		}, []string{"route", "method", "status"}),
		log: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

func (o *observer) middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := r.Header.Get("X-Request-Id")
		if id == "" {
			id = uuid.NewString()
		}
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		response := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(response, r)
		took := time.Since(start)
		route := chi.RouteContext(r.Context()).RoutePattern()
		o.durations.WithLabelValues(route, r.Method, statusText(response.Status())).Observe(took.Seconds())
		if o.log.Enabled(r.Context(), slog.LevelDebug) {
			o.log.DebugContext(r.Context(), "request", "id", id, "route", route, "status", response.Status(), "duration", took)
		}
	})
}

// statusText is the class of a status, as in 2xx.
func statusText(status int) string {
	const classes = "0123456789"
	return classes[status/100%10:status/100%10+1] + "xx"
}
