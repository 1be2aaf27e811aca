package seatmap_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"boxoffice"
	"boxoffice/seatmap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tester is a test of package testing or of rapid.
type tester interface {
	require.TestingT
	Helper()
}

const holdTTL = 5 * time.Minute

// at is a time of the tests: so long after the sales of every schedule here open.
func at(after time.Duration) time.Time {
	return time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC).Add(after)
}

// id is the n-th id of a kind of thing.
func id(kind byte, n int) uuid.UUID {
	u := uuid.UUID{0: kind, 6: 0x70, 8: 0x80}
	binary.BigEndian.PutUint32(u[12:], uint32(n))
	return u
}

func user(n int) uuid.UUID        { return id('u', n) }
func reservation(n int) uuid.UUID { return id('r', n) }
func payment(n int) uuid.UUID     { return id('p', n) }

// operation is the n-th request of the tests.
func operation(n int) boxoffice.Operation { return boxoffice.Operation{ID: id('o', n)} }

// terms sell for two hours; seat n costs 1000+n.
func terms() boxoffice.Terms {
	t := boxoffice.Terms{
		ScheduleID:           7,
		ConcertID:            3,
		StartsAt:             at(30 * time.Hour),
		EndsAt:               at(32 * time.Hour),
		TimeZone:             "Europe/Berlin",
		SalesOpenAt:          at(0),
		SalesCloseAt:         at(2 * time.Hour),
		CancellationClosesAt: at(13 * time.Hour),
		Price:                1000,
	}
	for i := range t.Prices {
		t.Prices[i] = 1001 + int64(i)
	}
	return t
}

// newSchedule is a schedule that was just opened.
func newSchedule(t tester) *seatmap.Seats {
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

func requireRefused(t tester, code boxoffice.Code, outcome boxoffice.Outcome) {
	t.Helper()
	require.NotNil(t, outcome.Refusal, "not refused")
	require.Equal(t, code, outcome.Refusal.Code, outcome.Refusal.Detail)
}

func requireSucceeded(t tester, outcome boxoffice.Outcome) {
	t.Helper()
	if outcome.Refusal != nil {
		require.Fail(t, "refused", outcome.Refusal.Error())
	}
}

func snapshotOf(t tester, s interface{ Snapshot() ([]byte, error) }) string {
	t.Helper()
	data, err := s.Snapshot()
	require.NoError(t, err)
	return string(data)
}
