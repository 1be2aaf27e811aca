package actors

import (
	"context"
	"encoding/json"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"boxoffice"
	"boxoffice/actors/messages"
	"boxoffice/seatmap"
	"boxoffice/waitingroom"
)

// manySchedules restores any schedule there might be, each from bytes of its own, as the
// journal does.
type manySchedules struct{ opened [2][]byte }

func (m manySchedules) ActivateSchedule(_ context.Context, id int64, _ string) (boxoffice.Activation, *seatmap.Seats, []boxoffice.EndedPlace, error) {
	var opened seatmap.Opened
	if err := json.Unmarshal(m.opened[0], &opened); err != nil {
		return boxoffice.Activation{}, nil, nil, err
	}
	opened.Terms.ScheduleID = id
	state, err := seatmap.Restore(nil, []boxoffice.Event{{Data: opened}})
	return boxoffice.Activation{Epoch: 1, Version: 1, SnapshotVersion: 1}, state, nil, err
}

func (m manySchedules) ActivateWaitingRoom(_ context.Context, id int64, _ string, limits waitingroom.Limits) (boxoffice.Activation, *waitingroom.Room, boxoffice.ScheduleNews, error) {
	var opened waitingroom.Opened
	if err := json.Unmarshal(m.opened[1], &opened); err != nil {
		return boxoffice.Activation{}, nil, boxoffice.ScheduleNews{}, err
	}
	room := waitingroom.New(limits)
	room.ScheduleID = id
	room.Apply(boxoffice.Event{Data: opened})
	return boxoffice.Activation{Epoch: 1, Version: 1, SnapshotVersion: 1}, room, boxoffice.ScheduleNews{Version: 1, AvailableSeats: boxoffice.SeatCount}, nil
}

func (manySchedules) Commit(boxoffice.Commit, func(boxoffice.CommitResult)) {
	panic("nothing is to be committed")
}

// BenchmarkIdleSchedules is what a node needs for each schedule that is active and of
// which nothing is asked: its two grains with their actors, timers and states.
func BenchmarkIdleSchedules(b *testing.B) {
	const schedules = 20_000
	start := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	clock := &manualClock{}
	clock.now.Store(start.UnixMilli())
	for b.Loop() {
		logger := slog.New(slog.DiscardHandler)
		system := actor.NewActorSystemWithConfig(actor.Configure(actor.WithLoggerFactory(
			func(*actor.ActorSystem) *slog.Logger { return logger })))
		grains := New(Config{
			Journal: many(b), Rows: newJournal(b), Clock: clock, Lease: &switchedLease{}, Notifier: &house{}, Views: noViews{},
			Limits: waitingroom.Limits{AdmissionTTL: 10 * time.Minute, ClaimTTL: time.Minute, MaxWaiting: 1000},
			Logger: logger,
		})
		before := inUse()
		var pids []*actor.PID
		for id := range int64(schedules) {
			for kind, question := range map[boxoffice.Kind]proto.Message{
				boxoffice.KindSchedule: &messages.ReadSeats{}, boxoffice.KindGatekeeper: &messages.ReadQueue{},
			} {
				pid := spawn(b, system, grains, boxoffice.Grain{Kind: kind, ID: id})
				_, err := system.Root.RequestFuture(pid, question, patience).Result()
				require.NoError(b, err)
				pids = append(pids, pid)
			}
		}
		b.ReportMetric(float64(inUse()-before)/schedules, "B/schedule")
		for _, pid := range pids {
			require.NoError(b, system.Root.StopFuture(pid).Wait())
		}
		grains.Wait()
		system.Shutdown()
	}
}

func many(tb testing.TB) manySchedules {
	tb.Helper()
	start := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	terms := boxoffice.Terms{
		ConcertID: 3, StartsAt: start.Add(48 * time.Hour), EndsAt: start.Add(50 * time.Hour), TimeZone: "Asia/Seoul",
		SalesOpenAt: start, SalesCloseAt: start.Add(47 * time.Hour), CancellationClosesAt: start.Add(38 * time.Hour), Price: 100,
	}
	opened, err := json.Marshal(seatmap.Opened{Terms: terms})
	require.NoError(tb, err)
	queue, err := json.Marshal(waitingroom.Opened{SalesOpenAt: terms.SalesOpenAt, SalesCloseAt: terms.SalesCloseAt, Capacity: 100})
	require.NoError(tb, err)
	return manySchedules{opened: [2][]byte{opened, queue}}
}

// inUse is the memory that the process needs after a collection, stacks included.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
