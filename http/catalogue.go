package http

import (
	"context"
	"net/http"

	"boxoffice"
)

type concertJSON struct {
	ConcertID   int64  `json:"concertId"`
	Title       string `json:"title"`
	Artist      string `json:"artist"`
	Description string `json:"description"`
	Price       int64  `json:"price" doc:"of a seat, unless its schedule says otherwise"`
}

type scheduleJSON struct {
	ScheduleID     int64     `json:"scheduleId"`
	ConcertID      int64     `json:"concertId"`
	Title          string    `json:"title" doc:"the concert's"`
	StartsAt       timestamp `json:"startsAt"`
	EndsAt         timestamp `json:"endsAt"`
	TimeZone       string    `json:"timeZone" doc:"the venue's, an IANA name"`
	SalesOpenAt    timestamp `json:"salesOpenAt"`
	SalesCloseAt   timestamp `json:"salesCloseAt"`
	TotalSeats     int       `json:"totalSeats"`
	AvailableSeats int       `json:"availableSeats" doc:"at most 1 s old"`
	Price          int64     `json:"price" doc:"of a seat, unless the seat map says otherwise"`
}

// scheduleQuery is the query of all schedules.
type scheduleQuery struct {
	Date      string `json:"date,omitempty" format:"date" doc:"only those on this local date of the venue"`
	Available string `json:"available,omitempty" enum:"true,false" doc:"only those with a free seat, on sale and not started"`
	PageQuery
}

// concertScheduleQuery is the query of one concert's schedules.
type concertScheduleQuery struct {
	From      string `json:"from,omitempty" format:"date" doc:"only those from this local date of the venue on"`
	To        string `json:"to,omitempty" format:"date" doc:"only those to this local date of the venue, included"`
	Available string `json:"available,omitempty" enum:"true,false" doc:"only those with a free seat, on sale and not started"`
	PageQuery
}

func (a *api) addCatalogue() {
	catalogue := func(pattern, id, summary string, example any) operation {
		return operation{
			method: http.MethodGet, pattern: pattern, access: public, cached: true,
			id:      id,
			tag:     tagCatalogue,
			summary: summary,
			headers: []string{"ETag", "Cache-Control"},
			example: example,
		}
	}
	list := func(item any) any { return map[string]any{"items": []any{item}, "next": nil} }
	handle(a, catalogue("/api/v1/concerts", "listConcerts", "List concerts", list(exampleConcert())), a.listConcerts)
	handle(a, catalogue("/api/v1/concerts/{concertId}", "getConcert", "Read a concert", exampleConcert()), a.getConcert)
	handle(a, catalogue("/api/v1/concerts/{concertId}/schedules", "listConcertSchedules", "List a concert's schedules by start", list(exampleSchedule())), a.listConcertSchedules)
	handle(a, catalogue("/api/v1/schedules", "listSchedules", "List schedules of all concerts by start", list(exampleSchedule())), a.listSchedules)
	handle(a, catalogue("/api/v1/schedules/{scheduleId}", "getSchedule", "Read a schedule", exampleSchedule()), a.getSchedule)
}

func exampleConcert() map[string]any {
	return map[string]any{"concertId": 1, "title": "Winter Lights", "artist": "The Lanterns", "description": "Two hours by candlelight.", "price": 12_000}
}

func exampleSchedule() map[string]any {
	return map[string]any{
		"scheduleId": 1, "concertId": 1, "title": "Winter Lights",
		"startsAt": "2026-12-24T19:00:00.000Z", "endsAt": "2026-12-24T21:00:00.000Z", "timeZone": "Asia/Seoul",
		"salesOpenAt": "2026-11-21T09:00:00.000Z", "salesCloseAt": "2026-12-24T19:00:00.000Z",
		"totalSeats": boxoffice.SeatCount, "availableSeats": 42, "price": 12_000,
	}
}

func (a *api) listConcerts(ctx context.Context, _ *request, query PageQuery) (listJSON[concertJSON], error) {
	page, err := a.Catalogue.Concerts(ctx, query.request())
	return listOf(page, renderConcert), err
}

func (a *api) getConcert(ctx context.Context, req *request, _ none) (concertJSON, error) {
	concert, err := a.Catalogue.Concert(ctx, req.concertID)
	return renderConcert(concert), err
}

func (a *api) listConcertSchedules(ctx context.Context, req *request, query concertScheduleQuery) (listJSON[scheduleJSON], error) {
	filter := boxoffice.ScheduleFilter{ConcertID: req.concertID, From: query.From, To: query.To, Available: query.Available == "true"}
	return a.schedules(ctx, req, filter, query.request())
}

func (a *api) listSchedules(ctx context.Context, req *request, query scheduleQuery) (listJSON[scheduleJSON], error) {
	if query.Date != "" && !boxoffice.ValidDate(query.Date) {
		return listJSON[scheduleJSON]{}, boxoffice.Invalid("query.date", "must be a date as YYYY-MM-DD")
	}
	filter := boxoffice.ScheduleFilter{From: query.Date, To: query.Date, Available: query.Available == "true"}
	return a.schedules(ctx, req, filter, query.request())
}

func (a *api) schedules(ctx context.Context, req *request, filter boxoffice.ScheduleFilter, request boxoffice.PageRequest) (listJSON[scheduleJSON], error) {
	if refusal := filter.Validate(); refusal != nil {
		return listJSON[scheduleJSON]{}, refusal
	}
	page, err := a.Catalogue.Schedules(ctx, filter, req.now, request)
	return listOf(page, renderSchedule), err
}

func (a *api) getSchedule(ctx context.Context, req *request, _ none) (scheduleJSON, error) {
	schedule, err := a.Catalogue.Schedule(ctx, req.scheduleID)
	return renderSchedule(schedule), err
}

func renderConcert(concert boxoffice.Concert) concertJSON {
	return concertJSON{
		ConcertID:   concert.ID,
		Title:       concert.Title,
		Artist:      concert.Artist,
		Description: concert.Description,
		Price:       concert.Price,
	}
}

func renderSchedule(schedule boxoffice.ScheduleInfo) scheduleJSON {
	terms := schedule.Terms
	return scheduleJSON{
		ScheduleID:     terms.ScheduleID,
		ConcertID:      terms.ConcertID,
		Title:          schedule.Title,
		StartsAt:       timestamp(terms.StartsAt),
		EndsAt:         timestamp(terms.EndsAt),
		TimeZone:       terms.TimeZone,
		SalesOpenAt:    timestamp(terms.SalesOpenAt),
		SalesCloseAt:   timestamp(terms.SalesCloseAt),
		TotalSeats:     boxoffice.SeatCount,
		AvailableSeats: schedule.AvailableSeats,
		Price:          terms.Price,
	}
}
