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

// Of members that cannot talk the later one owns nothing, and the others go on; it takes its
// share when they have gone.
func TestWhoSpeaksAnotherVersionOwnsNothing(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]versions{"older": {}, "newer": {Min: 2, Max: 3}} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemoryStore()
			first := joinSpeaking(t, s, "b", spoken())
			sleep(time.Millisecond)
			second := joinSpeaking(t, s, "a", other)
			defer second.die()
			sleep(2 * ableFor)
			require.True(t, first.sees("a", "b") && second.sees("a", "b"), name)
			require.Equal(t, stateReady, s.state("b"), name)
			require.Equal(t, stateSuspended, s.state("a"), name)
			require.Nil(t, first.view.stranger(dialect{service: spoken()}), name)
			require.NotNil(t, second.view.stranger(dialect{service: other}), name)
			require.NoError(t, first.leave(t.Context()))
			sleep(ableFor + 100*time.Millisecond)
			require.Equal(t, stateReady, s.state("a"), name)
		})
	}
}

// Two that start at the same time may each find nobody; then the later one gives way.
func TestOfTwoStrangersTheLaterGivesWay(t *testing.T) {
	t.Parallel()
	r := newTestRoster()
	own := record{ID: "self", State: stateReady, Service: spoken(), StartedAt: at(5)}
	r.observe(own, 1, at(10))
	for _, other := range []struct {
		record
		elder bool
	}{
		{record{ID: "a", State: stateReady, StartedAt: at(4)}, true},
		{record{ID: "b", State: stateReady, StartedAt: at(6)}, false},
		{record{ID: "a", State: stateReady, StartedAt: at(5)}, true},
		{record{ID: "z", State: stateReady, StartedAt: at(5)}, false},
		{record{ID: "c", State: stateLeaving, StartedAt: at(4)}, false},
		{record{ID: "d", State: stateReady, StartedAt: at(4), Service: versions{Min: 1, Max: 2}}, false},
	} {
		r.members = map[string]*member{"self": r.members["self"], other.ID: {record: other.record}}
		require.Equal(t, other.elder, r.elder(own), "%+v", other)
	}
}

func TestVersionsOverlap(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b versions
		want bool
	}{
		{versions{1, 1}, versions{1, 1}, true},
		{versions{1, 2}, versions{2, 3}, true},
		{versions{1, 1}, versions{2, 3}, false},
		{versions{1, 1}, versions{}, false},
		{versions{}, versions{}, false},
	} {
		require.Equal(t, test.want, test.a.overlap(test.b), "%v and %v", test.a, test.b)
		require.Equal(t, test.want, test.b.overlap(test.a), "%v and %v", test.b, test.a)
	}
}

// Records of other releases may lack what this one says, and say what it does not know.
func TestRecordsOfOtherReleasesAreRead(t *testing.T) {
	t.Parallel()
	r := newTestRoster()
	r.observe(ready("self", 0), 1, at(0))
	for i, text := range []string{
		`{"id":"old","address":"a:1","startedAt":"2026-01-01T00:00:00Z","state":"ready","seen":9,"store":"store"}`,
		`{"id":"new","address":"a:2","startedAt":"2026-01-01T00:00:00Z","state":"resting","service":{"min":1,"max":4},"seen":9,"store":"store","more":[1]}`,
	} {
		rec, err := decodeRecord([]byte(text))
		require.NoError(t, err)
		require.True(t, r.observe(rec, uint64(2+i), at(0)))
	}
	v := r.view()
	require.Len(t, v.peers, 3, "an unknown state is no departure")
	require.Len(t, v.owners, 2, "but owns nothing")
	require.False(t, v.owns("new"))
	require.Equal(t, "old", v.stranger(dialect{service: spoken()}).id, "nobody can talk with who does not say in which version")
	id, _ := judgeEvery(r, 0, 2000)
	require.NotEmpty(t, id, "whoever is silent is evicted, whatever its state")
}
