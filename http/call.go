package http

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"boxoffice"
)

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
	// quick reads a body that is spelt as the decoded one would be encoded again, as what the
	// call's handler then finds in call.body; nil: the long way. Nil: there is only that.
	quick func(data []byte) any
}

// call is one request on its way through this package. Its fields are filled from the
// top down: by the outermost handler, by [api.admit], by the call's own handler. When that
// has returned it is used for another request: nobody keeps it but for what is lasting.
type call struct {
	*lasting

	writer recorder // of the response
	id     string   // X-Request-Id
	method string   // as it was sent
	trace  trace
	header http.Header // of the response
	used   int         // of values
	route  *route      // nil until one is found

	scheduleText string // of the path, where chi was not asked for it

	now        time.Time
	concertID  int64     // of the path
	scheduleID int64     // of the path
	userID     uuid.UUID // of the path
	pathID     uuid.UUID // the reservation or payment of the path; zero if it is no id
	caller     Caller
	quick      bool        // route.quick has read the body
	place      queueClaims // of the queue token
	queueToken string      // as it was sent
	admission  boxoffice.Admission
	raw        []byte // the body, valid JSON
	body       any    // the body, decoded; nil if there is none
	operation  boxoffice.Operation
	stored     *boxoffice.Outcome // the answer that this request got before
	status     int                // of the response; 0: the call's usual one
	opened     time.Time          // when its stream began; zero: it is none
}

// lasting is the part of a call that others may have in hand when it is over: a pool of
// connections that still looks into the context, whoever reads the response's header.
type lasting struct {
	ctx    callContext // what is done for the call is done under it
	values [8]string   // where set keeps the values of the header
}

// set sets a header of the response that has one value. Its name is in canonical form.
// It keeps the value in the call, where net/http would allocate a slice.
func (c *call) set(name, value string) {
	if c.used == len(c.values) {
		c.header[name] = []string{value}
		return
	}
	c.values[c.used] = value
	c.header[name] = c.values[c.used : c.used+1 : c.used+1]
	c.used++
}

// first gives the first value of a header of the request whose name is in canonical form.
func first(header http.Header, name string) string {
	if values := header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// attributes is what every log line of a call says. Tokens are no part of it.
func (c *call) attributes() []slog.Attr {
	attributes := []slog.Attr{slog.String("requestId", c.id), slog.String("method", c.method)}
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
// are read first, and what is wrong with them is told after the guard. Whether there is
// an answer is looked up only where the guard would refuse: see [api.decided].
func (a *api) admit(r *http.Request, c *call) error {
	c.now = a.clock.Now()
	if err := a.findPath(r, c); err != nil {
		return err
	}
	if err := a.identify(r, c); err != nil {
		return err
	}
	err := readBody(r, c)
	if err == nil {
		err = readKey(r, c)
	}
	if !c.route.guarded {
		return err
	}
	if refusal := a.guard(r, c); refusal != nil {
		return a.unlessAnswered(c, refusal)
	}
	if err != nil {
		return a.afterGuard(c, err)
	}
	return nil
}

// serve answers a call that was found: admit, then handle.
func (a *api) serve(rt *route, handle handler) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		a.answer(rt, handle, r, c)
	}
}

// handler answers a call that was admitted, or fails before it wrote anything.
type handler func(w http.ResponseWriter, r *http.Request, c *call) error

func (a *api) answer(rt *route, handle handler, r *http.Request, c *call) {
	c.route = rt
	defer c.ctx.end()
	c.set("Cache-Control", "private, no-store")
	err := a.admit(r, c)
	if err == nil {
		err = handle(&c.writer, r, c)
	}
	if err != nil {
		a.writeProblem(c, err)
	}
}
