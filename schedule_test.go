package boxoffice_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
)

// locations lists what a refusal finds wrong.
func locations(refusal *boxoffice.Error) []string {
	if refusal == nil {
		return nil
	}
	var all []string
	for _, f := range refusal.Fields {
		all = append(all, f.Location)
	}
	return all
}

func TestNewConcert(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*boxoffice.NewConcert)
		want   []string
	}{
		{name: "good", change: func(*boxoffice.NewConcert) {}},
		{name: "least", change: func(n *boxoffice.NewConcert) { *n = boxoffice.NewConcert{Title: "A"} }},
		{name: "most", change: func(n *boxoffice.NewConcert) {
			n.Title, n.Artist = strings.Repeat("é", 200), strings.Repeat("é", 200)
			n.Description, n.Price = strings.Repeat("é", 4999)+"\n", boxoffice.MaxPrice
		}},
		{
			name: "nothing", change: func(n *boxoffice.NewConcert) { *n = boxoffice.NewConcert{Price: -1} },
			want: []string{"body.title", "body.price"},
		},
		{name: "too much", change: func(n *boxoffice.NewConcert) {
			n.Title, n.Artist = strings.Repeat("é", 201), strings.Repeat("é", 201)
			n.Description, n.Price = strings.Repeat("é", 5001), boxoffice.MaxPrice+1
		}, want: []string{"body.title", "body.artist", "body.description", "body.price"}},
		{name: "blank title", change: func(n *boxoffice.NewConcert) { n.Title = " \t" }, want: []string{"body.title"}},
		{name: "NUL", change: func(n *boxoffice.NewConcert) {
			n.Title, n.Artist, n.Description = "a\x00", "a\x00", "a\x00"
		}, want: []string{"body.title", "body.artist", "body.description"}},
		{name: "not UTF-8", change: func(n *boxoffice.NewConcert) {
			n.Title, n.Artist, n.Description = "a\xff", "a\xff", "a\xff"
		}, want: []string{"body.title", "body.artist", "body.description"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := boxoffice.NewConcert{Title: "Gala", Artist: "Quartet", Description: "One\n\ttwo", Price: 10}
			tt.change(&n)
			concert, refusal := n.Validate()
			require.Equal(t, tt.want, locations(refusal))
			if refusal == nil {
				require.Equal(t, boxoffice.Concert{
					Title: n.Title, Artist: n.Artist, Description: n.Description, Price: n.Price,
				}, concert)
			}
		})
	}
}

func TestValidateUserName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"A", "Zoë 🎻", strings.Repeat("é", 100)} {
		require.Nil(t, boxoffice.ValidateUserName(name), name)
	}
	for _, name := range []string{"", "  ", strings.Repeat("é", 101), "a\x00b", "a\nb", "a\u0085b", "a\xff"} {
		refusal := boxoffice.ValidateUserName(name)
		require.Equal(t, []string{"body.name"}, locations(refusal), "%q", name)
		require.Equal(t, boxoffice.CodeInvalidRequest, refusal.Code)
	}
}

func goodSchedule() boxoffice.NewSchedule {
	return boxoffice.NewSchedule{
		ConcertID: 3, StartsAt: at(30 * time.Hour), EndsAt: at(32 * time.Hour), TimeZone: "Europe/Berlin",
	}
}

func TestNewScheduleDefaults(t *testing.T) {
	t.Parallel()
	now := at(0).Add(1234567 * time.Nanosecond)
	got, queue, refusal := goodSchedule().Decide(now, 500, boxoffice.QueueLimits{Capacity: 100, AdmitPerSecond: 7})
	require.Nil(t, refusal)
	want := boxoffice.Terms{
		ConcertID: 3, StartsAt: at(30 * time.Hour), EndsAt: at(32 * time.Hour), TimeZone: "Europe/Berlin",
		SalesOpenAt: at(time.Millisecond), SalesCloseAt: at(30 * time.Hour),
		// 2026-11-22 16:00 UTC is the 22nd in Berlin, which begins at 23:00 UTC.
		CancellationClosesAt: time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC),
		Price:                500,
	}
	for i := range want.Prices {
		want.Prices[i] = 500
	}
	require.Equal(t, want, got)
	require.Equal(t, boxoffice.QueueLimits{Capacity: 100, AdmitPerSecond: 7}, queue)
}

