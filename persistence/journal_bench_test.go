package persistence

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"boxoffice"
	"boxoffice/persistence/postgrestest"
	"boxoffice/seatmap"
)

// The size of BenchmarkJournal.
const (
	benchGrains = 1000 // schedules, each with 50 users who were admitted
	benchHolds  = 10   // per schedule, in each measurement
)

// BenchmarkJournal compares ways to make the holds of seats of 1 000 schedules durable,
// in turn and on one Postgres that waits for its disk:
//
//   - journal: through the journal, with one commit of each grain in flight
//   - transaction: the journal's statements in a transaction per commit, pipelined: one
//     round trip, as the journal itself would do it without groups
//   - steps: the same with a round trip for each of its statements
//   - row lock: without grains and events: SELECT … FOR UPDATE of the schedule, looks at
//     place and seat, the reservation and the place, a round trip for each
//
// The commit is what a held seat costs: the fence, one event, a reservation with its five
// indexes, and the holder's place in line, if it is admitted. Each way is measured with 16
// and 32 connections, the journal with its own two. Every measurement gets new schedules.
//
//	go test -run '^$' -bench Journal -benchtime 5x ./persistence
//
// Metrics are commits per second, and how many times the best of the others the journal
// does.
func BenchmarkJournal(b *testing.B) {
	server := postgrestest.Server(b)
	db, err := Open(b.Context(), server.URL, Config{})
	require.NoError(b, err)
	b.Cleanup(db.Close)

	type way struct {
		name string
		run  func(*benchRun, *testing.B)
	}
	ways := []way{{"journal", (*benchRun).journal}}
	for _, connections := range []int{16, 32} {
		for name, hold := range map[string]benchHold{
			"transaction": holdPipelined, "steps": holdInSteps, "rowlock": holdUnderRowLock,
		} {
			ways = append(ways, way{
				fmt.Sprintf("%s-%d", name, connections),
				func(run *benchRun, b *testing.B) { run.connections(b, connections, hold) },
			})
		}
	}
	took := make(map[string]time.Duration)
	rounds := 0
	for b.Loop() {
		rounds++
		for _, w := range ways {
			run := newBenchRun(b, db)
			began := time.Now()
			w.run(run, b)
			took[w.name] += time.Since(began)
		}
	}
	perSecond := make(map[string]float64)
	best := make(map[string]float64)
	for _, w := range ways {
		perSecond[w.name] = float64(rounds*benchGrains*benchHolds) / took[w.name].Seconds()
		b.ReportMetric(perSecond[w.name], w.name+"_commits/s")
		kind, _, _ := strings.Cut(w.name, "-")
		best[kind] = max(best[kind], perSecond[w.name])
	}
	for kind, commits := range best {
		if kind != "journal" {
			b.ReportMetric(perSecond["journal"]/commits, "x_"+kind)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// benchRun is new schedules for one measurement.
type benchRun struct {
	db     *Database
	grains []*benchGrain
}

// benchGrain makes the commits of one schedule: its seats one after the other, each for
// another user.
type benchGrain struct {
	id      int64
	version int64
	users   []uuid.UUID
}

func (g *benchGrain) commit() boxoffice.Commit {
	n := int(g.version)
	at := time.Date(2026, 12, 24, 10, 0, 0, n*int(time.Millisecond), time.UTC)
	c := boxoffice.Commit{
		Grain:   boxoffice.Grain{Kind: boxoffice.KindSchedule, ID: g.id},
		Version: g.version,
		Events: []boxoffice.Event{{At: at, OperationID: uuid.New(), Data: seatmap.Held{
			ReservationID: uuid.Must(uuid.NewV7()), UserID: g.users[n-1], Sequence: uint64(n), SeatNumber: n,
			Price: 10_000, ExpiresAt: at.Add(5 * time.Minute),
		}}},
	}
	g.version++
	return c
}

func newBenchRun(b *testing.B, db *Database) *benchRun {
	b.Helper()
	ctx := b.Context()
	var first int64
	require.NoError(b, db.pool.QueryRow(ctx, `
		WITH c AS (
			INSERT INTO concerts (title, artist, description, price, created_at) VALUES ('t', '', '', 0, now()) RETURNING id
		), s AS (
			INSERT INTO schedules (concert_id, starts_at, ends_at, time_zone, local_date, sales_open_at, sales_close_at,
				cancellation_closes_at, price, prices, created_at)
			SELECT c.id, now() + interval '2 day', now() + interval '3 day', 'UTC', now(), now(), now() + interval '1 day',
				now(), 0, array_fill(10000::bigint, ARRAY[50]), now()
			FROM c, generate_series(1, $1) RETURNING id
		), g AS (
			INSERT INTO grains (kind, id, epoch, version, owner) SELECT 'schedule', id, 0, 1, '' FROM s
		), e AS (
			INSERT INTO events (kind, id, version, epoch, type, data, at)
			SELECT 'schedule', id, 1, 0, 'schedule-opened', '{}', now() FROM s
		)
		SELECT min(id) FROM s`, benchGrains).Scan(&first))
	run := &benchRun{db: db}
	var places [][]any
	for i := range int64(benchGrains) {
		g := &benchGrain{id: first + i, version: 1}
		for n := range boxoffice.SeatCount {
			g.users = append(g.users, uuid.New())
			at := time.Date(2026, 12, 24, 9, 0, 0, 0, time.UTC)
			places = append(places, []any{g.id, n + 1, g.users[n], "admitted", true, at, at, at.Add(time.Hour)})
		}
		run.grains = append(run.grains, g)
	}
	// A connection without the bounds of the program's sessions.
	conn, err := pgx.Connect(ctx, db.pool.Config().ConnString())
	require.NoError(b, err)
	defer conn.Close(ctx)
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"queue_places"}, []string{
		"schedule_id", "sequence", "user_id", "status", "claimed", "joined_at", "admitted_at", "ends_at",
	}, pgx.CopyFromRows(places))
	require.NoError(b, err)
	_, err = conn.Exec(ctx, "VACUUM ANALYZE")
	require.NoError(b, err)
	return run
}

// journal keeps one commit of each grain in flight.
func (run *benchRun) journal(b *testing.B) {
	j := NewJournal(run.db, JournalConfig{})
	defer j.Close()
	var all sync.WaitGroup
	errs := make(chan error, benchGrains)
	for _, g := range run.grains {
		all.Add(1)
		var next func(boxoffice.CommitResult)
		next = func(result boxoffice.CommitResult) {
			switch {
			case result.Err != nil || result.Refusals != nil:
				errs <- fmt.Errorf("commit: %w, refusals %v", result.Err, result.Refusals)
				all.Done()
			case int(g.version) > benchHolds:
				all.Done()
			default:
				j.Commit(g.commit(), next)
			}
		}
		next(boxoffice.CommitResult{})
	}
	all.Wait()
	close(errs)
	require.NoError(b, <-errs)
}

// benchHold makes one commit durable on a connection of its own.
type benchHold func(ctx context.Context, pool *pgxpool.Pool, w *groupWriter, c boxoffice.Commit) error

// connections divides the schedules among some connections.
func (run *benchRun) connections(b *testing.B, connections int, hold benchHold) {
	pool, err := newPool(b.Context(), run.db.pool.Config().ConnString(), "bench", connections, journalSettings())
	require.NoError(b, err)
	defer pool.Close()
	var all sync.WaitGroup
	errs := make(chan error, connections)
	for first := range connections {
		all.Go(func() {
			w := &groupWriter{journal: &Journal{db: &Database{journal: pool, sql: run.db.sql}}}
			for range benchHolds {
				for i := first; i < benchGrains; i += connections {
					if err := hold(b.Context(), pool, w, run.grains[i].commit()); err != nil {
						errs <- err
						return
					}
				}
			}
		})
	}
	all.Wait()
	close(errs)
	require.NoError(b, <-errs)
}

func holdPipelined(ctx context.Context, _ *pgxpool.Pool, w *groupWriter, c boxoffice.Commit) error {
	rows, err := changesOf(c)
	if err != nil {
		return err
	}
	return w.writeUnchecked(ctx, []*pending{{commit: c, rows: rows}}, rows, nil)
}

func holdInSteps(ctx context.Context, pool *pgxpool.Pool, w *groupWriter, c boxoffice.Commit) error {
	rows, err := changesOf(c)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		b, sql := &w.batch, w.sql()
		for _, step := range []func(context.Context, *batch, *changes){
			sql.grainStatements.write, sql.reservationStatements.write, sql.placeStatements.write,
		} {
			b.reset(tx.Conn())
			step(ctx, b, rows)
			if err := b.send(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

func holdUnderRowLock(ctx context.Context, pool *pgxpool.Pool, _ *groupWriter, c boxoffice.Commit) error {
	e := c.Events[0]
	d := e.Data.(seatmap.Held)
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var closes time.Time
		if err := tx.QueryRow(ctx, "SELECT sales_close_at FROM schedules WHERE id = $1 FOR UPDATE", c.Grain.ID).
			Scan(&closes); err != nil {
			return err
		}
		var status string
		if err := tx.QueryRow(ctx, "SELECT status FROM queue_places WHERE schedule_id = $1 AND sequence = $2",
			c.Grain.ID, d.Sequence).Scan(&status); err != nil {
			return err
		}
		var taken bool
		if err := tx.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM reservations WHERE schedule_id = $1 AND status IN ('held', 'confirmed')
				AND (seat_number = $2 OR user_id = $3))`, c.Grain.ID, d.SeatNumber, d.UserID).Scan(&taken); err != nil {
			return err
		}
		if status != "admitted" || taken {
			return fmt.Errorf("place is %s, seat is taken: %t", status, taken)
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO reservations (id, schedule_id, seat_number, user_id, status, price, created_at, expires_at)
			VALUES ($1, $2, $3, $4, 'held', $5, $6, $7)`,
			d.ReservationID, c.Grain.ID, d.SeatNumber, d.UserID, d.Price, e.At, d.ExpiresAt); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE queue_places SET held_until = $3 WHERE schedule_id = $1 AND sequence = $2",
			c.Grain.ID, d.Sequence, d.ExpiresAt)
		return err
	})
}
