package persistence

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"boxoffice"
	"boxoffice/persistence/postgrestest"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// BenchmarkJournal compares ways to make commits of benchGrains grains durable, on one
// Postgres that waits for its disk, in one run:
//
//   - journal: through the journal, one commit in flight per grain
//   - transaction: the same statements with the same arrays, of one commit each, in one
//     transaction and one round trip (pipelined) per commit
//   - round trips: the same, but one round trip per statement, as a program without
//     pipelining does it
//   - row locks: without a journal: SELECT … FOR UPDATE of the schedule's row, a look at
//     the place and the seat, then the writes, in one transaction per hold
//
// A commit is what a held seat costs: the fence, one event, one reservation with its five
// indexes, and the holder's place in line under the condition that it is admitted. Each
// grain holds its 50 seats for 50 users, then frees and holds them again.
//
// Run it as
//
//	go test -run '^$' -bench Journal -benchtime 5x ./persistence
//
// where one iteration is benchCommits commits of each. The metrics are commits per
// second and the ratios.
func BenchmarkJournal(b *testing.B) {
	server := postgrestest.Server(b)
	var perSecond = map[string]float64{}
	run := func(name string, way func(*testing.B, *bench) float64) {
		b.Run(name, func(b *testing.B) {
			bench := newBench(b, server.URL)
			var total time.Duration
			commits := 0.0
			for b.Loop() {
				began := time.Now()
				commits += way(b, bench)
				total += time.Since(began)
			}
			perSecond[name] = commits / total.Seconds()
			b.ReportMetric(perSecond[name], "commits/s")
			b.ReportMetric(0, "ns/op")
		})
	}
	run("journal", func(b *testing.B, bench *bench) float64 { return bench.journal(b) })
	for _, connections := range []int{16, 32} {
		run(fmt.Sprintf("transaction-%d", connections), func(b *testing.B, bench *bench) float64 {
			return bench.transactions(b, connections, true)
		})
		run(fmt.Sprintf("round-trips-%d", connections), func(b *testing.B, bench *bench) float64 {
			return bench.transactions(b, connections, false)
		})
	}
	fmt.Println(perSecond)
}

const (
	benchGrains  = 1000
	benchCommits = 50_000
)

type bench struct {
	db     *Database
	first  int64 // schedule
	grains []*benchGrain
}

// benchGrain makes the commits of one schedule.
type benchGrain struct {
	id      int64
	version int64
	next    int
	users   [boxoffice.SeatCount]uuid.UUID
	held    [boxoffice.SeatCount]uuid.UUID
}

var benchTime = time.Date(2026, 12, 24, 10, 0, 0, 0, time.UTC)

// commit holds the next seat, and in later rounds frees it first.
func (g *benchGrain) commit() boxoffice.Commit {
	seat := g.next % boxoffice.SeatCount
	at := benchTime.Add(time.Duration(g.next) * time.Millisecond)
	g.next++
	c := boxoffice.Commit{Grain: boxoffice.Grain{Kind: boxoffice.KindSchedule, ID: g.id}, Version: g.version}
	if g.held[seat] != uuid.Nil {
		c.Events = append(c.Events, boxoffice.Event{At: at, Data: boxoffice.HoldExpired{
			ReservationID: g.held[seat], SeatNumber: seat + 1, Sequence: uint64(seat + 1),
		}})
	}
	g.held[seat] = uuid.Must(uuid.NewV7())
	c.Events = append(c.Events, boxoffice.Event{At: at, OperationID: uuid.New(), Data: boxoffice.SeatWasHeld{
		ReservationID: g.held[seat], UserID: g.users[seat], Sequence: uint64(seat + 1), SeatNumber: seat + 1,
		Price: 10_000, ExpiresAt: at.Add(5 * time.Minute),
	}})
	g.version += int64(len(c.Events))
	return c
}