func TestNewScheduleGiven(t *testing.T) {
	t.Parallel()
	n := goodSchedule()
	n.SalesOpenAt = at(time.Hour).In(time.FixedZone("", 3600)).Add(999_999)
	n.SalesCloseAt = at(2 * time.Hour)
	n.Price, n.Capacity, n.AdmitPerSecond = new(int64(0)), new(1), new(0)
	n.SeatPrices = []boxoffice.SeatPrice{{From: 1, To: 2, Price: 9000}, {From: 50, To: 50, Price: 1}}
	got, queue, refusal := n.Decide(at(0), 500, boxoffice.QueueLimits{Capacity: 100, AdmitPerSecond: 7})
	require.Nil(t, refusal)
	require.Equal(t, at(time.Hour), got.SalesOpenAt)
	require.Equal(t, at(2*time.Hour), got.SalesCloseAt)
	require.Equal(t, []int64{9000, 9000, 0}, got.Prices[:3])
	require.Equal(t, []int64{0, 1}, got.Prices[48:])
	require.Zero(t, got.Price)
	require.Equal(t, 1, queue.Capacity)
	require.Zero(t, queue.AdmitPerSecond)
}

func TestNewScheduleRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*boxoffice.NewSchedule)
		want   []string
	}{
		{
			name: "nothing", change: func(n *boxoffice.NewSchedule) { *n = boxoffice.NewSchedule{} },
			want: []string{"body.timeZone", "body.startsAt", "body.endsAt"},
		},
		{name: "ends when it starts", change: func(n *boxoffice.NewSchedule) { n.EndsAt = n.StartsAt }, want: []string{"body.endsAt"}},
		{name: "ends in the same millisecond", change: func(n *boxoffice.NewSchedule) {
			n.EndsAt = n.StartsAt.Add(999 * time.Microsecond)
		}, want: []string{"body.endsAt"}},
		{name: "starts now", change: func(n *boxoffice.NewSchedule) { n.StartsAt = at(0) }, want: []string{"body.startsAt"}},
		{name: "closes now", change: func(n *boxoffice.NewSchedule) { n.SalesCloseAt = at(0) }, want: []string{"body.salesCloseAt"}},
		{name: "closed before now", change: func(n *boxoffice.NewSchedule) {
			n.SalesOpenAt, n.SalesCloseAt = at(-2*time.Hour), at(-time.Hour)
		}, want: []string{"body.salesCloseAt"}},
		{name: "closes when it opens", change: func(n *boxoffice.NewSchedule) {
			n.SalesOpenAt, n.SalesCloseAt = at(time.Hour), at(time.Hour)
		}, want: []string{"body.salesCloseAt"}},
		{name: "opens when it starts", change: func(n *boxoffice.NewSchedule) { n.SalesOpenAt = n.StartsAt }, want: []string{"body.startsAt"}},
		{name: "closes after it starts", change: func(n *boxoffice.NewSchedule) {
			n.SalesCloseAt = n.StartsAt.Add(time.Millisecond)
		}, want: []string{"body.salesCloseAt"}},
		{name: "closes when it starts", change: func(n *boxoffice.NewSchedule) { n.SalesCloseAt = n.StartsAt }},
		{name: "opened before", change: func(n *boxoffice.NewSchedule) { n.SalesOpenAt = at(-time.Hour) }},
		{name: "year 10000", change: func(n *boxoffice.NewSchedule) { n.EndsAt = at(0).AddDate(8000, 0, 0) }, want: []string{"body.endsAt"}},
		{name: "no such zone", change: func(n *boxoffice.NewSchedule) { n.TimeZone = "Europe/Atlantis" }, want: []string{"body.timeZone"}},
		{name: "the machine's zone", change: func(n *boxoffice.NewSchedule) { n.TimeZone = "Local" }, want: []string{"body.timeZone"}},
		{name: "a path", change: func(n *boxoffice.NewSchedule) { n.TimeZone = "../zoneinfo/UTC" }, want: []string{"body.timeZone"}},
		{name: "leap seconds", change: func(n *boxoffice.NewSchedule) { n.TimeZone = "right/UTC" }, want: []string{"body.timeZone"}},
		{name: "a link", change: func(n *boxoffice.NewSchedule) { n.TimeZone = "Asia/Calcutta" }},
		{name: "UTC", change: func(n *boxoffice.NewSchedule) { n.TimeZone = "UTC" }},
		{name: "settings", change: func(n *boxoffice.NewSchedule) {
			n.Capacity, n.AdmitPerSecond, n.Price = new(0), new(-1), new(int64(-1))
		}, want: []string{"body.capacity", "body.admitPerSecond", "body.price"}},
		{name: "capacity", change: func(n *boxoffice.NewSchedule) { n.Capacity = new(100_001) }, want: []string{"body.capacity"}},
		{name: "seats", change: func(n *boxoffice.NewSchedule) {
			n.SeatPrices = []boxoffice.SeatPrice{
				{From: 0, To: 1}, {From: 50, To: 51}, {From: 5, To: 4}, {From: 10, To: 20, Price: -1}, {From: 20, To: 21},
			}
		}, want: []string{
			"body.seatPrices[0].from", "body.seatPrices[1].to", "body.seatPrices[2].to",
			"body.seatPrices[3].price", "body.seatPrices[4].from",
		}},
		{name: "too many seat prices", change: func(n *boxoffice.NewSchedule) {
			n.SeatPrices = make([]boxoffice.SeatPrice, 51)
		}, want: []string{"body.seatPrices"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := goodSchedule()
			tt.change(&n)
			terms, _, refusal := n.Decide(at(0), 500, boxoffice.QueueLimits{Capacity: 100})
			require.Equal(t, tt.want, locations(refusal))
			if refusal != nil {
				require.Equal(t, boxoffice.CodeInvalidRequest, refusal.Code)
				require.Zero(t, terms)
			}
		})
	}
}

