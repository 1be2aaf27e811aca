package cluster

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhoIsUnableGivesItsGrainsToTheAble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		for i := range m {
			defer m[i].die()
		}
		sleep(unableFor) // the others have been able for long enough
		m[2].setAble(false)
		sleep(unableFor - 100*time.Millisecond)
		require.Equal(t, stateReady, s.state("c"))
		sleep(200 * time.Millisecond)
		require.Equal(t, stateSuspended, s.state("c"))
		for i := range m {
			require.True(t, m[i].sees("a", "b", "c"), "it can still be reached")
			require.False(t, m[i].view.owns("c"))
			require.True(t, m[i].settled.Load())
		}
		require.True(t, m[2].lease.fresh())

		m[2].setAble(true)
		sleep(ableFor / 2)
		m[2].setAble(false)
		m[2].setAble(true)
		sleep(ableFor - 100*time.Millisecond)
		require.Equal(t, stateSuspended, s.state("c"), "it must have been able all the time")
		sleep(200 * time.Millisecond)
		require.Equal(t, stateReady, s.state("c"))
		require.True(t, m[0].view.owns("c"))
		require.Zero(t, m[0].evictions.Load()+m[1].evictions.Load())
	})
}

func TestNobodyIsSuspendedWhereNobodyIsAble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		for i := range m {
			defer m[i].die()
		}
		sleep(unableFor)
		for i := range m { // one after the other, as each notices
			m[i].setAble(false)
			sleep(300 * time.Millisecond)
		}
		sleep(10 * time.Second)
		m[0].setAble(true) // and one after the other come back
		sleep(700 * time.Millisecond)
		m[1].setAble(true)
		m[2].setAble(true)
		for range 30 {
			sleep(100 * time.Millisecond)
			for _, id := range []string{"a", "b", "c"} {
				require.Equal(t, stateReady, s.state(id))
			}
		}
	})
}

func TestWhoIsUnableDoesNotGiveToTheSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		for i := range m {
			defer m[i].die()
		}
		sleep(unableFor)
		m[0].link.set(&m[0].link.cut, true)
		m[1].setAble(false)
		m[2].setAble(false)
		sleep(3 * time.Second)
		require.Equal(t, stateEvicted, s.state("a"))
		require.Equal(t, stateReady, s.state("b"))
		require.Equal(t, stateReady, s.state("c"))
	})
}

func TestWhoLeavesIsNotSuspended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		for i := range m {
			defer m[i].die()
		}
		sleep(unableFor)
		m[2].setState(stateLeaving)
		m[2].setAble(false)
		sleep(2 * unableFor)
		require.Equal(t, stateLeaving, s.state("c"))
		m[2].setAble(true)
		sleep(2 * ableFor)
		require.Equal(t, stateLeaving, s.state("c"))
	})
}
