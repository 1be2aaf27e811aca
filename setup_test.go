package boxoffice_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"boxoffice"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
