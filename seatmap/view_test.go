package seatmap_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"boxoffice"
	"boxoffice/seatmap"
)

// followedView is a view that gets the changes of a schedule now and then.
type followedView struct {
	view *seatmap.View
	told int // events
}

// check passes the view what it lacks and compares it with the schedule.
func (f *followedView) check(t *rapid.T, r *scheduleRun) {
	before := *f.view.Map
	shown := f.view.Map
	f.view.Apply(seatmap.ChangesOf(r.events[f.told:]))
	f.told = len(r.events)
	require.Equal(t, before, *shown, "a map that was shown does not change")

	whole := r.schedule.View()
	require.Equal(t, whole.Map, f.view.Map)
	require.ElementsMatch(t, whole.Holds, f.view.Holds)
	require.Subset(t, f.view.Ended(), whole.Ended(), "the schedule forgets places whose admissions are over")
	require.Equal(t, r.schedule.NextDue(), f.view.DueAt)
	if !f.view.DueAt.IsZero() && !r.now.Before(f.view.DueAt) {
		return // time alone has changed what the schedule shows
	}
	require.Equal(t, r.schedule.SeatMap(r.now), *f.view.Map)
	for who := 1; who <= 4; who++ {
		for sequence := uint64(who * 1000); sequence < uint64(who*1000)+4; sequence++ {
			a := boxoffice.Admission{UserID: user(who), Sequence: sequence, EndsAt: at(time.Duration(sequence%4) * 40 * time.Minute)}
			require.Equal(t, r.schedule.CheckAdmission(a, r.now), f.view.CheckAdmission(a, r.now))
		}
	}
}

func TestSeatViewForgetsTheOldestPlacesOnly(t *testing.T) {
	t.Parallel()
	const many = 200_000
	ended := make([]uint64, many)
	for i := range ended {
		ended[i] = uint64(i + 1)
	}
	v := seatmap.NewView(newSchedule(t).View().Map, nil, ended)
	newest := boxoffice.Admission{UserID: user(1), Sequence: many, EndsAt: at(time.Hour)}
	require.Equal(t, boxoffice.CodeQueueTokenExpired, v.CheckAdmission(newest, at(0)).Code)
	require.Less(t, len(v.Ended()), many)
}
