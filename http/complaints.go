package http

import (
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// maxComplaints is how many unanswered requests a node logs per second. When nothing can be
// answered they are all alike, and would fill the disk; the metrics count every one.
const maxComplaints = 20

// complaints limits the rate of the log.
type complaints struct {
	pace   *rate.Limiter
	silent atomic.Int64 // not logged since the last that was
}

func newComplaints() *complaints {
	return &complaints{pace: rate.NewLimiter(rate.Every(time.Second/maxComplaints), maxComplaints)}
}

// complain logs a request that was not answered, unless there are too many.
func (a *api) complain(r *http.Request, err error) {
	if !a.complaints.pace.AllowN(a.Stopwatch(), 1) {
		a.complaints.silent.Add(1)
		return
	}
	attributes := append(requestOf(r.Context()).attributes(), slog.Any("error", err))
	if unlogged := a.complaints.silent.Swap(0); unlogged > 0 {
		attributes = append(attributes, slog.Int64("unlogged", unlogged))
	}
	a.Log.LogAttrs(r.Context(), slog.LevelWarn, "request not answered", attributes...)
}
