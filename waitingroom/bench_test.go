package waitingroom

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
)

// A million who wait cost at most 200 MB, positions stay exact, and everything still
// happens in order.
//
//nolint:paralleltest // it measures the heap of the whole process
func TestAMillionWait(t *testing.T) {
	const waiting, limit = 1_000_000, 200 << 20
	before := heapInUse()
	r, now := benchRoom(t, waiting)
	used := heapInUse() - before
	t.Logf("%d waiting: %d MB", waiting, used>>20)
	require.LessOrEqual(t, used, uint64(limit))

	for _, n := range []uint64{2, 1000, 500_001, waiting + 1} {
		p, refusal := r.Place(benchUser(n), n, now)
		require.Nil(t, refusal)
		require.Equal(t, int(n-1), p.Position)
	}
	runtime.KeepAlive(r)
}

func heapInUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse
}

func benchSizes(b *testing.B, run func(b *testing.B, r *Room, waiting int, now time.Time)) {
	b.Helper()
	for _, waiting := range []int{1_000, 1_000_000} {
		r, now := benchRoom(b, waiting)
		b.Run(strconv.Itoa(waiting), func(b *testing.B) {
			b.ReportAllocs()
			run(b, r, waiting, now)
		})
	}
}

// One join in a batch of a thousand that can be taken back: decide, apply, merge.
func BenchmarkJoin(b *testing.B) {
	benchSizes(b, func(b *testing.B, r *Room, _ int, now time.Time) {
		b.Helper()
		var batch []boxoffice.Event
		r.Begin()
		for b.Loop() {
			events, refusal := r.Decide(Join{UserID: benchUser(r.next), OperationID: benchUser(r.next)}, now)
			if refusal != nil {
				b.Fatal(refusal)
			}
			r.Apply(events[0])
			if batch = AppendEvents(batch, events...); len(batch[0].Data.(Joined).UserIDs) == 1000 {
				batch = nil
				r.Keep(now)
				r.Begin()
			}
			if r.line.count > 2_000_000 {
				b.StopTimer()
				r, now = benchRoom(b, 1_000)
				batch = nil
				r.Begin()
				b.StartTimer()
			}
		}
		r.Keep(now)
	})
}

// One poll: the place as its holder sees it.
func BenchmarkPlace(b *testing.B) {
	benchSizes(b, func(b *testing.B, r *Room, waiting int, now time.Time) {
		b.Helper()
		for n := uint64(0); b.Loop(); n++ {
			sequence := 2 + n*7919%uint64(waiting)
			if _, refusal := r.Place(benchUser(sequence), sequence, now); refusal != nil {
				b.Fatal(refusal)
			}
		}
	})
}

// One place ends and the next is let in; it joins again at the end, so that the line
// stays as long as it is.
func BenchmarkAdmit(b *testing.B) {
	benchSizes(b, func(b *testing.B, r *Room, _ int, now time.Time) {
		b.Helper()
		for b.Loop() {
			sequence := r.admitted.heap[0].sequence
			userID := r.admitted.places[sequence].userID
			r.Begin()
			ended, _ := r.Decide(Leave{UserID: userID, Sequence: sequence}, now)
			r.Apply(ended[0])
			for _, e := range r.Admit(now, r.next) {
				r.Apply(e)
			}
			joined, refusal := r.Decide(Join{UserID: userID, OperationID: userID}, now)
			if refusal != nil {
				b.Fatal(refusal)
			}
			r.Apply(joined[0])
			r.Keep(now)
		}
	})
}

// A room of a million comes back after its node died.
func BenchmarkRestoreWaitingRoom(b *testing.B) {
	r, _ := benchRoom(b, 1_000_000)
	snapshot, err := r.Snapshot()
	require.NoError(b, err)
	places := make([]PlaceRecord, 0, r.line.count)
	for sequence := range r.line.all() {
		p, _ := r.line.get(sequence)
		places = append(places, PlaceRecord{
			Sequence: p.sequence, UserID: p.userID, OperationID: p.operationID, Status: boxoffice.PlaceWaiting, JoinedAt: time.UnixMilli(p.joinedMS),
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		restored, err := Restore(r.limits, snapshot, nil)
		require.NoError(b, err)
		for _, place := range places {
			if err := restored.RestorePlace(place); err != nil {
				b.Fatal(err)
			}
		}
	}
}
