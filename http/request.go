package http

import (
	"context"
	"log/slog"
	"net/http"
	"time"

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

// request is what is known of a request so far: [api.begin] creates it, each middleware
// adds to it, and the call's handler reads it.
type request struct {
	id     string // X-Request-Id
	method string // as it was sent
	trace  trace
	// client is net/http's own context: done when the client is gone, or has closed its half
	// of the connection. Only streams end with it.
	client context.Context //nolint:containedctx // the context of the request has another end

	op         *operation // nil until a route is found
	now        time.Time
	concertID  int64     // of the path
	scheduleID int64     // of the path
	userID     uuid.UUID // of the path
	caller     Caller
	place      queueClaims // of the queue token
	queueToken string      // as it was sent

	in        any // the call's input, decoded
	mistake   error
	operation boxoffice.Operation
	stored    *boxoffice.Outcome // the answer that this request got before

	header http.Header // of the response
	status int         // of the response; 0: the call's usual one
	opened time.Time   // when its stream began; zero: it is not a stream
}

type requestKey struct{}

// requestOf returns the request that a context belongs to.
func requestOf(ctx context.Context) *request { return ctx.Value(requestKey{}).(*request) }

// attributes returns the attributes of every log line of a request. They do not include
// tokens.
func (req *request) attributes() []slog.Attr {
	attributes := []slog.Attr{slog.String("requestId", req.id), slog.String("method", req.method)}
	if req.trace.valid() {
		attributes = append(attributes, slog.String("traceId", req.trace.traceID))
	}
	if req.op != nil {
		attributes = append(attributes, slog.String("route", req.op.pattern))
	}
	if req.scheduleID != 0 {
		attributes = append(attributes, slog.Int64("scheduleId", req.scheduleID))
	}
	if req.caller.UserID != uuid.Nil {
		attributes = append(attributes, slog.String("userId", req.caller.UserID.String()))
	}
	return attributes
}

// givenOnce refuses headers that count and are given twice, also where the call ignores them.
func givenOnce(_ http.ResponseWriter, r *http.Request, _ *request) error {
	for _, name := range []string{"Authorization", queueTokenHeader, idempotencyKeyHeader} {
		if len(r.Header[name]) > 1 {
			return malformed("%s is given more than once", name)
		}
	}
	return nil
}
