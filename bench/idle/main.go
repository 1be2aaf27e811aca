// Command idle measures what schedules cost that nobody asks for: it makes many, asks for
// the seats and the line of each once, and tells how much memory the node has then.
//
//	go run ./bench/idle                    # 100 000 schedules
//	go run ./bench/idle -schedules 10000   # fewer, quickly
//
// What is measured is the two grains of each schedule and bounded caches: replicas that
// nobody asks for are dropped after a minute.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"boxoffice/bench/lab"
)

const askers = 32 // requests at a time

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("idle", flag.ContinueOnError)
	flags.SetOutput(stderr)
	schedules := flags.Int("schedules", 100_000, "schedules to make active")
	settle := flags.Duration("settle", 3*time.Minute,
		"how long nobody asks before memory is read: replicas live for a minute more, an idle node collects garbage every two")
	asJSON := flags.Bool("json", false, "report as JSON")
	profile := flags.String("profile", "", "file to write the node's heap profile to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("there are no arguments, but got %q", flags.Arg(0))
	}
	l, err := lab.New(ctx, stderr, lab.Boxoffice)
	if err != nil {
		return err
	}
	defer l.Close()
	node, profiles, err := l.StartProfiled(ctx)
	if err != nil {
		return err
	}
	m, err := measure(ctx, l, node, profiles, *schedules, *settle)
	if err == nil {
		err = m.write(stdout, *asJSON)
	}
	if err == nil && *profile != "" {
		err = writeProfile(ctx, profiles, *profile)
	}
	return errors.Join(err, node.Stop())
}

// measurement is what was found out. Bytes in use are of heap and stacks, after a garbage
// collection.
type measurement struct {
	Schedules         int     `json:"schedules"`
	Seconds           float64 `json:"seconds"` // until all were active
	InUseBytesBefore  int64   `json:"inUseBytesBefore"`
	InUseBytes        int64   `json:"inUseBytes"`
	ResidentBytes     int64   `json:"residentBytes"`
	PeakResidentBytes int64   `json:"peakResidentBytes"`
}

func measure(ctx context.Context, l *lab.Lab, node *lab.Server, profiles string, schedules int, settle time.Duration) (m measurement, err error) {
	before, err := memoryOf(ctx, node.PID, profiles)
	if err != nil {
		return m, err
	}
	first, err := found(ctx, l, node, schedules)
	if err != nil {
		return m, fmt.Errorf("make schedules: %w", err)
	}
	began := time.Now()
	if err := askAll(ctx, node, first, schedules); err != nil {
		return m, err
	}
	took := time.Since(began)
	select {
	case <-time.After(settle):
	case <-ctx.Done():
		return m, ctx.Err()
	}
	after, err := memoryOf(ctx, node.PID, profiles)
	return measurement{
		Schedules: schedules, Seconds: took.Seconds(), InUseBytesBefore: before.inUse, InUseBytes: after.inUse,
		ResidentBytes: after.resident, PeakResidentBytes: after.peak,
	}, err
}

func (m measurement) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(m)
	}
	_, err := fmt.Fprintf(w, "%d schedules active after %.1f s (%.0f activations/s): "+
		"heap and stacks %d MB (%d MB before, %.1f KB each), resident %d MB (%d MB at most)\n",
		m.Schedules, m.Seconds, float64(2*m.Schedules)/m.Seconds, m.InUseBytes>>20, m.InUseBytesBefore>>20,
		float64(m.InUseBytes-m.InUseBytesBefore)/float64(m.Schedules)/1024, m.ResidentBytes>>20, m.PeakResidentBytes>>20)
	return err
}

// found makes one schedule as an organiser does and the others as its copies, with
// everything that the service writes for each.
func found(ctx context.Context, l *lab.Lab, node *lab.Server, schedules int) (first int64, err error) {
	model, err := newSchedule(ctx, node)
	if err != nil {
		return 0, err
	}
	conn, err := pgx.Connect(ctx, l.Postgres.URL)
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
		SELECT min(id) FROM s`, model, schedules).Scan(&first)
	return first, err
}

func newSchedule(ctx context.Context, node *lab.Server) (int64, error) {
	var concert struct{ ConcertID int64 }
	if err := post(ctx, node, "/api/v1/admin/concerts", `{"title":"Idle","price":10}`, &concert); err != nil {
		return 0, err
	}
	starts := time.Now().UTC().Add(90 * 24 * time.Hour)
	var schedule struct{ ScheduleID int64 }
	err := post(ctx, node, fmt.Sprintf("/api/v1/admin/concerts/%d/schedules", concert.ConcertID), fmt.Sprintf(
		`{"startsAt":%q,"endsAt":%q,"timeZone":"Europe/Berlin"}`,
		starts.Format(time.RFC3339), starts.Add(2*time.Hour).Format(time.RFC3339)), &schedule)
	return schedule.ScheduleID, err
}

func post(ctx context.Context, node *lab.Server, path, body string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+node.Address+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+node.AdminToken)
	request.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s: %s", path, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// askAll asks for the seats and the line of every schedule.
func askAll(ctx context.Context, node *lab.Server, first int64, schedules int) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: askers}}
	defer client.CloseIdleConnections()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(askers)
	for i := range schedules {
		group.Go(func() error {
			schedule := fmt.Sprintf("http://%s/api/v1/schedules/%d", node.Address, first+int64(i))
			for _, path := range []string{"/seats", "/queue"} {
				if err := ask(ctx, client, schedule+path, node.AdminToken); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func ask(ctx context.Context, client *http.Client, url, token string) error {
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		if err := errors.Join(err, response.Body.Close()); err != nil {
			return err
		}
		switch response.StatusCode {
		case http.StatusOK:
			return nil
		case http.StatusServiceUnavailable:
			continue
		default:
			return fmt.Errorf("%s: %s", url, response.Status)
		}
	}
}

// memory is what a process has, in bytes.
type memory struct {
	inUse    int64 // heap and stacks, right after a garbage collection
	resident int64 // as Linux counts it, with what the collector has not given back yet
	peak     int64 // the most that was resident
}

var (
	residentLine = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)
	peakLine     = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
	heapLine     = regexp.MustCompile(`# HeapAlloc = (\d+)`)
	stackLine    = regexp.MustCompile(`# Stack = (\d+)`)
)

// memoryOf tells how much memory a node takes, and then collects its garbage and tells
// what is left.
func memoryOf(ctx context.Context, pid int, profiles string) (m memory, err error) {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return m, fmt.Errorf("read the memory of the node: %w", err)
	}
	heap, err := heapOf(ctx, profiles, "&debug=1")
	if err != nil {
		return m, err
	}
	values := make([]int64, 0, 4)
	for _, found := range [][][]byte{
		heapLine.FindSubmatch(heap), stackLine.FindSubmatch(heap),
		residentLine.FindSubmatch(status), peakLine.FindSubmatch(status),
	} {
		if found == nil {
			return m, errors.New("the node or the system does not tell the memory")
		}
		n, err := strconv.ParseInt(string(found[1]), 10, 64)
		if err != nil {
			return m, err
		}
		values = append(values, n)
	}
	return memory{inUse: values[0] + values[1], resident: values[2] << 10, peak: values[3] << 10}, nil
}

// heapOf collects a node's garbage and gives its heap profile.
func heapOf(ctx context.Context, profiles, form string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+profiles+"/debug/pprof/heap?gc=1"+form, http.NoBody)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

func writeProfile(ctx context.Context, profiles, path string) error {
	heap, err := heapOf(ctx, profiles, "")
	if err != nil {
		return err
	}
	return os.WriteFile(path, heap, 0o600)
}
