package http

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"boxoffice"
)

// problemKind is one row of the table from domain codes to HTTP.
type problemKind struct {
	code    boxoffice.Code
	status  int
	title   string
	meaning string // what it means and what a client can do
}

// problemKinds returns the table. A code that is not in it is answered as internal.
func problemKinds() []problemKind {
	return []problemKind{
		{boxoffice.CodeMalformedRequest, 400, "Malformed request", "The body is not exactly one JSON value in UTF-8 without duplicate members, or a header that may be sent once was sent twice."},
		{boxoffice.CodeIdempotencyKeyRequired, 400, "Idempotency key required", "Send an Idempotency-Key of 1–255 printable ASCII characters, a new one for each operation."},
		{boxoffice.CodeUnauthenticated, 401, "Unauthenticated", "The access token is missing, malformed, expired or forged."},
		{boxoffice.CodeQueueTokenRequired, 401, "Queue token required", "Join the schedule's waiting room and send the newest token from there as Queue-Token."},
		{boxoffice.CodeQueueTokenInvalid, 401, "Queue token invalid", "The queue token is forged, or belongs to another user or schedule."},
		{boxoffice.CodeInsufficientPoints, 402, "Insufficient points", "The account has balance points and the seat costs amount; charge points and pay again while the hold lasts."},
		{boxoffice.CodeForbidden, 403, "Forbidden", "The caller may not do this, or names another user."},
		{boxoffice.CodeNotAdmitted, 403, "Not admitted yet", "The place in line still waits, or you have not fetched its newer token; see the link with rel=status."},
		{boxoffice.CodeQueueTokenExpired, 403, "Queue token expired", "The place in line has ended; join again. Guarded calls answer this with 403, the place's own routes with 410."},
		{boxoffice.CodeNotFound, 404, "Not found", "There is nothing at this path."},
		{boxoffice.CodeUserNotFound, 404, "User not found", "No such user was ever registered."},
		{boxoffice.CodeConcertNotFound, 404, "Concert not found", "There is no such concert."},
		{boxoffice.CodeScheduleNotFound, 404, "Schedule not found", "There is no such schedule."},
		{boxoffice.CodeReservationNotFound, 404, "Reservation not found", "The caller has no such reservation."},
		{boxoffice.CodePaymentNotFound, 404, "Payment not found", "The caller has no such payment."},
		{boxoffice.CodeMethodNotAllowed, 405, "Method not allowed", "The Allow header lists the methods of this path."},
		{boxoffice.CodeSoldOut, 409, "Sold out", "All seats of the schedule are sold."},
		{boxoffice.CodeSalesClosed, 409, "Sales closed", "The schedule is not, or no longer, on sale."},
		{boxoffice.CodeSeatTaken, 409, "Seat taken", "Somebody else has the seat; availableSeats lists those that are free."},
		{boxoffice.CodeAlreadyReserved, 409, "Already reserved", "The user holds another seat of this schedule, or owns one."},
		{boxoffice.CodeAlreadyPaid, 409, "Already paid", "The reservation is already paid."},
		{boxoffice.CodeAlreadyCancelled, 409, "Already cancelled", "The payment is already cancelled."},
		{boxoffice.CodeCancellationClosed, 409, "Cancellation closed", "Payments cannot be cancelled from 00:00 of the performance's day at the venue."},
		{boxoffice.CodeHoldExpired, 410, "Hold expired", "The seat is no longer held; nothing was charged."},
		{boxoffice.CodeBodyTooLarge, 413, "Body too large", "A body may have at most 64 KiB."},
		{boxoffice.CodeUnsupportedMediaType, 415, "Unsupported media type", "Bodies are JSON."},
		{boxoffice.CodeInvalidRequest, 422, "Invalid request", "Some values of the request are invalid; errors lists them."},
		{boxoffice.CodeBalanceLimit, 422, "Balance limit", "An account holds 1 000 000 000 points at most."},
		{boxoffice.CodeIdempotencyKeyReused, 422, "Idempotency key reused", "This key was used for another request."},
		{boxoffice.CodeRateLimited, 429, "Too many requests", "Wait for as many seconds as Retry-After says."},
		{boxoffice.CodeInternal, 500, "Internal error", "A bug or a broken dependency; it was logged with the request's id."},
		{boxoffice.CodeUnavailable, 503, "Unavailable", "Send the same request with the same idempotency key again after Retry-After seconds."},
		{boxoffice.CodeQueueFull, 503, "Waiting room full", "Try to join again after Retry-After seconds."},
	}
}

