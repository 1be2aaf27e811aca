package http

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"boxoffice"
)

type newConcertJSON struct {
	Title       string `json:"title" minLength:"1" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]*$" patternDescription:"one line of text"`
	Artist      string `json:"artist,omitempty" maxLength:"200" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]*$" patternDescription:"one line of text"`
	Description string `json:"description,omitempty" maxLength:"5000" pattern:"^[^\\x00]*$" patternDescription:"text without control characters"`
	Price       int64  `json:"price" minimum:"0" maximum:"1000000000"`
}

type newScheduleJSON struct {
	StartsAt       timestamp       `json:"startsAt"`
	EndsAt         timestamp       `json:"endsAt" doc:"after startsAt"`
	TimeZone       string          `json:"timeZone" minLength:"1" maxLength:"64" example:"Asia/Seoul" doc:"the venue's, an IANA name"`
	SalesOpenAt    *timestamp      `json:"salesOpenAt,omitempty" doc:"default: now"`
	SalesCloseAt   *timestamp      `json:"salesCloseAt,omitempty" doc:"after salesOpenAt and now, not after startsAt, which is the default"`
	Price          *int64          `json:"price,omitempty" minimum:"0" maximum:"1000000000" doc:"default: the concert's"`
	SeatPrices     []seatPriceJSON `json:"seatPrices,omitempty" nullable:"false" maxItems:"50" doc:"prices of seats that differ; they must not overlap"`
	Capacity       *int            `json:"capacity,omitempty" minimum:"1" maximum:"100000" doc:"default: the node's"`
	AdmitPerSecond *int            `json:"admitPerSecond,omitempty" minimum:"0" maximum:"2147483647" doc:"0 = no limit; default: the node's"`
}

type seatPriceJSON struct {
	From  int   `json:"from" minimum:"1" maximum:"50"`
	To    int   `json:"to" minimum:"1" maximum:"50" doc:"included"`
	Price int64 `json:"price" minimum:"0" maximum:"1000000000"`
}

type configureQueueJSON struct {
	Capacity       *int  `json:"capacity,omitempty" minimum:"1" maximum:"100000" doc:"most people admitted at a time; lowering it expels nobody"`
	AdmitPerSecond *int  `json:"admitPerSecond,omitempty" minimum:"0" maximum:"2147483647" doc:"0 = no limit"`
	Paused         *bool `json:"paused,omitempty" doc:"while paused nobody is admitted"`
}

func (a *api) addAdmin() {
	handle(a, operation{
		method: http.MethodPost, pattern: "/api/v1/admin/concerts", access: adminsOnly,
		id: "createConcert", tag: tagAdmin, summary: "Announce a concert",
		status: http.StatusCreated, headers: []string{"Location"},
		request: map[string]any{"title": "Winter Lights", "artist": "The Lanterns", "description": "Two hours by candlelight.", "price": 12_000},
		example: exampleConcert(),
	}, a.createConcert)
	handle(a, operation{
		method: http.MethodPost, pattern: "/api/v1/admin/concerts/{concertId}/schedules", access: adminsOnly,
		id: "createSchedule", tag: tagAdmin, summary: "Put a concert on sale: 50 seats at a time and place",
		status: http.StatusCreated, headers: []string{"Location"},
		request: map[string]any{
			"startsAt": "2026-12-24T19:00:00.000Z", "endsAt": "2026-12-24T21:00:00.000Z", "timeZone": "Asia/Seoul",
			"seatPrices": []any{map[string]any{"from": 1, "to": 10, "price": 15_000}}, "capacity": 100,
		},
		example: exampleSchedule(),
	}, a.createSchedule)
	handle(a, operation{
		method: http.MethodPatch, pattern: "/api/v1/admin/schedules/{scheduleId}/queue", access: adminsOnly,
		id: "configureQueue", tag: tagAdmin, summary: "Change a waiting room at once",
		request: map[string]any{"capacity": 200, "paused": false},
		example: exampleQueue(),
	}, a.configureQueue)
	handle(a, operation{
		method: http.MethodGet, pattern: "/api/v1/admin/cluster", access: adminsOnly,
		id: "getCluster", tag: tagAdmin, summary: "List the nodes and their numbers of grains",
		example: map[string]any{
			"members": []any{map[string]any{"id": "7YTdZ1", "address": "10.0.0.5:9090", "startedAt": "2026-11-21T09:00:00.000Z", "ready": true}},
			"grains":  []any{map[string]any{"kind": "schedule", "count": 120, "member": "7YTdZ1"}},
		},
	}, a.getCluster)
}

