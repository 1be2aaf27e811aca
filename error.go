package boxoffice

import (
	"errors"
	"fmt"
	"time"
)

// Code is the stable name of one way to be refused. The set is closed: the codes are those
// of the HTTP contract, and every edge (HTTP, grain messages, Postgres) has one table that
// maps from and to them.
type Code string

// The codes, by who usually meets them.
const (
	// Requests that are wrong in themselves.
	CodeMalformedRequest       Code = "malformed-request"
	CodeInvalidRequest         Code = "invalid-request"
	CodeUnsupportedMediaType   Code = "unsupported-media-type"
	CodeBodyTooLarge           Code = "body-too-large"
	CodeMethodNotAllowed       Code = "method-not-allowed"
	CodeNotFound               Code = "not-found"
	CodeIdempotencyKeyRequired Code = "idempotency-key-required"
	CodeIdempotencyKeyReused   Code = "idempotency-key-reused"
	CodeRateLimited            Code = "rate-limited"
	CodeUnauthenticated        Code = "unauthenticated"
	CodeForbidden              Code = "forbidden"
	CodeUserNotFound           Code = "user-not-found"
	CodeConcertNotFound        Code = "concert-not-found"
	CodeScheduleNotFound       Code = "schedule-not-found"
	CodeReservationNotFound    Code = "reservation-not-found"
	CodePaymentNotFound        Code = "payment-not-found"
	CodeBalanceLimit           Code = "balance-limit"
	CodeInsufficientPoints     Code = "insufficient-points"
	CodeSoldOut                Code = "sold-out"
	CodeSalesClosed            Code = "sales-closed"
	CodeQueueFull              Code = "queue-full"
	CodeQueueTokenRequired     Code = "queue-token-required"
	CodeQueueTokenInvalid      Code = "queue-token-invalid"
	CodeQueueTokenExpired      Code = "queue-token-expired"
	CodeNotAdmitted            Code = "not-admitted"
	CodeSeatTaken              Code = "seat-taken"
	CodeAlreadyReserved        Code = "already-reserved"
	CodeAlreadyPaid            Code = "already-paid"
	CodeHoldExpired            Code = "hold-expired"
	CodeAlreadyCancelled       Code = "already-cancelled"
	CodeCancellationClosed     Code = "cancellation-closed"
	CodeUnavailable            Code = "unavailable"
	CodeInternal               Code = "internal"
)

// Error is the one error type of the domain: a refusal with a stable [Code] and what the
// caller needs to act on it. errors.Is compares it by code.
type Error struct {
	Code   Code
	Detail string // for a person; never names internals

	AvailableSeats []int         // seat-taken: the numbers that are free
	Balance        int64         // insufficient-points: what the account has
	Amount         int64         // insufficient-points: what the seat costs
	RetryAfter     time.Duration // queue-full, unavailable, rate-limited: 0 = not stated
	Fields         []FieldError  // invalid-request: what is wrong where

	cause error
}

// FieldError is one invalid value of a request. Location is "body.<member>",
// "query.<parameter>", "path.<parameter>" or "header.<name>".
type FieldError struct {
	Location string
	Message  string
}

// Errorf returns a refusal with a formatted detail. %w keeps the cause for logs.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Detail: err.Error(), cause: errors.Unwrap(err)}
}

// Invalid returns an invalid-request refusal of one value.
func Invalid(location, format string, args ...any) *Error {
	message := fmt.Sprintf(format, args...)
	return &Error{
		Code:   CodeInvalidRequest,
		Detail: location + " " + message,
		Fields: []FieldError{{Location: location, Message: message}},
	}
}

// Unavailable returns the refusal for a failover or an overload: nothing is known to have
// happened, and the same operation can be sent again. The cause is for logs.
func Unavailable(cause error) *Error {
	return &Error{
		Code:       CodeUnavailable,
		Detail:     "the service cannot answer this at the moment; send the same request again",
		RetryAfter: time.Second,
		cause:      cause,
	}
}

func (e *Error) Error() string {
	if e.cause != nil && e.Code == CodeUnavailable {
		return string(e.Code) + ": " + e.cause.Error()
	}
	return string(e.Code) + ": " + e.Detail
}

// Unwrap returns the cause, if any.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is an Error with the same code.
func (e *Error) Is(target error) bool {
	var other *Error
	return errors.As(target, &other) && other.Code == e.Code
}

// CodeOf returns the code of the first Error in err's chain, or [CodeInternal].
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}
