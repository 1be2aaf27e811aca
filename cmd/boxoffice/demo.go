package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"boxoffice"
)

// catalogue is the interface through which the demo data is written.
type catalogue interface {
	Concerts(ctx context.Context, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.Concert], error)
	Schedules(ctx context.Context, filter boxoffice.ScheduleFilter, now time.Time, page boxoffice.PageRequest) (boxoffice.Page[boxoffice.ScheduleInfo], error)
	CreateConcert(ctx context.Context, concert boxoffice.NewConcert) (boxoffice.Concert, error)
	CreateSchedule(ctx context.Context, schedule boxoffice.NewSchedule, now time.Time) (boxoffice.ScheduleInfo, error)
}

// demoLock is for nodes that start together to load the demo data once.
const demoLock int64 = 0x626f786f_64656d6f // "boxodemo"

// demoConcert is a concert of the demo data and its schedules, in order.
type demoConcert struct {
	boxoffice.NewConcert
	schedules []demoSchedule
}

// demoSchedule is a performance that is so many days away at a local time.
type demoSchedule struct {
	days, hour, minute int
	length             time.Duration
	opensIn            time.Duration // sales; zero: now
	boxoffice.NewSchedule
}

// demoConcerts begin with what the README buys: concert 1, schedule 1, on sale at once.
func demoConcerts() []demoConcert {
	small, slow := 10, 2
	return []demoConcert{
		{boxoffice.NewConcert{
			Title: "Night Ferry", Artist: "The Lanterns", Price: 45_000, Description: "Two evenings at the harbour, on sale now.",
		}, []demoSchedule{
			{days: 30, hour: 19, minute: 30, length: 2 * time.Hour, NewSchedule: boxoffice.NewSchedule{TimeZone: "Asia/Seoul"}},
			{days: 31, hour: 19, minute: 30, length: 2 * time.Hour, NewSchedule: boxoffice.NewSchedule{TimeZone: "Asia/Seoul"}},
		}},
		{boxoffice.NewConcert{
			Title: "Winter Journey", Artist: "Lena Hartmann and Jonas Vogel", Price: 60_000, Description: "A song cycle; the front rows cost more.",
		}, []demoSchedule{{days: 45, hour: 20, length: 90 * time.Minute, NewSchedule: boxoffice.NewSchedule{
			TimeZone:   "Europe/Berlin",
			SeatPrices: []boxoffice.SeatPrice{{From: 1, To: 10, Price: 120_000}, {From: 11, To: 30, Price: 90_000}},
		}}}},
		{boxoffice.NewConcert{
			Title: "Blue Hour", Artist: "Blue Hour Quartet", Price: 35_000, Description: "Late jazz; sales open a week after the first start.",
		}, []demoSchedule{{days: 60, hour: 22, length: 2 * time.Hour, opensIn: 7 * 24 * time.Hour, NewSchedule: boxoffice.NewSchedule{
			TimeZone: "America/New_York",
		}}}},
		{boxoffice.NewConcert{
			Title: "Southern Lights", Artist: "Coral & Iron", Price: 30_000, Description: "A small waiting room: ten people at a time, two a second.",
		}, []demoSchedule{{days: 14, hour: 18, length: 4 * time.Hour, NewSchedule: boxoffice.NewSchedule{
			TimeZone: "Australia/Sydney", Capacity: &small, AdmitPerSecond: &slow,
		}}}},
	}
}

// at returns the schedule's values for a first start at now.
func (d demoSchedule) at(now time.Time) (boxoffice.NewSchedule, error) {
	zone, err := boxoffice.LoadZone(d.TimeZone)
	if err != nil {
		return boxoffice.NewSchedule{}, fmt.Errorf("demo data: %w", err)
	}
	schedule := d.NewSchedule
	year, month, day := now.In(zone).Date()
	schedule.StartsAt = time.Date(year, month, day+d.days, d.hour, d.minute, 0, 0, zone).UTC()
	schedule.EndsAt = schedule.StartsAt.Add(d.length)
	if d.opensIn != 0 {
		schedule.SalesOpenAt = now.Add(d.opensIn)
	}
	return schedule, nil
}

// loadDemo puts the demo data into a catalogue that holds nothing else. It continues an
// interrupted load; it leaves a complete one, or a catalogue with other data, alone.
func loadDemo(
	ctx context.Context, exclusively func(context.Context, int64, func(context.Context) error) error, c catalogue, now time.Time,
) error {
	err := exclusively(ctx, demoLock, func(ctx context.Context) error {
		there, err := c.Concerts(ctx, boxoffice.PageRequest{Limit: 100})
		if err != nil {
			return err
		}
		wanted := demoConcerts()
		for _, concert := range there.Items {
			if !slices.ContainsFunc(wanted, func(d demoConcert) bool { return d.Title == concert.Title }) {
				return nil
			}
		}
		for _, concert := range wanted {
			if err := loadDemoConcert(ctx, c, concert, there.Items, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load demo data: %w", err)
	}
	return nil
}

func loadDemoConcert(ctx context.Context, c catalogue, wanted demoConcert, there []boxoffice.Concert, now time.Time) error {
	var concert boxoffice.Concert
	var err error
	if i := slices.IndexFunc(there, func(have boxoffice.Concert) bool { return have.Title == wanted.Title }); i >= 0 {
		concert = there[i]
	} else if concert, err = c.CreateConcert(ctx, wanted.NewConcert); err != nil {
		return err
	}
	have, err := c.Schedules(ctx, boxoffice.ScheduleFilter{ConcertID: concert.ID}, now, boxoffice.PageRequest{Limit: 100})
	if err != nil {
		return err
	}
	for _, missing := range wanted.schedules[min(len(have.Items), len(wanted.schedules)):] {
		schedule, err := missing.at(now)
		if err != nil {
			return err
		}
		schedule.ConcertID = concert.ID
		if _, err := c.CreateSchedule(ctx, schedule, now); err != nil {
			return err
		}
	}
	return nil
}
