package http

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"boxoffice"
)

// unmatched is the route that requests without one are counted under.
const unmatched = "unmatched"

// handler is the whole API behind what happens to every request: it gets an id and a
// trace, is limited, counted and logged, and a panic becomes an internal problem.
func (a *api) handler(limit *rateLimit) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := a.stopwatch()
		c := a.calls.Get().(*call)
		*c = call{
			lasting: &lasting{}, id: requestID(r.Header), method: r.Method,
			trace: parseTrace(r.Header), header: w.Header(),
		}
		c.ctx.begin(r.Context(), c)
		c.writer.ResponseWriter = w
		c.set(requestIDHeader, c.id)
		c.set("X-Content-Type-Options", "nosniff")
		if c.trace.valid() {
			c.set("Traceparent", c.trace.child(rand.Uint64()))
		}
		defer a.finish(r, c, start)
		if wait := limit.wait(r, start); wait > 0 {
			a.writeProblem(c, tooMany(wait))
			return
		}
		a.dispatch(r, c)
	})
}

func tooMany(wait time.Duration) error {
	refusal := boxoffice.Errorf(boxoffice.CodeRateLimited, "this address makes too many requests")
	refusal.RetryAfter = wait
	return refusal
}

// finish ends every request, also one whose handler panicked, and the use of its call.
func (a *api) finish(r *http.Request, c *call, start time.Time) {
	if cause := recover(); cause != nil {
		if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it like that
			panic(cause)
		}
		err := fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		if c.writer.status != 0 { // too late to say so: cut the answer short
			_ = a.problem(c, err) // logs it
			panic(http.ErrAbortHandler)
		}
		a.writeProblem(c, err)
	}
	duration := a.stopwatch().Sub(start)
	answered := duration
	if !c.opened.IsZero() { // how long a stream is read says nothing of how fast this node is
		answered = c.opened.Sub(start)
	}
	pattern := unmatched
	if c.route != nil {
		pattern = c.route.pattern
	}
	a.observe(pattern, countedMethod(r.Method), c.writer.status, answered)
	// A failure was logged with its cause, where that was seen.
	if a.log.Enabled(r.Context(), slog.LevelDebug) {
		a.log.LogAttrs(r.Context(), slog.LevelDebug, "request", append(c.attributes(),
			slog.Int("status", c.writer.status), slog.Duration("duration", duration),
			slog.String("client", a.proxies.client(r).String()))...)
	}
	*c = call{} // nothing of the request is kept alive
	a.calls.Put(c)
}

// countedMethod is what a request's method is counted under: clients may make up methods,
// and whoever counts keeps what they count for ever.
func countedMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "other"
	}
}

// recorder remembers the status of a response.
type recorder struct {
	http.ResponseWriter

	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// maxRequestID bounds an id that a client gives.
const maxRequestID = 128

// requestID takes the client's id if it is fit for logs, else makes one.
func requestID(header http.Header) string {
	given := first(header, requestIDHeader)
	if given != "" && len(given) <= maxRequestID && !strings.ContainsFunc(given, unfitForID) {
		return given
	}
	return randomID()
}

// randomID makes a UUIDv4 that nobody must be kept from guessing.
func randomID() string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}

func unfitForID(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	default:
		return !strings.ContainsRune("-_.:/+=@", r)
	}
}

// trace is the W3C trace context of a request, if it has one.
type trace struct {
	traceID string // 32 lower-case hexadecimal digits, not all 0
	flags   string // 2 of them
}

func (t trace) valid() bool { return t.traceID != "" }

// child is the trace context of what this node does in the trace.
func (t trace) child(span uint64) string {
	return fmt.Sprintf("00-%s-%016x-%s", t.traceID, max(1, span), t.flags)
}

// parseTrace reads a traceparent header. What is wrong with one is not the client's to
// hear: tracing must not break a request.
func parseTrace(header http.Header) trace {
	values := header["Traceparent"]
	if len(values) != 1 {
		return trace{}
	}
	parts := strings.Split(values[0], "-")
	if len(parts) < 4 || (parts[0] == "00" && len(parts) != 4) || parts[0] == "ff" {
		return trace{}
	}
	for i, length := range []int{2, 32, 16, 2} {
		if len(parts[i]) != length || strings.Trim(parts[i], "0123456789abcdef") != "" {
			return trace{}
		}
	}
	if strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return trace{}
	}
	return trace{traceID: parts[1], flags: parts[3]}
}
