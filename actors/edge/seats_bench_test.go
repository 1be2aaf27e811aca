package edge

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/actors/messages"
)

// benchmarked is a world of two nodes outside of any bubble, with some seats held.
func benchmarked(tb testing.TB) *world {
	tb.Helper()
	w := newWorld(tb, 2)
	tb.Cleanup(w.close)
	for seat := 1; seat <= 20; seat++ {
		w.grain.do(holdSeat(seat))
	}
	for _, n := range w.nodes {
		n.sees(20)
	}
	return w
}

func admitted() *boxoffice.Admission {
	return &boxoffice.Admission{UserID: user(1), Sequence: 1, EndsAt: now().Add(time.Hour)}
}

// BenchmarkSeatMap is a look at the seats with a queue token, on the owner's node and on
// another one.
func BenchmarkSeatMap(b *testing.B) {
	w := benchmarked(b)
	for i, name := range []string{"owner", "other"} {
		n, admission := w.nodes[i], admitted()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := n.SeatMap(context.Background(), scheduleID, admission); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkFollowSeats is what a stream costs per change, without its bytes.
func BenchmarkFollowSeats(b *testing.B) {
	n, admission := benchmarked(b).nodes[1], admitted()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := n.FollowSeats(context.Background(), scheduleID, admission, 15); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChange is what a commit of a schedule costs at its own node and for another
// that watches, the publishing left out.
func BenchmarkChange(b *testing.B) {
	w := benchmarked(b)
	a := w.nodes[0]
	change := &messages.Change{
		Kind: string(boxoffice.KindSchedule), Id: scheduleID, Epoch: 1, Version: w.grain.version,
		Of: &messages.Change_Seats{Seats: &messages.SeatsChange{Updates: []*messages.SeatUpdate{{SeatNumber: 40, Status: 1}}}},
	}
	b.ReportAllocs()
	for b.Loop() {
		change.Version++
		a.seats.get(scheduleID).take(change)
	}
}

func TestASeatMapCostsNoMemory(t *testing.T) { //nolint:paralleltest // it counts what the whole process allocates
	w := benchmarked(t)
	admission := admitted()
	for _, n := range w.nodes {
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if _, err := n.SeatMap(context.Background(), scheduleID, admission); err != nil {
				t.Error(err)
			}
		}))
	}
}
