package boxoffice_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
)

func TestDecideCharge(t *testing.T) {
	t.Parallel()
	tests := []struct {
		balance, amount, want int64
		refused               boxoffice.Code
	}{
		{balance: 0, amount: 1, want: 1},
		{balance: 5, amount: boxoffice.MaxCharge, want: boxoffice.MaxCharge + 5},
		{balance: boxoffice.MaxBalance - 1, amount: 1, want: boxoffice.MaxBalance},
		{amount: 0, refused: boxoffice.CodeInvalidRequest},
		{amount: -1, refused: boxoffice.CodeInvalidRequest},
		{amount: math.MinInt64, refused: boxoffice.CodeInvalidRequest},
		{amount: boxoffice.MaxCharge + 1, refused: boxoffice.CodeInvalidRequest},
		{amount: math.MaxInt64, refused: boxoffice.CodeInvalidRequest},
		{balance: boxoffice.MaxBalance, amount: 1, refused: boxoffice.CodeBalanceLimit},
		{balance: boxoffice.MaxBalance - boxoffice.MaxCharge + 1, amount: boxoffice.MaxCharge, refused: boxoffice.CodeBalanceLimit},
	}
	for _, tt := range tests {
		got, refusal := boxoffice.DecideCharge(tt.balance, tt.amount)
		require.Equal(t, tt.want, got)
		if tt.refused == "" {
			require.Nil(t, refusal)
			continue
		}
		require.Equal(t, tt.refused, refusal.Code, "%d + %d", tt.balance, tt.amount)
	}
}

func TestErrorsAreComparedByCode(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	taken := boxoffice.Errorf(boxoffice.CodeSeatTaken, "seat %d is taken", 12)
	wrapped := fmt.Errorf("hold: %w", taken)

	require.ErrorIs(t, wrapped, boxoffice.Errorf(boxoffice.CodeSeatTaken, "whatever"))
	require.NotErrorIs(t, wrapped, boxoffice.Errorf(boxoffice.CodeSoldOut, "whatever"))
	require.NotErrorIs(t, taken, cause)
	require.Equal(t, boxoffice.CodeSeatTaken, boxoffice.CodeOf(wrapped))
	require.Equal(t, boxoffice.CodeInternal, boxoffice.CodeOf(cause))
	require.Equal(t, "seat-taken: seat 12 is taken", taken.Error())

	down := boxoffice.Unavailable(cause)
	require.ErrorIs(t, down, cause)
	require.Contains(t, down.Error(), "connection refused", "for logs")
	require.NotContains(t, down.Detail, "connection", "not for clients")
	require.Equal(t, time.Second, down.RetryAfter)
	require.NotPanics(t, func() { _ = boxoffice.Unavailable(nil).Error() })
}

func TestStorable(t *testing.T) {
	t.Parallel()
	refused := func(code boxoffice.Code) boxoffice.Outcome {
		return boxoffice.Outcome{Refusal: boxoffice.Errorf(code, "no")}
	}
	require.True(t, boxoffice.Outcome{}.Storable())
	for _, code := range []boxoffice.Code{
		boxoffice.CodeInsufficientPoints, boxoffice.CodeSeatTaken, boxoffice.CodeAlreadyReserved, boxoffice.CodeSalesClosed,
		boxoffice.CodeSoldOut, boxoffice.CodeAlreadyPaid, boxoffice.CodeAlreadyCancelled, boxoffice.CodeCancellationClosed,
		boxoffice.CodeHoldExpired,
	} {
		require.True(t, refused(code).Storable(), code)
	}
	for _, code := range []boxoffice.Code{
		boxoffice.CodeInvalidRequest, boxoffice.CodeBalanceLimit, boxoffice.CodeQueueTokenExpired, boxoffice.CodeUnavailable,
		boxoffice.CodeReservationNotFound, boxoffice.CodeIdempotencyKeyReused, boxoffice.CodeInternal,
	} {
		require.False(t, refused(code).Storable(), code)
	}
}