// The performance's day begins at its first moment, whatever the clock does there.
func TestCancellationClosesWhenTheDayBegins(t *testing.T) {
	t.Parallel()
	tests := []struct{ zone, startsAt, want string }{
		{"Europe/Berlin", "2026-12-24T18:00:00Z", "2026-12-23T23:00:00Z"},
		{"Europe/Berlin", "2026-12-24T23:30:00Z", "2026-12-24T23:00:00Z"}, // the 25th there
		{"UTC", "2026-12-24T00:00:00Z", "2026-12-24T00:00:00Z"},
		{"Asia/Kathmandu", "2026-12-24T18:14:59Z", "2026-12-23T18:15:00Z"},
		// Put forward at midnight: the day begins at 01:00.
		{"America/Sao_Paulo", "2018-11-04T20:00:00Z", "2018-11-04T03:00:00Z"},
		{"Africa/Cairo", "2027-04-30T18:00:00Z", "2027-04-29T22:00:00Z"},
		// Put back at midnight: 23:00 to 24:00 of the day before comes twice.
		{"America/Sao_Paulo", "2018-02-18T20:00:00Z", "2018-02-18T03:00:00Z"},
		// Put back at 01:00: 00:00 comes twice, and the day begins at the first.
		{"Atlantic/Azores", "2026-10-25T20:00:00Z", "2026-10-25T00:00:00Z"},
		{"America/Havana", "2026-11-01T20:00:00Z", "2026-11-01T04:00:00Z"},
		{"Asia/Amman", "2021-10-29T20:00:00Z", "2021-10-28T21:00:00Z"},
		// An hour that comes twice later in the day changes nothing.
		{"Europe/Berlin", "2026-10-25T20:00:00Z", "2026-10-24T22:00:00Z"},
		// A day that was left out.
		{"Pacific/Apia", "2011-12-30T20:00:00Z", "2011-12-30T10:00:00Z"},
	}
	for _, tt := range tests {
		startsAt, err := time.Parse(time.RFC3339, tt.startsAt)
		require.NoError(t, err)
		want, err := time.Parse(time.RFC3339, tt.want)
		require.NoError(t, err)
		terms, _, refusal := boxoffice.NewSchedule{
			StartsAt: startsAt, EndsAt: startsAt.Add(time.Hour), TimeZone: tt.zone,
		}.Decide(startsAt.AddDate(0, -1, 0), 0, boxoffice.QueueLimits{Capacity: 1})
		require.Nil(t, refusal)
		require.Equal(t, want, terms.CancellationClosesAt, "%s %s", tt.zone, tt.startsAt)
	}
}

func TestScheduleFilter(t *testing.T) {
	t.Parallel()
	for _, good := range []boxoffice.ScheduleFilter{
		{}, {From: "2026-02-28"}, {To: "2028-02-29"}, {From: "2026-12-24", To: "2026-12-24"}, {From: "0001-01-01", To: "9999-12-31"},
	} {
		require.Nil(t, good.Validate())
	}
	for _, bad := range []string{
		"today", "2026-02-29", "2026-1-02", "02.01.2026", "2026-01-02T00:00:00Z", " 2026-01-02", "0000-01-01", "20260102", "+026-01-02",
	} {
		require.False(t, boxoffice.ValidDate(bad), bad)
		require.Equal(t, []string{"query.from", "query.to"}, locations(boxoffice.ScheduleFilter{From: bad, To: bad}.Validate()), bad)
	}
	require.Equal(t, []string{"query.to"}, locations(boxoffice.ScheduleFilter{From: "2026-01-02", To: "2026-01-01"}.Validate()))
}
