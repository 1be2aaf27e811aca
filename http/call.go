package http

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"boxoffice"
)

// requestTimeout is how long a request may be under way behind the interfaces before
// it is told unavailable. It leaves time to write that before [writeTimeout].
const requestTimeout = 8 * time.Second

// Headers of the contract that net/http has no names for.
const (
	idempotencyKeyHeader      = "Idempotency-Key"
	idempotencyReplayedHeader = "Idempotency-Replayed"
	queueTokenHeader          = "Queue-Token"
	requestIDHeader           = "X-Request-Id"
)

// access says who may make a call.
type access int

const (
	public      access = iota
	signedIn           // users and admins
	usersOnly          // users; an admin only reads
	adminsOnly         // admins
	placeHolder        // who has the queue token, whoever they are
)

// bodyRule says what a call expects for a body.
type bodyRule int

const (
	bodyIgnored bodyRule = iota
	bodyEmpty            // none, or an object without members
	bodyObject
)

// keyRule says what a call does with an idempotency key.
type keyRule int

const (
	keyIgnored keyRule = iota
	keyHonoured
	keyRequired
)

// route is what one call of the contract is, as far as it is the same for many.
type route struct {
	method  string
	pattern string // as chi and OpenAPI write it
	access  access
	guarded bool // (Q) in the contract; an admin passes if the method is GET
	body    bodyRule
	key     keyRule
	cached  bool // by clients, with a strong ETag of the body

	schema *huma.Schema // of the body
}

// call is one request on its way through this package. Its fields are filled from the
// top down: by the outermost handler, by [api.admit], by the call's own handler.
type call struct {
	id     string // X-Request-Id
	trace  trace
	header http.Header // of the response
	route  *route      // nil until one is found

	now        time.Time
	concertID  int64     // of the path
	scheduleID int64     // of the path
	userID     uuid.UUID // of the path
	pathID     uuid.UUID // the reservation or payment of the path; zero if it is no id
	caller     Caller
	place      queueClaims // of the queue token
	queueToken string      // as it was sent
	raw        []byte      // the body, valid JSON
	body       any         // the body, decoded; nil if there is none
	operation  boxoffice.Operation
	stored     *boxoffice.Outcome // the answer that this request got before
	status     int                // of the response; 0: the call's usual one
}

type callKey struct{}

// callOf gives the call that a context belongs to. There is always one: the outermost
// handler makes it.
func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// attributes is what every log line of a call says. Tokens are no part of it.
func (c *call) attributes() []slog.Attr {
	attributes := []slog.Attr{slog.String("requestId", c.id)}
	if c.trace.valid() {
		attributes = append(attributes, slog.String("traceId", c.trace.traceID))
	}
	if c.route != nil {
		attributes = append(attributes, slog.String("route", c.route.pattern))
	}
	if c.scheduleID != 0 {
		attributes = append(attributes, slog.Int64("scheduleId", c.scheduleID))
	}
	if c.caller.UserID != uuid.Nil {
		attributes = append(attributes, slog.String("userId", c.caller.UserID.String()))
	}
	return attributes
}

// admit does everything that comes before a call's values, and tells what is wrong in
// the order that the contract sets: unknown concert or schedule, who is calling, what
// they may do and the guard, content type, size, JSON, idempotency key. What is left to
// the call's handler is the values.
//
// A request whose key has an answer is not asked for its queue token: its body and key
// are read first, and what is wrong with them is told after the guard.
func (a *api) admit(w http.ResponseWriter, r *http.Request, c *call) error {
	c.now = a.clock.Now()
	if err := a.findPath(r, c); err != nil {
		return err
	}
	if err := a.identify(r, c); err != nil {
		return err
	}
	err := readBody(w, r, c)
	if err == nil {
		err = a.readKey(r, c)
	}
	if c.route.guarded && c.stored == nil {
		if refusal := a.guard(r, c); refusal != nil {
			return refusal
		}
		if err != nil {
			return a.afterGuard(r.Context(), c, err)
		}
	}
	return err
}

// serve answers a call that was found: admit, then handle.
func (a *api) serve(rt *route, handle func(w http.ResponseWriter, r *http.Request, c *call) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		c.route = rt
		w.Header().Set("Cache-Control", "private, no-store")
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		err := a.admit(w, r, c)
		if err == nil {
			err = handle(w, r, c)
		}
		if err != nil {
			a.writeProblem(w, r, err)
		}
	}
}

// decided gives the answer to an operation: the one that the request got before, or
// what do makes of it. A refusal comes as an error.
func (c *call) decided(do func() (boxoffice.Outcome, error)) (boxoffice.Outcome, error) {
	var outcome boxoffice.Outcome
	var err error
	if c.stored != nil {
		outcome = *c.stored
		outcome.Replayed = true
	} else if outcome, err = do(); err != nil {
		return outcome, err
	}
	if outcome.Replayed {
		c.header.Set(idempotencyReplayedHeader, "true")
	}
	if outcome.Refusal != nil {
		return outcome, outcome.Refusal
	}
	return outcome, nil
}
