package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"boxoffice/bench/lab"
	"boxoffice/internal/apiclient"
	"boxoffice/internal/rig"
)

const (
	idleAskers = 32 // requests at a time
	askLimit   = time.Minute
)

// idleSchedules judges the memory of a node with many schedules that nobody asks for: it
// makes them, asks for the seats and the line of each once, and waits. What is measured is
// the two grains of each and bounded caches.
func (b *bench) idleSchedules(ctx context.Context) (err error) {
	if err := b.lab.Renew(ctx); err != nil {
		return err
	}
	node, profiles, err := b.lab.StartProfiled(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Stop(rig.StopLimit)) }()
	api := apiclient.New(idleAskers, askLimit)
	defer api.Close()
	before, err := heapInUse(ctx, api, profiles)
	if err != nil {
		return err
	}
	first, err := b.makeSchedules(ctx, api, node)
	if err != nil {
		return fmt.Errorf("make schedules: %w", err)
	}
	began := time.Now()
	if err := askAll(ctx, api, node, first, b.idle); err != nil {
		return err
	}
	took := time.Since(began)
	select {
	case <-time.After(b.settle):
	case <-ctx.Done():
		return ctx.Err()
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", node.PID()))
	if err != nil {
		return fmt.Errorf("read the memory of the node: %w", err)
	}
	resident, err := number(regexp.MustCompile(`VmRSS:\s+(\d+) kB`), status)
	if err != nil {
		return err
	}
	after, err := heapInUse(ctx, api, profiles)
	if err != nil {
		return err
	}
	const most, mega = 500, 1 << 20
	b.report.judge(fmt.Sprintf("idle: memory of %d active schedules", b.idle), fmt.Sprintf("≤ %d MB", most), resident>>10 <= most,
		fmt.Sprintf("%d MB resident, %d MB of it heap and stacks in use (%d MB before); %.0f activations/s",
			resident>>10, after/mega, before/mega, float64(2*b.idle)/took.Seconds()))
	return nil
}

// makeSchedules makes one schedule as an organiser does and the others as its copies, with
// everything that the service writes for each.
func (b *bench) makeSchedules(ctx context.Context, api *apiclient.Client, node *lab.Server) (first int64, err error) {
	post := func(path string, body, into any) error {
		return api.Want(ctx, apiclient.Request{Method: http.MethodPost, URL: node.URL + path, Body: body, AccessToken: node.AdminToken}, into)
	}
	var concert struct{ ConcertID int64 }
	if err := post("/api/v1/admin/concerts", map[string]any{"title": "Idle", "price": 10}, &concert); err != nil {
		return 0, err
	}
	starts := time.Now().UTC().Add(90 * 24 * time.Hour)
	var model struct{ ScheduleID int64 }
	err = post(fmt.Sprintf("/api/v1/admin/concerts/%d/schedules", concert.ConcertID), map[string]any{
		"startsAt": starts.Format(time.RFC3339), "endsAt": starts.Add(2 * time.Hour).Format(time.RFC3339), "timeZone": "Europe/Berlin",
	}, &model)
	if err != nil {
		return 0, err
	}
	conn, err := pgx.Connect(ctx, b.lab.Postgres.URL)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	err = conn.QueryRow(ctx, `
		WITH s AS (
			INSERT INTO schedules (concert_id, starts_at, ends_at, time_zone, local_date, sales_open_at, sales_close_at,
				cancellation_closes_at, price, prices, created_at)
			SELECT concert_id, starts_at, ends_at, time_zone, local_date, sales_open_at, sales_close_at,
				cancellation_closes_at, price, prices, created_at
			FROM schedules, generate_series(1, $2) WHERE id = $1 RETURNING id
		), g AS (
			INSERT INTO grains (kind, id, epoch, version, owner)
			SELECT kind, s.id, 0, 1, '' FROM s, (VALUES ('schedule'), ('gatekeeper')) AS kinds (kind)
		), e AS (
			INSERT INTO events (kind, id, version, epoch, type, data, at)
			SELECT kind, s.id, 1, 0, type,
				CASE kind WHEN 'schedule' THEN jsonb_set(data::jsonb, '{terms,scheduleId}', to_jsonb(s.id))::json ELSE data END, at
			FROM s, events WHERE events.id = $1 AND version = 1
		)
		SELECT min(id) FROM s`, model.ScheduleID, b.idle).Scan(&first)
	return first, err
}

// askAll asks for the seats and the line of every schedule, again where the node is too busy.
func askAll(ctx context.Context, api *apiclient.Client, node *lab.Server, first int64, schedules int) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(idleAskers)
	for i := range schedules {
		group.Go(func() error {
			for _, path := range []string{"/seats", "/queue"} {
				url := fmt.Sprintf("%s/api/v1/schedules/%d%s", node.URL, first+int64(i), path)
				status := http.StatusServiceUnavailable
				for status == http.StatusServiceUnavailable {
					answer, err := api.Do(ctx, apiclient.Request{Method: http.MethodGet, URL: url, AccessToken: node.AdminToken})
					if err != nil {
						return err
					}
					status = answer.Status
				}
				if status != http.StatusOK {
					return fmt.Errorf("%s: %d", url, status)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// heapInUse collects a node's garbage and returns what is left of heap and stacks, in bytes.
func heapInUse(ctx context.Context, api *apiclient.Client, profiles string) (int64, error) {
	answer, err := api.Do(ctx, apiclient.Request{Method: http.MethodGet, URL: "http://" + profiles + "/debug/pprof/heap?gc=1&debug=1"})
	if err != nil {
		return 0, err
	}
	heap, err := number(regexp.MustCompile(`# HeapAlloc = (\d+)`), answer.Body)
	if err != nil {
		return 0, err
	}
	stacks, err := number(regexp.MustCompile(`# Stack = (\d+)`), answer.Body)
	return heap + stacks, err
}

func number(pattern *regexp.Regexp, text []byte) (int64, error) {
	found := pattern.FindSubmatch(text)
	if found == nil {
		return 0, fmt.Errorf("nothing matches %s", pattern)
	}
	return strconv.ParseInt(string(found[1]), 10, 64)
}
