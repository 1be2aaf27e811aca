package cluster

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeMember is membership without a node: time is the bubble's.
type fakeMember struct {
	*membership
	link       *link
	distrusted atomic.Int32
	evictions  atomic.Int32
	settled    atomic.Bool
	ids        atomic.Pointer[[]string]
}

// joinFake makes a member of this release and joins it.
func joinFake(t *testing.T, s *memoryStore, id string) *fakeMember {
	t.Helper()
	return joinSpeaking(t, s, id, spoken())
}

func joinSpeaking(t *testing.T, s *memoryStore, id string, service versions) *fakeMember {
	t.Helper()
	f := &fakeMember{link: &link{store: s}}
	cfg, err := Config{
		ClusterName: "test", Bind: "127.0.0.1:0",
		Logger:   slog.New(slog.NewTextHandler(t.Output(), nil)).With("node", id),
		Observer: Observer{Evicted: func(string) { f.evictions.Add(1) }},
	}.withDefaults()
	require.ErrorContains(t, err, "no NATS") // which these tests do without
	cfg.HeartbeatInterval, cfg.Expiry, cfg.BlindAfter = defaultHeartbeat, defaultExpiry, defaultBlindAfter
	f.membership = newMembership(cfg, f.link, newLease(time.Now), record{
		ID: id, Address: id + ":1", StartedAt: time.Now(), State: stateReady, Service: service,
	})
	f.apply = func(v *view) {
		ids := make([]string, 0, len(v.peers))
		for _, p := range v.peers {
			ids = append(ids, p.id)
		}
		f.ids.Store(&ids)
		f.settled.Store(v.settled)
	}
	f.distrust = func() { f.distrusted.Add(1) }
	f.census = func() map[string]int { return map[string]int{"grain": 1} }
	require.NoError(t, f.join(t.Context()))
	return f
}

// die ends a member without a word.
func (f *fakeMember) die() {
	f.stop()
	f.tasks.Wait()
}

func (f *fakeMember) sees(ids ...string) bool { return slices.Equal(*f.ids.Load(), ids) }

func (f *fakeMember) isFenced() bool {
	select {
	case <-f.fenced:
		return true
	default:
		return false
	}
}

// trio joins a, b and c, and waits until they agree.
func trio(t *testing.T) (s *memoryStore, members [3]*fakeMember) {
	t.Helper()
	s = newMemoryStore()
	for i, id := range []string{"a", "b", "c"} {
		members[i] = joinFake(t, s, id)
	}
	synctest.Wait()
	for _, m := range members {
		require.True(t, m.sees("a", "b", "c"))
		require.True(t, m.settled.Load())
		require.True(t, m.lease.Valid())
	}
	return s, members
}

// sleep lets the bubble's time pass; nothing really waits.
func sleep(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the time of a synctest bubble
	synctest.Wait()
}

func TestSilentMemberIsEvictedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		defer m[0].die()
		defer m[1].die()
		m[2].die()
		sleep(700 * time.Millisecond) // its last heartbeat is at most 250 ms old
		require.True(t, m[0].sees("a", "b", "c"))
		require.Equal(t, stateReady, s.state("c"))
		sleep(400 * time.Millisecond)
		require.True(t, m[0].sees("a", "b"))
		require.True(t, m[1].sees("a", "b"))
		require.Equal(t, stateEvicted, s.state("c"))
		require.EqualValues(t, 1, m[0].evictions.Load()+m[1].evictions.Load())
		require.True(t, m[0].settled.Load())
		require.True(t, m[1].settled.Load())
	})
}

func TestLeavingTakesNoExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		defer m[0].die()
		defer m[1].die()
		m[2].setState(stateLeaving)
		synctest.Wait()
		require.True(t, m[0].sees("a", "b", "c"), "who leaves can still be reached")
		require.False(t, m[0].view.owns("c"))
		require.True(t, m[0].settled.Load())
		require.NoError(t, m[2].leave(t.Context()))
		synctest.Wait()
		require.True(t, m[0].sees("a", "b"))
		require.Equal(t, stateLeft, s.state("c"))
		sleep(3 * time.Second)
		require.Zero(t, m[0].evictions.Load())
	})
}

func TestEvictedMemberFencesItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, m := trio(t)
		for i := range m {
			defer m[i].die()
		}
		m[2].link.set(&m[2].link.cut, true)
		sleep(defaultExpiry)
		require.False(t, m[2].lease.Valid(), "nobody can have taken over before the lease ran out")
		sleep(defaultExpiry)
		require.True(t, m[0].sees("a", "b"))
		require.False(t, m[2].isFenced(), "it cannot know")
		require.True(t, m[2].sees("a", "b", "c"), "who is blind judges nobody")
		m[2].link.set(&m[2].link.cut, false)
		sleep(time.Second)
		require.True(t, m[2].isFenced())
		require.False(t, m[2].lease.Valid())
		require.Zero(t, m[2].evictions.Load())
	})
}

// The lease must have run out before anybody can evict.
func TestLeaseEndsBeforeEviction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		for i := range m {
			defer m[i].die()
		}
		m[2].link.set(&m[2].link.cut, true)
		for s.state("c") == stateReady {
			valid := m[2].lease.Valid()
			sleep(time.Millisecond)
			require.False(t, valid && s.state("c") == stateEvicted)
		}
		require.False(t, m[2].lease.Valid())
	})
}

func TestFrozenStoreEvictsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, m := trio(t)
		for i := range m {
			defer m[i].die()
			m[i].link.set(&m[i].link.cut, true)
		}
		sleep(4 * time.Second)
		for i := range m {
			require.False(t, m[i].lease.Valid())
			m[i].link.set(&m[i].link.cut, false)
		}
		sleep(3 * time.Second)
		for i := range m {
			require.True(t, m[i].lease.Valid())
			require.False(t, m[i].isFenced())
			require.True(t, m[i].sees("a", "b", "c"))
			require.True(t, m[i].settled.Load())
			require.Zero(t, m[i].evictions.Load())
			require.Zero(t, m[i].distrusted.Load(), "the bucket still had it: nobody took over")
		}
	})
}

func TestWipedStoreIsNoEviction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		s.wipe()
		for range 10 { // the leases hold through it
			sleep(100 * time.Millisecond)
			for i := range m {
				require.True(t, m[i].lease.Valid())
				require.True(t, m[i].sees("a", "b", "c"))
			}
		}
		sleep(2 * time.Second)
		for i := range m {
			require.True(t, m[i].settled.Load())
			require.False(t, m[i].isFenced())
			require.Zero(t, m[i].evictions.Load())
			require.Zero(t, m[i].distrusted.Load())
			require.Equal(t, stateReady, s.state(m[i].own.ID))
			m[i].die()
		}
	})
}

// A bucket that comes back empty and is called the same begins its revisions anew.
func TestEmptiedStoreIsNoEviction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		sleep(10 * time.Second) // revisions that the emptied bucket does not reach soon
		for i := range m {
			m[i].link.set(&m[i].link.cut, true)
		}
		sleep(3 * time.Second) // the servers elect a leader
		s.empty()
		for i := range m {
			m[i].link.set(&m[i].link.cut, false)
		}
		sleep(2 * time.Second)
		for i := range m {
			require.True(t, m[i].lease.Valid())
			require.True(t, m[i].sees("a", "b", "c"))
			require.True(t, m[i].settled.Load())
			require.False(t, m[i].isFenced())
			require.Zero(t, m[i].evictions.Load())
			require.EqualValues(t, 1, m[i].distrusted.Load(), "somebody may have taken over before the bucket was lost")
			require.Equal(t, stateReady, s.state(m[i].own.ID))
		}
		m[2].die()
		sleep(2 * time.Second)
		require.True(t, m[0].sees("a", "b"), "who dies is missed as ever")
		require.True(t, m[0].settled.Load())
		m[0].die()
		m[1].die()
	})
}

// A member that was away while the bucket was lost cannot know whether it was evicted.
func TestLostStoreAndLostLeaseGiveUpGrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		for i := range m {
			defer m[i].die()
		}
		m[2].link.set(&m[2].link.cut, true)
		sleep(2 * time.Second)
		require.Equal(t, stateEvicted, s.state("c"))
		s.wipe()
		m[0].link.set(&m[0].link.cut, true) // nobody has told the new bucket about c yet
		m[1].link.set(&m[1].link.cut, true)
		var valid atomic.Bool
		m[2].distrust = func() {
			valid.Store(m[2].lease.fresh())
			m[2].distrusted.Add(1)
		}
		m[2].link.set(&m[2].link.cut, false)
		sleep(300 * time.Millisecond)
		require.NotZero(t, m[2].distrusted.Load())
		require.False(t, valid.Load(), "the grains must be given up before the lease is good again")
		require.True(t, m[2].lease.Valid())
		require.False(t, m[2].isFenced())
		m[0].link.set(&m[0].link.cut, false)
		m[1].link.set(&m[1].link.cut, false)
		sleep(2 * time.Second)
		for i := range m {
			require.True(t, m[i].sees("a", "b", "c"))
			require.True(t, m[i].settled.Load())
		}
	})
}

