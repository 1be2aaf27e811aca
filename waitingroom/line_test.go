package waitingroom

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"boxoffice"
)

// The line against a sorted slice, through many blocks: joins in bursts, leaves in
// bursts from anywhere, so that blocks empty, are dropped and the index shrinks.
//
// Now and then a log of it is begun, while which nothing is dropped; its end makes all of
// it final, or takes it back.
func TestLineKeepsToASortedSlice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		var l line
		var model, before []uint64
		next, open := uint64(1), false
		var undo []func()
		var out []lineSlot
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(*rapid.T) {
				if !open {
					open, before = true, slices.Clone(model)
					undo, out = nil, nil
				}
			},
			"keep": func(*rapid.T) {
				for _, at := range out {
					l.drop(at)
				}
				l.compact()
				open, undo, out = false, nil, nil
			},
			"take back": func(*rapid.T) {
				if !open {
					return
				}
				for _, f := range slices.Backward(undo) {
					f()
				}
				model, open, undo, out = before, false, nil, nil
			},
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 2*lineBlockSize).Draw(t, "count") {
					next += uint64(random.IntN(3)) // gaps, as a restored line has
					l.push(testPlace(next))
					undo = append(undo, func() { l.pop() })
					model = append(model, next)
					next++
				}
			},
			"remove": func(t *rapid.T) {
				count := min(len(model), rapid.IntRange(1, 2*lineBlockSize).Draw(t, "count"))
				front := rapid.Bool().Draw(t, "from the front")
				for range count {
					i := 0
					if !front {
						i = random.IntN(len(model))
					}
					at, ok := l.takeOut(model[i])
					if !ok || l.at(at) != testPlace(model[i]) {
						require.Fail(t, "another place was removed")
					}
					if _, ok = l.takeOut(model[i]); ok {
						require.Fail(t, "removed twice")
					}
					undo = append(undo, func() { l.putBack(at) })
					if out = append(out, at); !open {
						l.drop(at)
					}
					model = slices.Delete(model, i, i+1)
				}
				if !open {
					l.compact()
					undo, out = nil, nil
				}
			},
			"": func(t *rapid.T) { requireLine(t, model, &l, next, random) },
		})
	})
}

func testPlace(sequence uint64) linePlace {
	p := linePlace{sequence: sequence, joinedMS: int64(sequence) * 7}
	binary.BigEndian.PutUint64(p.userID[8:], sequence)
	binary.BigEndian.PutUint64(p.operationID[:], sequence)
	return p
}

func requireLine(t *rapid.T, model []uint64, l *line, next uint64, random *rand.Rand) {
	require.Equal(t, len(model), l.count)
	var all []uint64
	for sequence := range l.all() {
		all = append(all, sequence)
	}
	require.True(t, slices.Equal(model, all), "in order")
	for range 20 {
		sequence := random.Uint64N(next + 1)
		i, waits := slices.BinarySearch(model, sequence)
		p, ok := l.get(sequence)
		require.Equal(t, waits, ok)
		if !waits {
			require.Zero(t, l.position(sequence))
			continue
		}
		require.Equal(t, testPlace(sequence), p)
		require.Equal(t, i+1, l.position(sequence))
	}
	require.LessOrEqual(t, l.gone, len(l.blocks)/2, "the index does not outgrow who waits")
}

func TestPollAfterKeepsAMillionWithinTheBudget(t *testing.T) {
	t.Parallel()
	for _, waiting := range []int{1, 1_000, 20_000, 100_000, 500_000, 600_000, 1_000_000} {
		limits := Limits{AdmissionTTL: 10 * time.Minute, ClaimTTL: time.Minute}
		longest := limits.maxPollAfter(waiting)
		perSecond, last := 0.0, time.Duration(0)
		for position := 1; position <= waiting; position++ {
			interval := pollAfter(position, longest)
			if interval < max(last, time.Second) || interval >= time.Minute {
				// It grows with the position, and is often enough to be seen within the claim TTL.
				require.Fail(t, "interval", "%v at position %d of %d", interval, position, waiting)
			}
			last = interval
			perSecond += 1 / interval.Seconds()
		}
		require.LessOrEqual(t, perSecond, 20_000.0, "%d waiting", waiting)
	}
}

func TestDeadlinesAreFoundInAnyOrder(t *testing.T) {
	t.Parallel()
	start := time.UnixMilli(0)
	rapid.Check(t, func(t *rapid.T) {
		a := admittedPlaces{claimTTL: time.Hour}
		ends := rapid.SliceOfN(rapid.IntRange(0, 50), 0, 60).Draw(t, "ends")
		for i, end := range ends {
			a.add(&admittedPlace{linePlace: linePlace{sequence: uint64(i)}, claimed: true, endsAt: start.Add(time.Duration(end) * time.Second)})
		}
		for i := range ends {
			switch rapid.IntRange(0, 2).Draw(t, "change") {
			case 0:
				a.remove(a.places[uint64(i)])
				ends[i] = 999
			case 1:
				ends[i] += 10
				a.places[uint64(i)].heldUntil = start.Add(time.Duration(ends[i]) * time.Second)
				a.changed(a.places[uint64(i)])
			}
		}
		for now := range 70 {
			var due []uint64
			for i, end := range ends {
				if end <= now {
					due = append(due, uint64(i))
				}
			}
			found := a.due(start.Add(time.Duration(now)*time.Second), len(ends))
			require.Equal(t, due, found)
			some := a.due(start.Add(time.Duration(now)*time.Second), 3)
			require.Len(t, some, min(3, len(due)))
			require.Subset(t, due, some)
		}
	})
}

// benchRoom is a room in which so many wait and one place is admitted.
func benchRoom(tb testing.TB, waiting int) (*Room, time.Time) {
	tb.Helper()
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	r := New(Limits{AdmissionTTL: 10 * time.Minute, ClaimTTL: time.Minute, MaxWaiting: 10_000_000})
	r.Apply(boxoffice.Event{At: now, Data: Opened{SalesOpenAt: now, SalesCloseAt: now.Add(time.Hour), Capacity: 1}})
	users := make([]uuid.UUID, 0, 10_000)
	for n := range waiting + 1 {
		users = append(users, benchUser(uint64(n+1)))
		if len(users) == cap(users) || n == waiting {
			r.Apply(boxoffice.Event{At: now, Data: Joined{First: r.next, UserIDs: users}})
			users = users[:0]
		}
	}
	for _, e := range r.Admit(now, 1) {
		r.Apply(e)
	}
	return r, now
}

// benchUser spreads its bits as real ids do.
func benchUser(n uint64) uuid.UUID {
	var id uuid.UUID
	binary.LittleEndian.PutUint64(id[:8], n*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}
