package boxoffice

import (
	"fmt"
	"time"
)

// ScheduleInfo is one schedule as the catalogue shows it.
type ScheduleInfo struct {
	Terms          Terms
	Title          string // the concert's
	AvailableSeats int    // at most 1 s old
}

// NewSchedule is what an organiser provides to put a concert on sale at a time.
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

// SeatPrice is the price of the seats From to To, both included.
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

// maxYear bounds the times that a request may name.
const maxYear = 9999

// Decide returns the requested terms, without the schedule's id, and its waiting room's
// limits, or an invalid-request that lists every wrong value. The defaults are the
// concert's price and queue. Times are truncated to milliseconds.
func (n NewSchedule) Decide(
	now time.Time, concertPrice int64, queue QueueLimits,
) (Terms, QueueLimits, *Error) {
	var p problems
	terms := Terms{ConcertID: n.ConcertID, TimeZone: n.TimeZone, Price: concertPrice}
	if n.Capacity != nil {
		queue.Capacity = *n.Capacity
	}
	p.checkCapacity(queue.Capacity)
	if n.AdmitPerSecond != nil {
		queue.AdmitPerSecond = *n.AdmitPerSecond
	}
	p.checkAdmitPerSecond(queue.AdmitPerSecond)
	if n.Price != nil {
		terms.Price = *n.Price
	}
	p.checkPrice("body.price", terms.Price)
	for i := range terms.Prices {
		terms.Prices[i] = terms.Price
	}
	n.priceSeats(&terms, &p)
	zone, err := LoadZone(n.TimeZone)
	if err != nil {
		p.add("body.timeZone", "must be the name of an IANA time zone")
	}
	n.setTimes(&terms, now, &p)
	if refusal := p.refusal(); refusal != nil {
		return Terms{}, QueueLimits{}, refusal
	}
	terms.CancellationClosesAt = startOfDay(terms.StartsAt, zone)
	return terms, queue, nil
}

// priceSeats sets the prices of seats that differ from the default.
func (n NewSchedule) priceSeats(terms *Terms, p *problems) {
	var priced [SeatCount]bool
	if len(n.SeatPrices) > SeatCount {
		p.add("body.seatPrices", "must have at most %d items", SeatCount)
		return
	}
	for i, sp := range n.SeatPrices {
		location := func(member string) string { return fmt.Sprintf("body.seatPrices[%d].%s", i, member) }
		p.checkPrice(location("price"), sp.Price)
		switch {
		case sp.From < 1 || sp.From > SeatCount:
			p.add(location("from"), "must be from 1 to %d", SeatCount)
			continue
		case sp.To < 1 || sp.To > SeatCount:
			p.add(location("to"), "must be from 1 to %d", SeatCount)
			continue
		case sp.To < sp.From:
			p.add(location("to"), "must not be less than from")
			continue
		}
		for seat := sp.From; seat <= sp.To; seat++ {
			if priced[seat-1] {
				p.add(location("from"), "seat %d has a price already", seat)
				break
			}
			priced[seat-1] = true
			terms.Prices[seat-1] = sp.Price
		}
	}
}

// setTimes sets when the performance is and when it is sold.
func (n NewSchedule) setTimes(terms *Terms, now time.Time, p *problems) {
	now = now.UTC().Truncate(time.Millisecond)
	found := len(*p)
	terms.StartsAt = p.time("body.startsAt", n.StartsAt)
	terms.EndsAt = p.time("body.endsAt", n.EndsAt)
	terms.SalesOpenAt, terms.SalesCloseAt = now, terms.StartsAt
	if !n.SalesOpenAt.IsZero() {
		terms.SalesOpenAt = p.time("body.salesOpenAt", n.SalesOpenAt)
	}
	if !n.SalesCloseAt.IsZero() {
		terms.SalesCloseAt = p.time("body.salesCloseAt", n.SalesCloseAt)
	}
	if len(*p) > found {
		return // what follows would compare missing times
	}
	if !terms.EndsAt.After(terms.StartsAt) {
		p.add("body.endsAt", "must be after startsAt")
	}
	// Without salesCloseAt, startsAt is when sales close.
	location := "body.salesCloseAt"
	if n.SalesCloseAt.IsZero() {
		location = "body.startsAt"
	}
	switch {
	case !terms.SalesCloseAt.After(terms.SalesOpenAt):
		p.add(location, "must be after salesOpenAt (now, if it is not given)")
	case !terms.SalesCloseAt.After(now):
		p.add(location, "must be after now")
	case terms.SalesCloseAt.After(terms.StartsAt):
		p.add(location, "must not be after startsAt")
	}
}

// time checks one required time and truncates it to milliseconds.
func (p *problems) time(location string, t time.Time) time.Time {
	t = t.UTC().Truncate(time.Millisecond)
	switch {
	case t.IsZero():
		p.add(location, "must be given")
	case t.Year() < 1 || t.Year() > maxYear:
		p.add(location, "must lie in the years 1 to %d", maxYear)
	}
	return t
}

// ValidDate reports whether s is a date as YYYY-MM-DD, of the years 1 to 9999.
func ValidDate(s string) bool {
	date, err := time.Parse(time.DateOnly, s)
	return err == nil && date.Year() >= 1
}

// Validate refuses, as query.from and query.to, dates that do not exist and a From after
// To.
func (f ScheduleFilter) Validate() *Error {
	var p problems
	for _, date := range []struct{ location, value string }{{"query.from", f.From}, {"query.to", f.To}} {
		if date.value != "" && !ValidDate(date.value) {
			p.add(date.location, "must be a date as YYYY-MM-DD")
		}
	}
	if len(p) == 0 && f.From != "" && f.To != "" && f.From > f.To {
		p.add("query.to", "must not be before from")
	}
	return p.refusal()
}

// SeatCount is the number of seats of every schedule; they are numbered from 1.
const SeatCount = 50

// Terms are the terms that a schedule is sold under. They never change.
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

// OnSale reports whether seats may be held at now.
func (t Terms) OnSale(now time.Time) bool {
	return !now.Before(t.SalesOpenAt) && now.Before(t.SalesCloseAt)
}

// SalesClosed returns the refusal of a request that needs the schedule to be on sale, at a
// time when it is not.
func (t Terms) SalesClosed(now time.Time) *Error {
	if now.Before(t.SalesOpenAt) {
		return Errorf(CodeSalesClosed, "sales have not opened yet")
	}
	return Errorf(CodeSalesClosed, "sales are closed")
}

// QueueLimits bound how many people a waiting room lets in.
type QueueLimits struct {
	Capacity       int // at a time, 1–MaxCapacity
	AdmitPerSecond int // 0 = no limit
}
