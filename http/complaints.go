package http

import (
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// maxComplaints is how many of the requests that were not answered a node logs in a second.
// When nothing can be answered they are all alike, and would fill the disk; the metrics
// count every one.
const maxComplaints = 20

// complaints paces the log. Its zero value is ready.
type complaints struct {
	mu     sync.Mutex
	since  time.Time // when this second began
	logged int       // in this second
	silent int       // not logged since the last that was
}

// admit tells whether one more may be logged now, and how many were not before it.
func (c *complaints) admit(now time.Time) (unlogged int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.since) >= time.Second {
		c.since, c.logged = now, 0
	}
	if c.logged == maxComplaints {
		c.silent++
		return 0, false
	}
	c.logged++
	unlogged, c.silent = c.silent, 0
	return unlogged, true
}

// complain logs a request that was not answered, unless many are.
func (a *api) complain(r *http.Request, err error) {
	unlogged, ok := a.complaints.admit(a.Stopwatch())
	if !ok {
		return
	}
	attributes := append(requestOf(r.Context()).attributes(), slog.Any("error", err))
	if unlogged > 0 {
		attributes = append(attributes, slog.Int("unlogged", unlogged))
	}
	a.Log.LogAttrs(r.Context(), slog.LevelWarn, "request not answered", attributes...)
}
