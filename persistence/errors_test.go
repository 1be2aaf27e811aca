package persistence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"boxoffice"
)

func TestErrorsOfPostgresAndTheirCodes(t *testing.T) {
	t.Parallel()
	for state, code := range map[string]boxoffice.Code{
		"08006": boxoffice.CodeUnavailable,    // connection failure
		"22003": boxoffice.CodeInvalidRequest, // number out of range
		"22021": boxoffice.CodeInvalidRequest, // not UTF-8
		"22P02": boxoffice.CodeInternal,       // text that we made
		"23505": boxoffice.CodeInternal,
		"25006": boxoffice.CodeUnavailable, // read-only
		"25P03": boxoffice.CodeUnavailable, // idle in transaction
		"28P01": boxoffice.CodeUnavailable, // password
		"40001": boxoffice.CodeUnavailable,
		"40P01": boxoffice.CodeUnavailable,
		"42P01": boxoffice.CodeInternal, // no such table
		"53100": boxoffice.CodeUnavailable,
		"53300": boxoffice.CodeUnavailable,
		"55P03": boxoffice.CodeUnavailable,
		"57014": boxoffice.CodeUnavailable,
		"57P01": boxoffice.CodeUnavailable,
		"58030": boxoffice.CodeUnavailable,
		"XX000": boxoffice.CodeUnavailable,
		"ZB001": boxoffice.CodeInternal,
		"":      boxoffice.CodeInternal,
	} {
		cause := &pgconn.PgError{Code: state, Message: "secret"}
		err := failure("do it", fmt.Errorf("wrapped: %w", cause))
		require.Equal(t, code, boxoffice.CodeOf(err), state)
		if code != boxoffice.CodeInvalidRequest {
			require.ErrorIs(t, err, cause, state)
		}
		if known := (*boxoffice.Error)(nil); errors.As(err, &known) {
			require.NotContains(t, known.Detail, "secret")
		}
	}
	for _, err := range []error{
		io.EOF, io.ErrUnexpectedEOF, context.Canceled, context.DeadlineExceeded, pgconn.ErrConnClosed,
	} {
		require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(failure("do it", err)), "%v", err)
	}
	refusal := boxoffice.Errorf(boxoffice.CodeUserNotFound, "no")
	require.ErrorIs(t, failure("do it", refusal), refusal)
	require.Equal(t, boxoffice.CodeInternal, boxoffice.CodeOf(failure("do it", errors.New("bug"))))
	require.NoError(t, failure("do it", nil))
}

func TestOnlyAnErrorOfTheTransactionIsDefinite(t *testing.T) {
	t.Parallel()
	for severity, definite := range map[string]bool{"ERROR": true, "FATAL": false, "PANIC": false} {
		err := &pgconn.PgError{Severity: "FEHLER", SeverityUnlocalized: severity, Code: "40P01"}
		require.Equal(t, definite, isDefinite(err), severity)
		require.Equal(t, definite, worthAnotherTry(err), severity)
	}
	require.False(t, isDefinite(io.EOF))
	require.False(t, worthAnotherTry(nil))
	full := &pgconn.PgError{SeverityUnlocalized: "ERROR", Code: "53100"}
	require.False(t, worthAnotherTry(full), "the disk is full for all of them")
}

func TestBadURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://h:port/x", "nonsense"} {
		_, err := Open(t.Context(), url, Config{})
		require.Error(t, err)
	}
}
