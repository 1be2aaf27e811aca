package main

import (
	"encoding/json"
	"net/http"
	"sync/atomic"

	"github.com/google/uuid"

	"boxoffice"
)

// frontDoor is what a node answers from the moment that it listens: that it is starting,
// until the API is there.
type frontDoor struct{ api atomic.Pointer[http.Handler] }

func (d *frontDoor) open(api http.Handler) { d.api.Store(&api) }

// ServeHTTP implements http.Handler.
func (d *frontDoor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if api := d.api.Load(); api != nil {
		(*api).ServeHTTP(w, r)
		return
	}
	requestID := uuid.NewString()
	w.Header().Set("X-Request-Id", requestID)
	if r.URL.Path == "/livez" {
		writeAnswer(w, http.StatusOK, "application/json", map[string]string{"status": "ok"})
		return
	}
	w.Header().Set("Retry-After", "1")
	writeAnswer(w, http.StatusServiceUnavailable, "application/problem+json", map[string]any{
		"type":      "/problems/" + boxoffice.CodeUnavailable,
		"title":     "Unavailable",
		"status":    http.StatusServiceUnavailable,
		"detail":    "the node is starting; send the same request again",
		"code":      boxoffice.CodeUnavailable,
		"requestId": requestID,
		"retryable": true,
	})
}

func writeAnswer(w http.ResponseWriter, status int, contentType string, body any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // to a client that may be gone
}