func newBench(b *testing.B, url string) *bench {
	b.Helper()
	db, err := Open(b.Context(), url, Config{})
	require.NoError(b, err)
	b.Cleanup(db.Close)
	h := &bench{db: db}
	ctx := b.Context()
	terms, err := json.Marshal(make([]int, 50))
	require.NoError(b, err)
	_ = terms
	_, err = db.pool.Exec(ctx, `INSERT INTO concerts (title, artist, description, price, created_at) VALUES ('t', '', '', 0, now())`)
	require.NoError(b, err)
	err = db.pool.QueryRow(ctx, `
		WITH s AS (
			INSERT INTO schedules (concert_id, starts_at, ends_at, time_zone, local_date, sales_open_at, sales_close_at,
				cancellation_closes_at, price, prices, created_at)
			SELECT (SELECT max(id) FROM concerts), now() + interval '2 day', now() + interval '3 day', 'UTC', now(), now(), now() + interval '1 day',
				now(), 0, array_fill(10000::bigint, ARRAY[50]), now()
			FROM generate_series(1, $1) RETURNING id
		), g AS (
			INSERT INTO grains (kind, id, epoch, version, owner) SELECT 'schedule', id, 0, 1, '' FROM s
		), e AS (
			INSERT INTO events (kind, id, version, epoch, type, data, at)
			SELECT 'schedule', id, 1, 0, 'schedule-opened', '{}', now() FROM s
		)
		SELECT min(id) FROM s`, benchGrains).Scan(&h.first)
	require.NoError(b, err)
	_, err = db.pool.Exec(ctx, `
		INSERT INTO queue_places (schedule_id, sequence, user_id, status, claimed, joined_at, admitted_at, ends_at)
		SELECT s, n, md5(s || ' ' || n)::uuid, 'admitted', true, now(), now(), now() + interval '10 min'
		FROM generate_series($1::bigint, $1 + $2 - 1) s, generate_series(1, 50) n`, h.first, benchGrains)
	require.NoError(b, err)
	rows, err := db.pool.Query(ctx, "SELECT schedule_id, sequence, user_id FROM queue_places WHERE schedule_id >= $1", h.first)
	require.NoError(b, err)
	for i := range int64(benchGrains) {
		h.grains = append(h.grains, &benchGrain{id: h.first + i, version: 1})
	}
	for rows.Next() {
		var id, sequence int64
		var user uuid.UUID
		require.NoError(b, rows.Scan(&id, &sequence, &user))
		h.grains[id-h.first].users[sequence-1] = user
	}
	require.NoError(b, rows.Err())
	_, err = db.pool.Exec(ctx, "VACUUM ANALYZE")
	require.NoError(b, err)
	_, err = db.pool.Exec(ctx, "CHECKPOINT")
	require.NoError(b, err)
	return h
}

// journal keeps one commit of each grain in flight.
func (h *bench) journal(b *testing.B) float64 {
	return h.journalWith(b, nil)
}

func (h *bench) journalWith(b *testing.B, observe func(GroupReport)) float64 {
	j := NewJournal(h.db, JournalConfig{Observe: observe})
	defer j.Close()
	var left atomic.Int64
	left.Store(benchCommits)
	var all sync.WaitGroup
	errs := make(chan error, benchGrains)
	for _, g := range h.grains {
		all.Add(1)
		var step func(boxoffice.CommitResult)
		step = func(result boxoffice.CommitResult) {
			if result.Err != nil || result.Refusals != nil {
				errs <- fmt.Errorf("%w %v", result.Err, result.Refusals)
				all.Done()
				return
			}
			if left.Add(-1) < 0 {
				all.Done()
				return
			}
			j.Commit(g.commit(), step)
		}
		step(boxoffice.CommitResult{})
	}
	all.Wait()
	close(errs)
	require.NoError(b, <-errs)
	return benchCommits
}

// transactions writes one commit per transaction.
func (h *bench) transactions(b *testing.B, connections int, pipelined bool) float64 {
	pool, err := newPool(b.Context(), h.db.pool.Config().ConnString(), "bench", connections, journalSettings())
	require.NoError(b, err)
	defer pool.Close()
	commits := 0
	var all sync.WaitGroup
	n := benchCommits / 5
	errs := make(chan error, connections)
	for i := range connections {
		commits += n / connections
		all.Go(func() {
			w := &groupWriter{journal: &Journal{db: &Database{journal: pool}}}
			for k := range n / connections {
				mine := h.grains[i*(benchGrains/connections) : (i+1)*(benchGrains/connections)]
				c := mine[k%len(mine)].commit()
				rows, err := changesOf(c)
				if err == nil {
					group := []*pending{{commit: c, rows: rows}}
					if pipelined {
						err = w.writeUnchecked(b.Context(), group)
					} else {
						err = writeInSteps(b.Context(), pool, w, group)
					}
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	require.NoError(b, <-errs)
	return float64(commits)
}

func writeInSteps(ctx context.Context, pool *pgxpool.Pool, w *groupWriter, group []*pending) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	b := &w.batch
	for _, step := range []func(){
		func() { b.writeGrains(ctx, group) },
		func() { b.writeEvents(ctx, group) },
		func() { b.writeReservations(ctx, group) },
		func() { b.writePlaces(ctx, group) },
	} {
		b.reset(conn.Conn())
		step()
		if err := b.send(ctx); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}
