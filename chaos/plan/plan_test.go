package plan_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice/chaos/plan"
)

func kinds() []plan.Kind {
	var all []plan.Kind
	for _, e := range plan.Catalogue() {
		all = append(all, e.Kind)
	}
	return all
}

func TestTheSameSeedRepeatsThePlan(t *testing.T) {
	t.Parallel()
	first, err := plan.Draw(7, kinds(), 10*time.Minute, 3)
	require.NoError(t, err)
	again, err := plan.Draw(7, kinds(), 10*time.Minute, 3)
	require.NoError(t, err)
	other, err := plan.Draw(8, kinds(), 10*time.Minute, 3)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.NotEqual(t, first, other)
}

func TestEveryFaultComesBeforeOneComesTwice(t *testing.T) {
	t.Parallel()
	faults, err := plan.Draw(1, kinds(), time.Hour, 3)
	require.NoError(t, err)
	require.Greater(t, len(faults), len(kinds()))
	seen := make(map[plan.Kind]bool)
	for _, f := range faults[:len(kinds())] {
		require.False(t, seen[f.Kind], "%s came twice", f.Kind)
		seen[f.Kind] = true
	}
}

func TestFaultsDoNotOverlapAndEndInTime(t *testing.T) {
	t.Parallel()
	const length = 5 * time.Minute
	faults, err := plan.Draw(3, kinds(), length, 3)
	require.NoError(t, err)
	for i, f := range faults {
		entry, ok := plan.Find(f.Kind)
		require.True(t, ok)
		require.GreaterOrEqual(t, f.Length, entry.Shortest)
		require.LessOrEqual(t, f.Length, entry.Longest)
		require.NotEqual(t, f.Node, f.Peer)
		end := length
		if i+1 < len(faults) {
			end = faults[i+1].At
		}
		require.Greater(t, end, f.At+f.Length+entry.Goal)
	}
}

func TestWhatCannotBeDrawn(t *testing.T) {
	t.Parallel()
	_, err := plan.Draw(1, []plan.Kind{"earthquake"}, time.Minute, 3)
	require.ErrorContains(t, err, `no fault is called "earthquake"`)
	_, err = plan.Draw(1, []plan.Kind{plan.Join}, time.Minute, 1)
	require.ErrorContains(t, err, "join needs 2 nodes")
}

func TestOneNodeIsGivenTimeToComeBack(t *testing.T) {
	t.Parallel()
	entry, ok := plan.Find(plan.Kill)
	require.True(t, ok)
	goal, since := entry.GoalWith(3)
	require.Equal(t, 3*time.Second, goal)
	require.Equal(t, plan.FromStart, since)
	_, since = entry.GoalWith(1)
	require.Equal(t, plan.FromHeal, since)
}
