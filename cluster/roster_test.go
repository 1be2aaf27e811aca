package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clock makes times in milliseconds.
func at(ms int) time.Time { return time.UnixMilli(int64(ms)) }

func newTestRoster() *roster {
	r := newRoster("self", defaultExpiry, defaultBlindAfter, at(0))
	r.newStore("store", at(0))
	return r
}

func ready(id string, seen uint64) record {
	return record{ID: id, State: stateReady, Service: spoken(), Seen: seen, Store: "store"}
}

// judgeEvery judges each 50 ms from one time to another, hearing itself all along, and
// tells when somebody was first overdue.
func judgeEvery(r *roster, from, to int) (overdue string, when int) {
	for ms := from; ms <= to; ms += 50 {
		r.echoed = at(ms)
		for _, m := range r.judge(at(ms)) {
			return m.record.ID, ms
		}
	}
	return "", 0
}

func TestRosterAgesFromWhatItHeardItself(t *testing.T) {
	t.Parallel()
	r := newTestRoster()
	r.observe(ready("self", 0), 1, at(0))
	r.observe(ready("other", 2), 2, at(100))
	id, when := judgeEvery(r, 0, 2000)
	require.Equal(t, "other", id)
	require.Equal(t, 1100, when)
}

func TestRosterJudgesNobodyAfterItsOwnStall(t *testing.T) {
	t.Parallel()
	r := newTestRoster()
	r.observe(ready("self", 0), 1, at(0))
	r.observe(ready("other", 2), 2, at(100))
	id, _ := judgeEvery(r, 0, 500)
	require.Empty(t, id)
	id, when := judgeEvery(r, 5000, 7000) // nothing ran for 4.5 s
	require.Equal(t, "other", id)
	require.Equal(t, 6000, when, "everybody has an expiry to be heard again")
}

// A store that freezes after this node's heartbeat and before another's makes the other
// look the older one.
func TestRosterDoesNotTakeAFrozenStoreForASilentMember(t *testing.T) {
	t.Parallel()
	for _, late := range []int{0, 100, 250, 450} {
		r := newTestRoster()
		r.observe(ready("other", 2), 2, at(100))
		r.observe(ready("self", 0), 1, at(100+late))
		for ms := 100; ms < 5000; ms += 10 {
			require.Empty(t, r.judge(at(ms)), "%d ms after the other", late)
		}
	}
}

func TestRosterJudgesNobodyWhileBlind(t *testing.T) {
	t.Parallel()
	r := newTestRoster()
	r.observe(ready("self", 0), 1, at(0))
	r.observe(ready("other", 2), 2, at(0))
	for ms := 0; ms < 900; ms += 50 {
		require.Empty(t, r.judge(at(ms)))
	}
	for ms := 900; ms < 5000; ms += 50 {
		require.Empty(t, r.judge(at(ms)))
	}
	id, when := judgeEvery(r, 5000, 7000)
	require.Equal(t, "other", id)
	require.InDelta(t, 6000, when, 50)
}

func TestRosterCountsWhatWasSeenPerStore(t *testing.T) {
	t.Parallel()
	r := newTestRoster()
	r.observe(ready("self", 0), 1, at(0))
	r.observe(ready("other", 0), 2, at(0))
	require.False(t, r.settled())
	old := ready("other", 57)
	old.Store = "the one before"
	changed := r.observe(old, 3, at(0))
	require.False(t, changed)
	require.False(t, r.settled(), "57 was a revision of another bucket")
	changed = r.observe(ready("other", 2), 4, at(0))
	require.True(t, changed)
	require.True(t, r.settled())
	require.True(t, r.view().settled)
}

func TestRosterSettlesOnlyAfterTheLastChange(t *testing.T) {
	t.Parallel()
	r := newTestRoster()
	r.observe(ready("self", 0), 1, at(0))
	r.observe(ready("a", 2), 2, at(0))
	require.True(t, r.settled())
	r.observe(ready("b", 3), 3, at(0))
	require.False(t, r.settled(), "a has not told that it knows of b")
	r.observe(ready("a", 3), 4, at(0))
	require.True(t, r.settled())

	leaving := ready("b", 4)
	leaving.State = stateLeaving
	r.observe(leaving, 5, at(0))
	require.False(t, r.settled(), "what b owned has new owners")
	require.Len(t, r.view().owners, 2)
	require.Len(t, r.view().peers, 3)
	r.observe(ready("a", 5), 6, at(0))
	require.False(t, r.settled(), "b itself may not know yet that it left")
	leaving.Seen = 5
	r.observe(leaving, 7, at(0))
	require.True(t, r.settled())
}

func TestRosterIgnoresWhatItHasHeard(t *testing.T) {
	t.Parallel()
	r := newTestRoster()
	r.observe(ready("self", 0), 1, at(0))
	r.observe(ready("other", 2), 9, at(0))
	left := ready("other", 0)
	left.State = stateLeft
	changed := r.observe(left, 8, at(0))
	require.False(t, changed)
	changed = r.observe(left, 10, at(0))
	require.True(t, changed)
	changed = r.observe(left, 11, at(0))
	require.False(t, changed)
}
