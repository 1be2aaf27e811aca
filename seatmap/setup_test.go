package seatmap_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"boxoffice"
	"boxoffice/internal/fixture"
	"boxoffice/seatmap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const holdTTL = 5 * time.Minute

var (
	at          = fixture.At
	user        = fixture.User
	reservation = fixture.Reservation
	payment     = fixture.Payment
	terms       = fixture.Terms
)

// operation is the n-th request of the tests.
func operation(n int) boxoffice.Operation { return boxoffice.Operation{ID: fixture.ID('o', n)} }

// newSchedule is a schedule that was just opened.
func newSchedule(t fixture.T) *seatmap.Seats {
	t.Helper()
	s, err := seatmap.Restore(nil, []boxoffice.Event{opened()})
	require.NoError(t, err)
	return s
}

func opened() boxoffice.Event {
	return boxoffice.Event{At: at(-time.Hour), Data: seatmap.Opened{Terms: terms()}}
}

// act decides a command and applies what comes of it.
func act(s *seatmap.Seats, cmd seatmap.Command, now time.Time) ([]boxoffice.Event, boxoffice.Outcome) {
	events, outcome := s.Decide(cmd, now)
	for _, e := range events {
		s.Apply(e)
	}
	return events, outcome
}

// hold is user n asking for a seat with place n, which is admitted until at(20 min); its
// reservation and operation are number n as well.
func hold(n, seat int) seatmap.Hold {
	return seatmap.Hold{
		Operation:     operation(n),
		Admission:     boxoffice.Admission{UserID: user(n), Sequence: uint64(n), EndsAt: at(20 * time.Minute)},
		ReservationID: reservation(n),
		SeatNumber:    seat,
		TTL:           holdTTL,
	}
}

// pay is user n paying for reservation n; its operation is 100+n.
func pay(n int) seatmap.Pay {
	return seatmap.Pay{
		Operation: operation(100 + n), PaymentID: payment(n), ReservationID: reservation(n), UserID: user(n),
	}
}

// release is user n giving reservation n back; its operation is 200+n.
func release(n int) seatmap.Release {
	return seatmap.Release{Operation: operation(200 + n), ReservationID: reservation(n), UserID: user(n)}
}

// cancel is user n cancelling payment n; its operation is 300+n.
func cancel(n int) seatmap.Cancel {
	return seatmap.Cancel{Operation: operation(300 + n), PaymentID: payment(n), UserID: user(n)}
}

func requireRefused(t fixture.T, code boxoffice.Code, outcome boxoffice.Outcome) {
	t.Helper()
	require.NotNil(t, outcome.Refusal, "not refused")
	require.Equal(t, code, outcome.Refusal.Code, outcome.Refusal.Detail)
}

func requireSucceeded(t fixture.T, outcome boxoffice.Outcome) {
	t.Helper()
	if outcome.Refusal != nil {
		require.Fail(t, "refused", outcome.Refusal.Error())
	}
}
