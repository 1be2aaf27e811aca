package boxoffice_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/internal/fixture"
)

func storedOutcomes() map[string]boxoffice.Outcome {
	taken := boxoffice.Errorf(boxoffice.CodeSeatTaken, "seat 12 is taken")
	taken.AvailableSeats = []int{2, 50}
	nothingLeft := boxoffice.Errorf(boxoffice.CodeSeatTaken, "seat 12 is taken")
	nothingLeft.AvailableSeats = []int{}
	poor := boxoffice.Errorf(boxoffice.CodeInsufficientPoints, "the account has 5 points")
	poor.Balance, poor.Amount = 5, 1012
	full := boxoffice.Errorf(boxoffice.CodeQueueFull, "the waiting room is full")
	full.RetryAfter = 5 * time.Second
	wrong := boxoffice.Invalid("body.seatNumber", "must be from 1 to 50")

	reserved := boxoffice.Reservation{
		ID: reservation(1), ConcertID: 3, ScheduleID: 7, SeatNumber: 12, UserID: user(1),
		Status: boxoffice.ReservationHeld, Price: 1012, CreatedAt: at(0), ExpiresAt: at(holdTTL),
	}
	paid := boxoffice.Payment{
		ID: payment(1), ReservationID: reservation(1), ConcertID: 3, ScheduleID: 7, SeatNumber: 12, UserID: user(1),
		Amount: 1012, Balance: 88, Status: boxoffice.PaymentCompleted,
		StartsAt: terms().StartsAt, EndsAt: terms().EndsAt, PaidAt: at(0),
	}
	cancelled := paid
	cancelled.Status, cancelled.Balance = boxoffice.PaymentCancelled, 1100
	cancelled.RefundedAmount, cancelled.CancelledAt = 1012, at(time.Minute)

	now := at(1234 * time.Millisecond)
	return map[string]boxoffice.Outcome{
		"outcome-held":      {At: now, Created: true, Reservation: &reserved},
		"outcome-paid":      {At: now, Created: true, Payment: &paid},
		"outcome-cancelled": {At: now, Created: true, Payment: &cancelled},
		"outcome-charged": {At: now, Created: true, Entry: &boxoffice.LedgerEntry{
			ID: id('e', 1), Type: boxoffice.EntryCharge, Amount: 500, BalanceAfter: 1100, CreatedAt: at(0),
		}},
		"outcome-released":     {At: now},
		"outcome-taken":        {At: now, Refusal: taken},
		"outcome-nothing-left": {At: now, Refusal: nothingLeft},
		"outcome-poor":         {At: now, Refusal: poor},
		"outcome-full":         {At: now, Refusal: full},
		"outcome-invalid":      {At: now, Refusal: wrong},
	}
}

func TestStoredOutcomes(t *testing.T) {
	t.Parallel()
	for name, o := range storedOutcomes() {
		o.Replayed = true
		data, err := boxoffice.EncodeOutcome(o)
		require.NoError(t, err)
		require.Equal(t, fixture.Golden(t, name, string(data)), string(data))
		decoded, err := boxoffice.DecodeOutcome(data)
		require.NoError(t, err)
		o.Replayed = false
		if o.Refusal != nil {
			// The cause is for logs.
			require.Equal(t, o.Refusal.Error(), decoded.Refusal.Error())
		}
		require.Equal(t, o, decoded)
	}
}

func TestDecodingRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		``, `{}`, `{"v":2}`, `{"v":1,"refusal":{}}`, `{"v":1,"refusal":{"code":"queue-full","retryAfterMs":-1}}`,
	} {
		_, err := boxoffice.DecodeOutcome([]byte(data))
		require.Error(t, err, data)
	}
	_, _, err := boxoffice.EncodeEvent(boxoffice.Event{})
	require.Error(t, err)
}
