package actors

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"boxoffice"
	"boxoffice/seatmap"
)

// risingClock returns the time that passes in a test's bubble.
type risingClock struct{}

func (risingClock) Now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// Alarms come due in the order of their times, each as it was set last, and cancelled
// ones never.
func TestAlarms(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		clock := new(manualClock)
		clock.advance(time.Hour)
		a := &alarms{clock: clock}
		shells := make([]*shell, 6)
		for i := range shells {
			shells[i] = &shell{id: int64(i)}
		}
		model := map[*shell]int64{}
		for range rapid.IntRange(1, 60).Draw(t, "turns") {
			s := rapid.SampledFrom(shells).Draw(t, "grain")
			switch rapid.IntRange(0, 2).Draw(t, "what") {
			case 0:
				at := clock.Now().Add(time.Duration(rapid.IntRange(3_600_000, 3_600_020).Draw(t, "ms")) * time.Millisecond)
				a.set(s, at)
				model[s] = at.UnixMilli()
			case 1:
				a.cancel(s)
				delete(model, s)
			case 2:
				clock.advance(time.Duration(rapid.IntRange(0, 2_000_000).Draw(t, "pass")) * time.Millisecond)
				last := int64(0)
				for _, due := range a.takeDue() {
					require.Contains(t, model, due)
					require.LessOrEqual(t, last, model[due])
					last = model[due]
					delete(model, due)
				}
				for _, at := range model {
					require.Greater(t, at, clock.Now().UnixMilli())
				}
			}
			require.Len(t, a.queue, len(model))
		}
		for _, s := range shells {
			a.cancel(s)
			require.Zero(t, s.alarm)
		}
	})
}

// The timer is wound for whatever comes first, as often as it takes.
func TestAlarmsRing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &alarms{clock: risingClock{}}
		began := a.clock.Now()
		late, early := &shell{}, &shell{}
		a.set(late, began.Add(10*time.Minute))
		a.set(early, began.Add(time.Minute))
		require.Equal(t, began.Add(time.Minute).UnixMilli(), a.ringMS)
		a.set(early, began.Add(20*time.Minute))
		require.Empty(t, a.takeDue(), "it was put off")
		require.Equal(t, began.Add(10*time.Minute).UnixMilli(), a.ringMS)
		a.cancel(late)
		a.cancel(early)
		require.Zero(t, a.ringMS)
	})
}

// A clock that jumps, as the database's may, is followed at once.
func TestAlarmsFollowAClockThatJumps(t *testing.T) {
	t.Parallel()
	h := setup(t)
	h.schedule = h.spawn(boxoffice.KindSchedule, scheduleID)
	h.held(newBuyer(1), 1)
	h.clock.advance(5 * time.Minute)
	require.Eventually(t, func() bool {
		commits := h.journal.committed()
		_, expired := commits[len(commits)-1].Events[0].Data.(seatmap.Expired)
		return expired
	}, patience, time.Millisecond)
}
