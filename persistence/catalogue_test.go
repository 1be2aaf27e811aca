package persistence_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
)

func TestConcerts(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var concerts []boxoffice.Concert
	for _, title := range []string{"one", "two", "three"} {
		n := boxoffice.NewConcert{Title: title, Artist: "artist", Description: "several\nlines", Price: 5}
		concert, err := f.db.CreateConcert(f.ctx, n)
		require.NoError(t, err)
		require.Equal(t, boxoffice.Concert{
			ID: concert.ID, Title: title, Artist: n.Artist, Description: n.Description, Price: 5,
		}, concert)
		got, err := f.db.Concert(f.ctx, concert.ID)
		require.NoError(t, err)
		require.Equal(t, concert, got)
		concerts = append(concerts, concert)
	}
	for _, limit := range []int{1, 2, 3, 100} {
		require.Equal(t, concerts, pages(t, limit, func(p boxoffice.PageRequest) (boxoffice.Page[boxoffice.Concert], error) {
			return f.db.Concerts(f.ctx, p)
		}))
	}
	_, err := f.db.Concert(f.ctx, 999)
	require.Equal(t, boxoffice.CodeConcertNotFound, boxoffice.CodeOf(err))
	_, err = f.db.CreateConcert(f.ctx, boxoffice.NewConcert{Price: -1})
	require.Equal(t, boxoffice.CodeInvalidRequest, boxoffice.CodeOf(err))
}

func TestCreateSchedule(t *testing.T) {
	t.Parallel()
	f := setup(t)
	concert, err := f.db.CreateConcert(f.ctx, boxoffice.NewConcert{Title: "title", Price: 7})
	require.NoError(t, err)
	starts := f.now.AddDate(0, 1, 0)
	limit, perSecond := 5, 2
	info, err := f.db.CreateSchedule(f.ctx, boxoffice.NewSchedule{
		ConcertID: concert.ID, StartsAt: starts, EndsAt: starts.Add(time.Hour), TimeZone: "Asia/Seoul",
		SeatPrices: []boxoffice.SeatPrice{{From: 50, To: 50, Price: 9}}, Capacity: &limit, AdmitPerSecond: &perSecond,
	}, f.now)
	require.NoError(t, err)
	require.Equal(t, "title", info.Title)
	require.Equal(t, boxoffice.SeatCount, info.AvailableSeats)
	require.Equal(t, int64(9), info.Terms.Prices[49])
	require.Equal(t, f.now, info.Terms.SalesOpenAt)
	got, err := f.db.Schedule(f.ctx, info.Terms.ScheduleID)
	require.NoError(t, err)
	require.Equal(t, info, got)

	s := f.seller(info.Terms.ScheduleID)
	require.Equal(t, boxoffice.Activation{Epoch: 1, Version: 1}, s.Activation)
	seats := s.SeatMap(f.now)
	require.Equal(t, info.Terms.ScheduleID, seats.ScheduleID)
	require.Equal(t, info.Terms.Prices, *seats.Prices)
	status := f.room(info.Terms.ScheduleID).Status(f.now)
	require.Equal(t, []int{5, 2}, []int{status.Capacity, status.AdmitPerSecond})

	_, err = f.db.Schedule(f.ctx, 999)
	require.Equal(t, boxoffice.CodeScheduleNotFound, boxoffice.CodeOf(err))
	_, err = f.db.CreateSchedule(f.ctx, boxoffice.NewSchedule{ConcertID: 999}, f.now)
	require.Equal(t, boxoffice.CodeConcertNotFound, boxoffice.CodeOf(err))
	_, err = f.db.CreateSchedule(f.ctx, boxoffice.NewSchedule{ConcertID: concert.ID}, f.now)
	require.Equal(t, boxoffice.CodeInvalidRequest, boxoffice.CodeOf(err))
	require.Equal(t, 1, value[int](f, "SELECT count(*) FROM schedules"))
}

