package main

import (
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/google/uuid"
)

// frontDoor answers from the moment that a node listens: that it is starting, until the API
// is ready.
type frontDoor struct{ api atomic.Pointer[http.Handler] }

func (d *frontDoor) open(api http.Handler) { d.api.Store(&api) }

// ServeHTTP implements http.Handler.
func (d *frontDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if api := d.api.Load(); api != nil {
		(*api).ServeHTTP(w, r)
		return
	}
	id := uuid.NewString()
	w.Header().Set("X-Request-Id", id)
	if r.URL.Path == "/livez" {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"status":"ok"}`)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintf(w, `{"type":"/problems/unavailable","title":"Unavailable","status":503,"code":"unavailable","retryable":true,`+
		`"detail":"the node is starting; send the same request again","requestId":%q}`, id)
}
