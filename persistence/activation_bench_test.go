package persistence_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/persistence"
	"boxoffice/persistence/postgrestest"
	"boxoffice/waitingroom"
)

// BenchmarkActivateWaitingRoom restores a room in which a million wait, as after the loss
// of its node. Metrics are the heap that the room takes, the most that it took on the way,
// and how fast the journal took the joins, in batches as a gatekeeper makes them.
//
//	go test -run '^$' -bench ActivateWaitingRoom -benchtime 3x ./persistence
func BenchmarkActivateWaitingRoom(b *testing.B) {
	const waiting = 244 * 4096 // 999 424, in whole batches
	server := postgrestest.Server(b)
	db, err := persistence.Open(b.Context(), server.URL, persistence.Config{QueueCapacity: capacity})
	require.NoError(b, err)
	b.Cleanup(db.Close)
	journal := persistence.NewJournal(db, persistence.JournalConfig{})
	b.Cleanup(journal.Close)
	began := time.Now()
	id := newCrowd(b, db, journal, waiting)
	joined := time.Since(began)
	limits := waitingroom.Limits{AdmissionTTL: admissionTTL, ClaimTTL: time.Minute, MaxWaiting: waiting}

	before := heapInUse(true)
	var peak uint64
	for b.Loop() {
		runtime.GC()
		stop := sampleHeap(&peak)
		_, _, _, err = journal.ActivateWaitingRoom(b.Context(), id, "bench", limits)
		stop()
		require.NoError(b, err)
	}
	_, room, _, err := journal.ActivateWaitingRoom(b.Context(), id, "bench", limits)
	require.NoError(b, err)
	require.Equal(b, waiting, room.Status(time.Now()).Waiting)
	b.ReportMetric(float64(heapInUse(true)-before)/(1<<20), "MB")
	b.ReportMetric(float64(peak-before)/(1<<20), "peak_MB")
	b.ReportMetric(waiting/joined.Seconds(), "joins/s")
	runtime.KeepAlive(room)
}

func heapInUse(collect bool) uint64 {
	if collect {
		runtime.GC()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapInuse
}

// sampleHeap watches the heap until it is stopped.
func sampleHeap(peak *uint64) (stop func()) {
	var high atomic.Uint64
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				high.Store(max(high.Load(), heapInUse(false)))
			}
		}
	}()
	return func() {
		cancel()
		<-done
		*peak = max(*peak, high.Load())
	}
}

// newCrowd makes a schedule with a line of strangers, who joined in large batches.
func newCrowd(b *testing.B, db *persistence.Database, journal *persistence.Journal, waiting int) (scheduleID int64) {
	b.Helper()
	const batch = 4096
	now := time.Now().UTC().Truncate(time.Millisecond)
	concert, err := db.CreateConcert(b.Context(), boxoffice.NewConcert{Title: "Concert"})
	require.NoError(b, err)
	info, err := db.CreateSchedule(b.Context(), boxoffice.NewSchedule{
		ConcertID: concert.ID, StartsAt: now.AddDate(0, 0, 30), EndsAt: now.AddDate(0, 0, 31), TimeZone: "UTC",
	}, now)
	require.NoError(b, err)
	grain := boxoffice.Grain{Kind: boxoffice.KindGatekeeper, ID: info.Terms.ScheduleID}
	activation, room, _, err := journal.ActivateWaitingRoom(b.Context(), grain.ID, "test", waitingroom.Limits{})
	require.NoError(b, err)
	for version := activation.Version; room.Status(now).Waiting < waiting; version++ {
		joined := waitingroom.Joined{First: room.NextSequence()}
		for range batch {
			joined.UserIDs = append(joined.UserIDs, uuid.New())
		}
		e := boxoffice.Event{At: now, Data: joined}
		room.Apply(e)
		snapshot, err := room.Snapshot()
		require.NoError(b, err)
		result := make(chan boxoffice.CommitResult)
		journal.Commit(boxoffice.Commit{
			Grain: grain, Epoch: activation.Epoch, Version: version, Events: []boxoffice.Event{e}, Snapshot: snapshot,
		}, func(r boxoffice.CommitResult) { result <- r })
		require.NoError(b, (<-result).Err)
	}
	return grain.ID
}
