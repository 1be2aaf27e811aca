package seatmap

import (
	"time"
	"unique"

	"boxoffice"
)

// keptTerms are [Terms] as a schedule keeps them: a node has many schedules in memory,
// and most of them have much in common with others. Never changed.
type keptTerms struct {
	scheduleID           int64
	startsAt             time.Time
	endsAt               time.Time
	salesOpenAt          time.Time
	salesCloseAt         time.Time
	cancellationClosesAt time.Time
	common               unique.Handle[commonTerms]
}

// commonTerms are what the schedules of a concert mostly have in common.
type commonTerms struct {
	concertID int64
	timeZone  string
	price     int64
	prices    [boxoffice.SeatCount]int64
}

func keepTerms(t boxoffice.Terms) *keptTerms {
	return &keptTerms{
		scheduleID:           t.ScheduleID,
		startsAt:             t.StartsAt,
		endsAt:               t.EndsAt,
		salesOpenAt:          t.SalesOpenAt,
		salesCloseAt:         t.SalesCloseAt,
		cancellationClosesAt: t.CancellationClosesAt,
		common: unique.Make(commonTerms{
			concertID: t.ConcertID,
			timeZone:  t.TimeZone,
			price:     t.Price,
			prices:    t.Prices,
		}),
	}
}

// whole gives the terms as they were given; zero before there were any.
func (k *keptTerms) whole() boxoffice.Terms {
	if k == nil {
		return boxoffice.Terms{}
	}
	common := k.common.Value()
	return boxoffice.Terms{
		ScheduleID:           k.scheduleID,
		ConcertID:            common.concertID,
		StartsAt:             k.startsAt,
		EndsAt:               k.endsAt,
		TimeZone:             common.timeZone,
		SalesOpenAt:          k.salesOpenAt,
		SalesCloseAt:         k.salesCloseAt,
		CancellationClosesAt: k.cancellationClosesAt,
		Price:                common.price,
		Prices:               common.prices,
	}
}