// Who does not come back to a new bucket is evicted in it, so that it learns of it.
func TestAbsentMemberIsEvictedFromNewStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		defer m[0].die()
		defer m[1].die()
		m[2].die()
		s.wipe()
		sleep(300 * time.Millisecond)
		require.True(t, m[0].sees("a", "b", "c"))
		require.False(t, m[0].settled.Load())
		sleep(3 * time.Second)
		require.Equal(t, stateEvicted, s.state("c"))
		require.True(t, m[0].sees("a", "b"))
		require.True(t, m[0].settled.Load())
	})
}

func TestLostAcknowledgementIsNoEviction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, m := trio(t)
		m[1].link.mu.Lock()
		m[1].link.loseAcks = 3
		m[1].link.mu.Unlock()
		sleep(3 * time.Second)
		for i := range m {
			require.False(t, m[i].isFenced())
			require.True(t, m[i].lease.Valid())
			require.True(t, m[i].sees("a", "b", "c"))
			m[i].die()
		}
	})
}

// A heartbeat that goes down with a NATS server is sent again before anybody is missed.
func TestLostHeartbeatIsNoEviction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, m := trio(t)
		m[1].link.mu.Lock()
		m[1].link.swallow = 1
		m[1].link.mu.Unlock()
		sleep(3 * time.Second)
		for i := range m {
			require.False(t, m[i].isFenced())
			require.True(t, m[i].sees("a", "b", "c"))
			m[i].die()
		}
	})
}

func TestLateHeartbeatBeatsEviction(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		for i := range m {
			defer m[i].die()
		}
		m[0].mu.Lock()
		stale := *m[0].roster.members["c"]
		m[0].mu.Unlock()
		sleep(defaultHeartbeat)
		m[0].evict(stale)
		synctest.Wait()
		require.Equal(t, stateReady, s.state("c"))
		require.Zero(t, m[0].evictions.Load())
		require.False(t, m[2].isFenced())
	})
}

// Nothing that moved may be activated before all have given up what they do not own.
func TestJoinSettlesWhenAllHaveSeenIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		for i := range m {
			defer m[i].die()
		}
		m[1].link.set(&m[1].link.blind, true) // it beats, but does not see
		d := joinFake(t, s, "d")
		defer d.die()
		sleep(500 * time.Millisecond)
		require.True(t, m[0].sees("a", "b", "c", "d"))
		require.True(t, m[1].sees("a", "b", "c"))
		require.False(t, d.settled.Load())
		require.False(t, m[0].settled.Load())
		m[1].link.set(&m[1].link.blind, false)
		synctest.Wait()
		require.True(t, m[1].sees("a", "b", "c", "d"))
		require.True(t, d.settled.Load())
		require.True(t, m[0].settled.Load())
	})
}

func TestMemberThatDoesNotFollowIsEvicted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		for i := range m {
			defer m[i].die()
		}
		m[1].link.set(&m[1].link.blind, true)
		d := joinFake(t, s, "d")
		defer d.die()
		sleep(laggingExpiry*defaultExpiry + 500*time.Millisecond)
		require.True(t, d.sees("a", "c", "d"))
		require.True(t, d.settled.Load())
		require.Equal(t, stateEvicted, s.state("b"))
		sleep(time.Second)
		require.True(t, m[1].isFenced(), "its heartbeats are refused")
	})
}

func TestJoinFailsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newMemoryStore()
		m := newMembership(Config{
			HeartbeatInterval: defaultHeartbeat, Expiry: defaultExpiry, BlindAfter: defaultBlindAfter,
			Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		}, &link{store: s, cut: make(chan struct{})}, newLease(time.Now), record{ID: "a"})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		require.ErrorIs(t, m.join(ctx), context.DeadlineExceeded)
		require.NoError(t, m.leave(t.Context()))
	})
}

func TestRecordsAreKeptCurrent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, m := trio(t)
		for i := range m {
			defer m[i].die()
		}
		sleep(time.Second)
		records := m[0].records()
		require.Len(t, records, 3)
		for i, r := range records {
			require.Equal(t, []string{"a", "b", "c"}[i], r.ID)
			require.Equal(t, r.ID+":1", r.Address)
			require.Equal(t, map[string]int{"grain": 1}, r.Grains)
		}
		before := s.written()
		sleep(10 * time.Second)
		require.InDelta(t, 3*10*4, s.written()-before, 6, "a heartbeat each 250 ms and member, no more")
	})
}
