package boxoffice

import "time"

// NewConcert is what an organiser gives to announce a concert.
type NewConcert struct {
	Title       string
	Artist      string
	Description string
	Price       int64
}

// NewSchedule is what an organiser gives to put a concert on sale at a time.
type NewSchedule struct {
	ConcertID      int64
	StartsAt       time.Time
	EndsAt         time.Time
	TimeZone       string
	SalesOpenAt    time.Time // zero: now
	SalesCloseAt   time.Time // zero: StartsAt
	Price          *int64    // nil: the concert's
	SeatPrices     []SeatPrice
	Capacity       *int // nil: the node's default
	AdmitPerSecond *int // nil: the node's default
}

// SeatPrice prices the seats From to To, both included.
type SeatPrice struct {
	From, To int
	Price    int64
}

// ScheduleFilter chooses schedules. Zero values choose all.
type ScheduleFilter struct {
	ConcertID int64
	From, To  string // local dates of the venue, YYYY-MM-DD, both included
	Available bool   // only those with a free seat, on sale and not started
}

// PageRequest asks for one page of a list.
type PageRequest struct {
	Limit  int    // 1–100
	Cursor string // opaque, from the page before; empty: the first
}

// Page is one page of a list. Next is empty on the last.
type Page[T any] struct {
	Items []T
	Next  string
}
