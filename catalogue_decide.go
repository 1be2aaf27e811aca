package boxoffice

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // which time zones there are must not depend on the machine
)

// Bounds of what the catalogue says, in characters.
const (
	MaxTitle       = 200
	MaxArtist      = 200
	MaxDescription = 5000
	MaxUserName    = 100
)

// maxYear bounds the times that can be asked for.
const maxYear = 9999

// Validate gives the concert that was asked for, without id, or invalid-request with
// every value that is wrong.
func (n NewConcert) Validate() (Concert, *Error) {
	var p problems
	p.checkLine("body.title", n.Title, 1, MaxTitle)
	p.checkLine("body.artist", n.Artist, 0, MaxArtist)
	p.checkText("body.description", n.Description, MaxDescription)
	p.checkPrice("body.price", n.Price)
	if refusal := p.refusal(); refusal != nil {
		return Concert{}, refusal
	}
	return Concert{Title: n.Title, Artist: n.Artist, Description: n.Description, Price: n.Price}, nil
}

// ValidateUserName refuses, as body.name, a name that nobody can have.
func ValidateUserName(name string) *Error {
	var p problems
	p.checkLine("body.name", name, 1, MaxUserName)
	return p.refusal()
}

// Decide returns the terms that were asked for, without the schedule's id, and its waiting
// room's limits, or invalid-request with every value that is wrong. The defaults
// are the concert's price and queue. Times are cut to milliseconds.
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
	zone, err := loadZone(n.TimeZone)
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

// priceSeats gives seats prices of their own.
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
		return // what follows would compare times that are none
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

// time checks one time that has to be there and cuts it to milliseconds.
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

// loadZone finds a time zone of the IANA database. The names that only mean something
// on one machine, or to the compiler of that database, are none of it.
func loadZone(name string) (*time.Location, error) {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "", "Local", "localtime", "posixrules", "posix", "right":
		return nil, fmt.Errorf("no time zone %q", name)
	}
	return time.LoadLocation(name)
}

// startOfDay is the first moment of the day that t lies on in a zone. Where the clock is
// put forward at midnight that is no 00:00, and where it is put back over midnight it is
// the first of two.
func startOfDay(t time.Time, zone *time.Location) time.Time {
	year, month, day := t.In(zone).Date()
	midnight := time.Date(year, month, day, 0, 0, 0, 0, zone)
	if midnight.Day() != day {
		_, gapEnd := midnight.ZoneBounds() // 00:00 does not exist; Date gave a time before the gap
		return gapEnd.UTC()
	}
	start, _ := midnight.ZoneBounds()
	if !start.IsZero() {
		_, before := start.Add(-time.Second).Zone()
		_, after := midnight.Zone()
		if first := midnight.Add(time.Duration(after-before) * time.Second); first.Before(start) {
			return first.UTC()
		}
	}
	return midnight.UTC()
}

// ValidDate tells whether s is a date as YYYY-MM-DD, of the years 1 to 9999.
func ValidDate(s string) bool {
	date, err := time.Parse(time.DateOnly, s)
	return err == nil && date.Year() >= 1
}

// Validate refuses, as query.from and query.to, dates that are none and a From after To.
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