func TestSchedulesAreChosenAndOrdered(t *testing.T) {
	t.Parallel()
	f := setup(t)
	concert := func() int64 {
		concert, err := f.db.CreateConcert(f.ctx, boxoffice.NewConcert{Title: "t"})
		require.NoError(t, err)
		return concert.ID
	}
	one, two := concert(), concert()
	day := time.Date(f.now.Year()+1, 3, 1, 0, 0, 0, 0, time.UTC)
	add := func(concertID int64, startsAt time.Time, zone string, opens time.Time) int64 {
		info, err := f.db.CreateSchedule(f.ctx, boxoffice.NewSchedule{
			ConcertID: concertID, StartsAt: startsAt, EndsAt: startsAt.Add(time.Hour), TimeZone: zone, SalesOpenAt: opens,
		}, f.now)
		require.NoError(t, err)
		return info.Terms.ScheduleID
	}
	// 20:00 UTC is the next day in Seoul.
	late := add(one, day.Add(20*time.Hour), "Asia/Seoul", time.Time{})
	early := add(one, day.Add(8*time.Hour), "UTC", time.Time{})
	other := add(two, day.Add(8*time.Hour), "UTC", time.Time{})
	unopened := add(two, day.Add(72*time.Hour), "UTC", day)

	list := func(filter boxoffice.ScheduleFilter, now time.Time) []int64 {
		var ids []int64
		for _, info := range pages(t, 1, func(p boxoffice.PageRequest) (boxoffice.Page[boxoffice.ScheduleInfo], error) {
			return f.db.Schedules(f.ctx, filter, now, p)
		}) {
			ids = append(ids, info.Terms.ScheduleID)
		}
		return ids
	}
	date := func(days int) string { return day.AddDate(0, 0, days).Format(time.DateOnly) }
	require.Equal(t, []int64{early, other, late, unopened}, list(boxoffice.ScheduleFilter{}, f.now))
	require.Equal(t, []int64{early, late}, list(boxoffice.ScheduleFilter{ConcertID: one}, f.now))
	require.Equal(t, []int64{early, other}, list(boxoffice.ScheduleFilter{From: date(0), To: date(0)}, f.now))
	require.Equal(t, []int64{late}, list(boxoffice.ScheduleFilter{From: date(1), To: date(1)}, f.now))
	require.Equal(t, []int64{late, unopened}, list(boxoffice.ScheduleFilter{From: date(1)}, f.now))
	require.Equal(t, []int64{early, other, late}, list(boxoffice.ScheduleFilter{Available: true}, f.now))
	require.Equal(t, []int64{late, unopened}, list(boxoffice.ScheduleFilter{Available: true}, day.Add(9*time.Hour)))
	require.Empty(t, list(boxoffice.ScheduleFilter{ConcertID: 999}, f.now))
	_, err := f.db.Schedules(f.ctx, boxoffice.ScheduleFilter{From: date(1), To: date(0)}, f.now, boxoffice.PageRequest{Limit: 1})
	require.Equal(t, boxoffice.CodeInvalidRequest, boxoffice.CodeOf(err))
}

func TestFreeSeatsAreCountedWithTime(t *testing.T) {
	t.Parallel()
	f := setup(t)
	id := f.schedule(0)
	a := f.room(id).admit(f.user(0), f.user(0))
	s := f.seller(id)
	bought := hold(a[0], 1)
	s.do(bought, pay(bought, "k"), hold(a[1], 2))
	free := func(filter boxoffice.ScheduleFilter, now time.Time) int {
		page, err := f.db.Schedules(f.ctx, filter, now, boxoffice.PageRequest{Limit: 1})
		require.NoError(t, err)
		return page.Items[0].AvailableSeats
	}
	info, err := f.db.Schedule(f.ctx, id)
	require.NoError(t, err)
	require.Equal(t, 48, info.AvailableSeats)
	require.Equal(t, 48, free(boxoffice.ScheduleFilter{}, f.now.Add(holdTTL-time.Millisecond)))
	require.Equal(t, 49, free(boxoffice.ScheduleFilter{Available: true}, f.now.Add(holdTTL)))
	// A schedule without a free seat is not available.
	f.exec(`INSERT INTO reservations (id, schedule_id, seat_number, user_id, status, price, created_at)
		SELECT gen_random_uuid(), $1, n, gen_random_uuid(), 'confirmed', 0, now() FROM generate_series(3, 50) n`, id)
	page, err := f.db.Schedules(f.ctx, boxoffice.ScheduleFilter{Available: true}, f.now, boxoffice.PageRequest{Limit: 1})
	require.NoError(t, err)
	require.Empty(t, page.Items)
}
