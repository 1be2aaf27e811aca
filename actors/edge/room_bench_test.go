package edge

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
)

// longLine is a gatekeeper that only knows how to be watched, and a feed that is silent.
type longLine struct{ state *messages.RoomState }

func (l longLine) Call(context.Context, string, int64, proto.Message) (proto.Message, error) {
	return l.state, nil
}
func (longLine) Notify(string, int64, proto.Message)            {}
func (longLine) Publish(string, []byte)                         {}
func (longLine) Subscribe(string, func([]byte)) (func(), error) { return func() {}, nil }

// newLongLine is a room in which so many wait, of twice as many who joined.
func newLongLine(tb testing.TB, waiting int) (longLine, []boxoffice.PlaceRef) {
	tb.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	set := roaring.New()
	refs := make([]boxoffice.PlaceRef, 0, 1000)
	for sequence := uint32(1); int(set.GetCardinality()) < waiting; sequence++ {
		if random.IntN(2) == 0 {
			continue
		}
		set.Add(sequence)
		if random.IntN(waiting/1000) == 0 && len(refs) < cap(refs) {
			var id uuid.UUID
			binary.BigEndian.PutUint32(id[:], sequence)
			refs = append(refs, boxoffice.PlaceRef{UserID: id, Sequence: uint64(sequence)})
		}
	}
	set.RunOptimize()
	data, err := set.ToBytes()
	require.NoError(tb, err)
	now := time.Now()
	state := &messages.RoomState{
		Mark:    &messages.Mark{MemberId: "me", Epoch: 1, Version: 1},
		Waiting: data,
		View: &messages.RoomView{
			SalesOpenAt: now.UnixMilli(), SalesCloseAt: now.Add(time.Hour).UnixMilli(), Capacity: 100,
			Waiting: int64(waiting), Admitted: 100, MaxPollAfter: 30_000,
		},
	}
	for second := range 600 {
		state.Pace = append(state.Pace, &messages.Admissions{At: now.Add(time.Duration(second-600) * time.Second).UnixMilli(), Count: 5})
	}
	return longLine{state}, refs
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func newLongLineEdge(tb testing.TB, line longLine) *Edge {
	tb.Helper()
	e, err := New(Config{
		Caller: line, Notifier: line, Bus: line, Lease: validLease{}, Clock: wallClock{}, MemberID: "me",
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(tb, err)
	tb.Cleanup(e.Close)
	return e
}

// BenchmarkPlace is one poll of somebody who waits: it costs about the same whether a
// thousand wait or a million.
func BenchmarkPlace(b *testing.B) {
	for _, waiting := range []int{1_000, 1_000_000} {
		line, refs := newLongLine(b, waiting)
		e := newLongLineEdge(b, line)
		b.Run(strconv.Itoa(waiting), func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if _, err := e.Place(b.Context(), 7, refs[n%len(refs)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What a node keeps of a room in which a million wait is far less than 20 MB.
//
//nolint:paralleltest // it measures the heap of the whole process
func TestReplicaOfAMillionIsSmall(t *testing.T) {
	line, refs := newLongLine(t, 1_000_000)
	e := newLongLineEdge(t, line)
	before := heapInUse()
	place, err := e.Place(t.Context(), 7, refs[len(refs)-1])
	require.NoError(t, err)
	used := int64(heapInUse()) - int64(before)
	t.Logf("position %d: %d KB", place.Position, used>>10)
	require.Less(t, used, int64(2<<20))
	runtime.KeepAlive(e)
}

func heapInUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse
}
