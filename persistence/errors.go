package persistence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"boxoffice"
)

// SQLSTATEs that the program acts on.
const (
	stateLockTimeout = "55P03"
	stateExpectation = "ZB001" // expect_rows of the schema
)

// codeOfState is the one table from SQLSTATE, or its class, to the domain's codes. Other
// states are internal: bugs of this program.
func codeOfState(state string) boxoffice.Code {
	switch state {
	case "22021", "22P05", // bytes that are no text, NUL among them
		"22003", "22008": // numbers and times outside of what a column holds
		return boxoffice.CodeInvalidRequest
	case "25006", // read-only: a standby
		"25P03", "25P04", // idle in transaction, or in one, for too long
		stateLockTimeout,
		"XX000": // the server's own internal errors
		return boxoffice.CodeUnavailable
	}
	switch class := state[:min(2, len(state))]; class {
	case "08", // connection
		"28", // authorization: a password that is being changed
		"40", // serialization, deadlock
		"53", // resources: disk, memory, connections
		"57", // cancelled, shut down, starting up
		"58": // I/O
		return boxoffice.CodeUnavailable
	}
	return boxoffice.CodeInternal
}

// failure translates an error of Postgres for callers of this package: the result has a
// domain error in its chain, unless it is internal. nil stays nil.
func failure(what string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*boxoffice.Error](err); ok {
		return fmt.Errorf("%s: %w", what, err)
	}
	// Whatever Postgres answers when it refuses a connection or ends a session: there was
	// no connection.
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok || endsSession(err) {
		return fmt.Errorf("%s: %w", what, boxoffice.Unavailable(err))
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch codeOfState(refused.Code) {
		case boxoffice.CodeUnavailable:
			return fmt.Errorf("%s: %w", what, boxoffice.Unavailable(err))
		case boxoffice.CodeInvalidRequest:
			return fmt.Errorf("%s: %w", what, boxoffice.Errorf(boxoffice.CodeInvalidRequest,
				"a value of the request cannot be stored"))
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	if isConnectionTrouble(err) {
		return fmt.Errorf("%s: %w", what, boxoffice.Unavailable(err))
	}
	return fmt.Errorf("%s: %w", what, err)
}

// isConnectionTrouble reports whether an error that Postgres did not report itself is
// about reaching it.
func isConnectionTrouble(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || pgconn.Timeout(err) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, puddle.ErrClosedPool) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// endsSession reports whether Postgres ended the session with err.
func endsSession(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (refused.SeverityUnlocalized == "FATAL" || refused.SeverityUnlocalized == "PANIC")
}

// isState reports whether Postgres reported err with a state.
func isState(err error, state string) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && refused.Code == state
}

// isDefinite reports whether Postgres rolled a transaction back and said so. Every other
// failure after a commit was sent is unknown: a broken connection, a timeout, and a server
// that ends the session (FATAL), because the commit of that session may already be on disk.
func isDefinite(err error) bool {
	refused, ok := errors.AsType[*pgconn.PgError](err)
	return ok && refused.SeverityUnlocalized == "ERROR"
}
