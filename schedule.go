package boxoffice

import (
	"time"

	"github.com/google/uuid"
)

// SeatCount is the number of seats of every schedule; they are numbered from 1.
const SeatCount = 50

// Terms are what a schedule is sold under. They never change.
type Terms struct {
	ScheduleID   int64     `json:"scheduleId"`
	ConcertID    int64     `json:"concertId"`
	StartsAt     time.Time `json:"startsAt"`
	EndsAt       time.Time `json:"endsAt"`
	TimeZone     string    `json:"timeZone"` // IANA name of the venue's zone
	SalesOpenAt  time.Time `json:"salesOpenAt"`
	SalesCloseAt time.Time `json:"salesCloseAt"`
	// CancellationClosesAt is 00:00 of the performance's day in TimeZone.
	CancellationClosesAt time.Time        `json:"cancellationClosesAt"`
	Price                int64            `json:"price"`  // the default, as the catalogue shows it
	Prices               [SeatCount]int64 `json:"prices"` // index 0 is seat 1
}

// OnSale tells whether seats may be held at now.
func (t Terms) OnSale(now time.Time) bool {
	return !now.Before(t.SalesOpenAt) && now.Before(t.SalesCloseAt)
}

// SalesClosed is the refusal of what needs a schedule on sale at a time when it is not.
func (t Terms) SalesClosed(now time.Time) *Error {
	if now.Before(t.SalesOpenAt) {
		return Errorf(CodeSalesClosed, "sales have not opened yet")
	}
	return Errorf(CodeSalesClosed, "sales are closed")
}

// Operation identifies one request of one client, however often it is sent.
type Operation struct {
	ID  uuid.UUID
	Key IdempotencyKey // zero if the client gave none
}

// Admission is what a genuine queue token of an admitted place says.
type Admission struct {
	UserID   uuid.UUID
	Sequence uint64
	EndsAt   time.Time // the place's AdmissionEndsAt
}