type clusterJSON struct {
	Members []memberJSON `json:"members" nullable:"false"`
	Grains  []GrainCount `json:"grains" nullable:"false"`
}

type memberJSON struct {
	ID        string    `json:"id"`
	Address   string    `json:"address" doc:"where the other nodes reach it"`
	StartedAt timestamp `json:"startedAt"`
	Ready     bool      `json:"ready" doc:"takes grains"`
}

func (a *api) getCluster(context.Context, *request, none) (clusterJSON, error) {
	rendered := clusterJSON{Grains: a.Cluster.Grains()}
	for _, m := range a.Cluster.Members() {
		rendered.Members = append(rendered.Members, memberJSON{ID: m.ID, Address: m.Address, StartedAt: timestamp(m.StartedAt), Ready: m.Ready})
	}
	return rendered, nil
}

func (a *api) createConcert(ctx context.Context, req *request, body newConcertJSON) (concertJSON, error) {
	concert, err := a.Organiser.CreateConcert(ctx, boxoffice.NewConcert(body))
	if err != nil {
		return concertJSON{}, err
	}
	req.header.Set("Location", fmt.Sprintf("/api/v1/concerts/%d", concert.ID))
	return renderConcert(concert), nil
}

func (a *api) createSchedule(ctx context.Context, req *request, body newScheduleJSON) (scheduleJSON, error) {
	var err error
	asked := boxoffice.NewSchedule{
		ConcertID:      req.concertID,
		StartsAt:       time.Time(body.StartsAt),
		EndsAt:         time.Time(body.EndsAt),
		TimeZone:       body.TimeZone,
		Price:          body.Price,
		Capacity:       body.Capacity,
		AdmitPerSecond: body.AdmitPerSecond,
	}
	if asked.SalesOpenAt, err = givenTime(body.SalesOpenAt, "body.salesOpenAt"); err != nil {
		return scheduleJSON{}, err
	}
	if asked.SalesCloseAt, err = givenTime(body.SalesCloseAt, "body.salesCloseAt"); err != nil {
		return scheduleJSON{}, err
	}
	for _, price := range body.SeatPrices {
		asked.SeatPrices = append(asked.SeatPrices, boxoffice.SeatPrice(price))
	}
	schedule, err := a.Organiser.CreateSchedule(ctx, asked, req.now)
	if err != nil {
		return scheduleJSON{}, err
	}
	req.header.Set("Location", fmt.Sprintf("/api/v1/schedules/%d", schedule.Terms.ScheduleID))
	return renderSchedule(schedule), nil
}

// givenTime returns zero if the time is absent. A time that is given must not be zero,
// therefore.
func givenTime(t *timestamp, location string) (time.Time, error) {
	if t == nil {
		return time.Time{}, nil
	}
	if time.Time(*t).IsZero() {
		return time.Time{}, boxoffice.Invalid(location, "must be after the year 1 began")
	}
	return time.Time(*t), nil
}

func (a *api) configureQueue(ctx context.Context, req *request, body configureQueueJSON) (queueJSON, error) {
	status, err := a.Queues.ConfigureQueue(ctx, req.scheduleID, boxoffice.Configure(body))
	return renderQueue(status), err
}
