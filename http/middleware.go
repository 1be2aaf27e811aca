package http

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"boxoffice"
)

// requestTimeout is how long a request may spend behind the interfaces before it is
// answered as unavailable. It leaves time to write that before [writeTimeout].
const requestTimeout = 8 * time.Second

// newRouter returns the router with the middleware that every request goes through, even
// one without a route.
func (a *api) newRouter() *chi.Mux {
	router := chi.NewRouter()
	router.Use(a.begin, a.observed, a.recovered)
	if a.RateLimit > 0 {
		router.Use(a.paced)
	}
	router.Use(a.plainPath, middleware.GetHead)
	router.NotFound(a.notFound)
	router.MethodNotAllowed(a.methodNotAllowed)
	return router
}

// middleware is what a call's requests go through once its route is found, in the order
// that the contract sets for mistakes: unknown concert or schedule, headers that are given
// twice, who is calling and what they may do, the guard, what is wrong with the request itself.
//
// The request's input is read before the guard, and mistakes in it are reported after it: a
// request whose key has an answer gets it before the guard checks its queue token.
func (a *api) middleware(op *operation) chi.Middlewares {
	all := chi.Middlewares{a.enter(op)}
	add := func(when bool, do step) {
		if when {
			all = append(all, a.first(do))
		}
	}
	add(op.hasPath(concertParam), a.findConcert)
	add(op.hasPath(scheduleParam), a.findSchedule)
	add(op.isAPI(), givenOnce)
	add(op.access == placeHolder, a.identifyPlace)
	add(op.access != placeHolder && op.access != public, a.identify)
	add(op.isAPI(), a.readInput)
	add(op.guarded, a.guard)
	add(op.isAPI(), a.tellMistake)
	return all
}

// step handles one part of a request. An error is answered as a problem; nothing may have
// been written before it.
type step func(w http.ResponseWriter, r *http.Request, req *request) error

// first returns middleware that runs a step before the next handler.
func (a *api) first(do step) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := do(w, r, requestOf(r.Context())); err != nil {
				a.writeProblem(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// last returns a handler that runs a step.
func (a *api) last(do step) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := do(w, r, requestOf(r.Context())); err != nil {
			a.writeProblem(w, r, err)
		}
	}
}

// begin assigns a request its id and its trace.
func (a *api) begin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := &request{
			id: requestID(r.Header), method: r.Method, trace: parseTrace(r.Header),
			client: r.Context(), header: w.Header(),
		}
		req.header.Set(requestIDHeader, req.id)
		req.header.Set("X-Content-Type-Options", "nosniff")
		if req.trace.valid() {
			req.header.Set("Traceparent", req.trace.child(rand.Uint64()))
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, req)))
	})
}

// unmatched is the route under which requests without one are counted.
const unmatched = "unmatched"

// observed counts and logs a request.
func (a *api) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := a.Stopwatch()
		recorder := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(recorder, r)
		duration := a.Stopwatch().Sub(start)

		req, answered, pattern := requestOf(r.Context()), duration, unmatched
		if !req.opened.IsZero() { // how long a stream is read says nothing about this node's speed
			answered = req.opened.Sub(start)
		}
		if req.op != nil {
			pattern = req.op.pattern
		}
		a.Observe(pattern, countedMethod(r.Method), recorder.Status(), answered)
		// A failure was logged with its cause where it occurred.
		if a.Log.Enabled(r.Context(), slog.LevelDebug) {
			a.Log.LogAttrs(r.Context(), slog.LevelDebug, "request", append(req.attributes(),
				slog.Int("status", recorder.Status()), slog.Duration("duration", duration),
				slog.String("client", a.proxies.client(r).String()))...)
		}
	})
}

// countedMethod returns the label of a request's method: clients may invent methods, and
// metrics keep every label forever.
func countedMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "other"
	}
}

// recovered turns a panic into an internal problem, or aborts the answer if it has already
// begun.
func (a *api) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it like that
				panic(cause)
			}
			err := fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
			if w.(middleware.WrapResponseWriter).Status() != 0 { // observed's
				a.logFailure(r, err)
				panic(http.ErrAbortHandler)
			}
			a.writeProblem(w, r, err)
		}()
		next.ServeHTTP(w, r)
	})
}

// paced refuses clients that exceed the rate limit.
func (a *api) paced(next http.Handler) http.Handler {
	return a.first(func(_ http.ResponseWriter, r *http.Request, _ *request) error {
		wait := a.limit.wait(r, a.Stopwatch())
		if wait == 0 {
			return nil
		}
		refusal := boxoffice.Errorf(boxoffice.CodeRateLimited, "this address makes too many requests")
		refusal.RetryAfter = wait
		return refusal
	})(next)
}

// plainPath answers not-found for paths that another program could read as different ones:
// the router would take an empty segment, or one with an escaped slash in it, for a
// parameter.
func (a *api) plainPath(next http.Handler) http.Handler {
	return a.first(func(_ http.ResponseWriter, r *http.Request, _ *request) error {
		if !isPlain(r.URL.EscapedPath()) {
			return notFound()
		}
		return nil
	})(next)
}

func isPlain(escaped string) bool {
	path, rooted := strings.CutPrefix(escaped, "/")
	if path == "" {
		return rooted
	}
	for segment := range strings.SplitSeq(path, "/") {
		text, err := url.PathUnescape(segment)
		if err != nil || text == "" || text == "." || text == ".." || strings.ContainsAny(text, `/\;`) {
			return false
		}
	}
	return rooted
}

// enter begins a call: from here on the request belongs to the operation, and runs for
// [requestTimeout] at most, whether or not its client waits.
func (a *api) enter(op *operation) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			req := requestOf(r.Context())
			req.op, req.now = op, a.Clock.Now()
			req.header.Set("Cache-Control", "private, no-store")
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), requestTimeout)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}