// problem is the body of every answer that is not a success.
type problem struct {
	Type           string         `json:"type" format:"uri-reference" doc:"where this kind of problem is described, under /problems/"`
	Title          string         `json:"title" doc:"the kind of problem, for people"`
	Status         int            `json:"status" minimum:"400" maximum:"599" doc:"the status code of the response"`
	Detail         string         `json:"detail" doc:"what happened this time, for people"`
	Code           boxoffice.Code `json:"code" doc:"the kind of problem, for programs; it never changes"`
	RequestID      string         `json:"requestId" doc:"the X-Request-Id of the response"`
	Retryable      bool           `json:"retryable" doc:"whether the same request may succeed later"`
	AvailableSeats []int          `json:"availableSeats,omitzero" nullable:"false" doc:"seat-taken: the seats that are free"`
	Balance        *int64         `json:"balance,omitempty" doc:"insufficient-points: what the account has"`
	Amount         *int64         `json:"amount,omitempty" doc:"insufficient-points: what the seat costs"`
	Errors         []valueError   `json:"errors,omitzero" nullable:"false" doc:"invalid-request: every wrong value"`
}

// valueError is one wrong value of a request.
type valueError struct {
	Location string `json:"location" doc:"body.<member>, query.<parameter> or header.<name>"`
	Message  string `json:"message" doc:"what is wrong with it, for people"`
}

// problemURI returns where a kind of problem is described.
func problemURI(code boxoffice.Code) string { return "/problems/" + string(code) }

const problemType = "application/problem+json"

// defaultRetryAfter is sent if a retryable refusal does not say when to try again.
const defaultRetryAfter = time.Second

// ended marks a queue-token-expired refusal of the place's own routes: there the place is
// gone (410), while the guard of other routes refuses admission (403).
type ended struct{ error }

func (e ended) Unwrap() error { return e.error }

// linked adds a Link header to a refusal.
type linked struct {
	error
	link string
}

func (e linked) Unwrap() error { return e.error }

// writeProblem answers a request with an error. It is the only place that logs errors that
// the client must not see.
func (a *api) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	refusal, kind := a.classify(r, err)
	p := kind.problem(kind.status, refusal.Detail, requestOf(r.Context()).id)
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Del("ETag")
	if _, ok := errors.AsType[ended](err); ok {
		p.Status = http.StatusGone
	}
	if link, ok := errors.AsType[linked](err); ok {
		header.Set("Link", link.link)
	}
	switch {
	case hasRetryAfter(kind.status):
		header.Set("Retry-After", strconv.Itoa(wholeSeconds(max(refusal.RetryAfter, defaultRetryAfter))))
	case kind.code == boxoffice.CodeUnauthenticated:
		header.Set("WWW-Authenticate", `Bearer realm="boxoffice"`)
	case kind.status == http.StatusUnauthorized:
		header.Set("WWW-Authenticate", queueTokenHeader)
	case kind.code == boxoffice.CodeSeatTaken:
		p.AvailableSeats = append([]int{}, refusal.AvailableSeats...)
	case kind.code == boxoffice.CodeInsufficientPoints:
		p.Balance, p.Amount = &refusal.Balance, &refusal.Amount
	case kind.code == boxoffice.CodeInvalidRequest:
		p.Errors = make([]valueError, len(refusal.Fields))
		for i, f := range refusal.Fields {
			p.Errors[i] = valueError(f)
		}
	}
	write(w, p.Status, problemType, line(p))
}

// classify returns the row of an error, and logs the error if the fault is not the
// client's.
func (a *api) classify(r *http.Request, err error) (*boxoffice.Error, problemKind) {
	refusal, ok := errors.AsType[*boxoffice.Error](err)
	switch {
	case ok:
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		refusal = boxoffice.Unavailable(err)
	default:
		refusal = &boxoffice.Error{Code: boxoffice.CodeInternal}
	}
	kind, known := a.kinds[refusal.Code]
	if !known || kind.code == boxoffice.CodeInternal {
		a.logFailure(r, err)
		return &boxoffice.Error{Detail: "something went wrong on our side"}, a.kinds[boxoffice.CodeInternal]
	}
	if kind.code == boxoffice.CodeUnavailable && requestOf(r.Context()).client.Err() == nil { // the client still waits
		a.complain(r, err)
	}
	return refusal, kind
}

// logFailure logs an error that is answered as internal.
func (a *api) logFailure(r *http.Request, err error) {
	a.Log.LogAttrs(r.Context(), slog.LevelError, "request failed", append(requestOf(r.Context()).attributes(), slog.Any("error", err))...)
}

// problem returns what every problem of a kind has.
func (k problemKind) problem(status int, detail, requestID string) problem {
	return problem{
		Type:      problemURI(k.code),
		Title:     k.title,
		Status:    status,
		Detail:    detail,
		Code:      k.code,
		RequestID: requestID,
		Retryable: status == http.StatusTooManyRequests || status >= http.StatusInternalServerError,
	}
}

// hasRetryAfter reports whether an answer says when to try again.
func hasRetryAfter(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// wholeSeconds rounds a waiting time up to whole seconds.
func wholeSeconds(d time.Duration) int {
	return int((d + time.Second - 1) / time.Second)
}
