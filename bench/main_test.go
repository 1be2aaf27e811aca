package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"boxoffice/bench/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestScenariosAreChosenByName(t *testing.T) {
	t.Parallel()
	names := func(chosen []scenario) (all []string) {
		for _, s := range chosen {
			all = append(all, s.name)
		}
		return all
	}
	b := &bench{}
	all, err := choose(b.scenarios(), nil)
	require.NoError(t, err)
	require.Equal(t, []string{
		"sellout", "stampede", "seats", "seats-304", "polls", "three-nodes", "overload", "journal", "idle",
	}, names(all))
	some, err := choose(b.scenarios(), []string{"overload", "sellout"})
	require.NoError(t, err)
	require.Equal(t, []string{"sellout", "overload"}, names(some))
	_, err = choose(b.scenarios(), []string{"rush"})
	require.ErrorContains(t, err, `no scenario "rush"; there are sellout, `)
}

func TestWrongUseStartsNothing(t *testing.T) {
	t.Parallel()
	for problem, args := range map[string][]string{
		"no scenario":      {"rush"},
		"must be positive": {"-rounds", "0"},
		"not defined":      {"-round", "1"},
	} {
		var stdout, stderr bytes.Buffer
		require.ErrorContains(t, run(t.Context(), args, &stdout, &stderr), problem)
		require.Empty(t, stdout.String())
	}
}

// run1 is a result of one operation that took so long.
func run1(perSecond, p50, p99 float64) result {
	start := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	return result{
		StartedAt: start, TimeOverAt: start.Add(2 * time.Second), AnswersPerSec: perSecond, BookedPerSec: perSecond,
		Operations: []operation{{"seats", p50 / 2, p99 / 2}, {"hold", p50, p99}, {"pay", p50, p99}},
		cpu:        lab.CPU{Nodes: time.Second, Postgres: time.Second / 2, Client: time.Second / 4},
	}
}

func TestServersTakeTurnsAndMediansAreCompared(t *testing.T) {
	t.Parallel()
	var turns []string
	give := func(name string, runs ...result) server {
		return server{name, func(_ context.Context, args []string, report any) (lab.CPU, error) {
			require.Equal(t, []string{"sellout"}, args)
			turns = append(turns, name)
			r := runs[0]
			runs = runs[1:]
			*report.(*result) = r
			return r.cpu, nil
		}}
	}
	var progress bytes.Buffer
	b := &bench{rounds: 3, progress: &progress}
	require.NoError(t, b.compare(t.Context(), comparison{
		name: "sellout", load: []string{"sellout"}, figure: "bookings/s",
		servers: []server{
			give(lab.Boxoffice, run1(3000, 20, 60), run1(100, 30, 70), run1(3500, 25, 65)),
			give(lab.Rowlock, run1(900, 60, 300), run1(2000, 62, 300), run1(1000, 66, 300)),
		},
		of:    func(r result) float64 { return r.BookedPerSec },
		goals: []goal{{lab.Rowlock, 3}}, judge: b.judgeSellout,
	}))
	require.Equal(t, []string{lab.Boxoffice, lab.Rowlock, lab.Boxoffice, lab.Rowlock, lab.Boxoffice, lab.Rowlock}, turns)
	require.Equal(t, []figure{
		{"sellout: bookings/s beside rowlock", "≥ 3 ×", "3.00 ×", true},
		{"sellout: p99 of look", "≤ 31.0 ms, rowlock's p50", "32.5 ms", false},
		{"sellout: p99 of hold", "≤ 62.0 ms, rowlock's p50", "65.0 ms", false},
		{"sellout: p99 of pay", "≤ 62.0 ms, rowlock's p50", "65.0 ms", false},
	}, b.report.figures)
	require.Equal(t, []comparedRow{
		{
			scenario: "sellout", server: lab.Boxoffice, figure: "bookings/s", median: 3000, p50: 25, p99: 65,
			node: time.Second / 6000, postgres: time.Second / 12000, client: time.Second / 24000,
		},
		{
			scenario: "sellout", server: lab.Rowlock, figure: "bookings/s", median: 1000, ratio: 3, p50: 62, p99: 300,
			node: time.Second / 2000, postgres: time.Second / 4000, client: time.Second / 8000,
		},
	}, b.report.compared)
	require.Regexp(t, `^[0-9:]{8} boxoffice: 3000 bookings/s\n[0-9:]{8} rowlock: 900 bookings/s\n`, progress.String())
	var shown bytes.Buffer
	require.NoError(t, b.report.write(&shown))
	require.Regexp(t, `(?m)^ +sellout +boxoffice +bookings/s +3000 +25\.00 +65\.00 +0 +166 +83 +41$`, shown.String())
	require.Regexp(t, `(?m)^ +sellout +rowlock +bookings/s +1000 +3\.00 × `, shown.String())
	require.Regexp(t, `(?m)^sellout: bookings/s beside rowlock +≥ 3 × +3\.00 × +met *$`, shown.String())
	require.Regexp(t, `(?m)^sellout: p99 of hold +≤ 62\.0 ms, rowlock's p50 +65\.0 ms +missed *$`, shown.String())
}

func TestEverySeatOfAStampedeIsHeldInEveryRun(t *testing.T) {
	t.Parallel()
	for shown, held := range map[string][]int64{"50": {50, 50}, "49": {49, 49}, "49 to 51": {51, 49}} {
		b := &bench{}
		var runs []result
		for _, n := range held {
			runs = append(runs, result{Held: n})
		}
		b.judgeStampede(map[string][]result{lab.Boxoffice: runs})
		require.Equal(t, []figure{{"stampede: seats held", "exactly 50", shown, shown == "50"}}, b.report.figures)
	}
}

func TestRowsOfAnOverload(t *testing.T) {
	t.Parallel()
	peak, over := run1(0, 10, 20), run1(0, 300, 500)
	peak.GoodPerSec, peak.Started = 10_000, 18_000
	over.GoodPerSec, over.Started, over.Offered, over.Shed = 8_500, 16_000, 36_000, 200
	over.Errors, over.FirstError = 3, "poll: timeout"
	over.cpu.Nodes = time.Second * 17 / 20
	rows := newOverloadRows("overload, mixed", []overloaded{{peak, over}})
	require.Len(t, rows, 2)
	require.InDelta(t, 9000, rows[0].started, 1e-9)
	require.Zero(t, rows[0].offered)
	require.InDelta(t, 20_000, rows[0].perNodeCPU, 1e-9)
	require.InDelta(t, 18_000, rows[1].offered, 1e-9)
	require.InDelta(t, 100, rows[1].shed, 1e-9)
	require.InDelta(t, 20_000, rows[1].perNodeCPU, 1e-6)
	var shown bytes.Buffer
	r := report{overloads: rows}
	require.NoError(t, r.write(&shown))
	require.Regexp(t, `(?m)^ +overload, mixed +peak +– +9000 +10000 `, shown.String())
	require.Regexp(t, `(?m)^ +overload, mixed +2 × that +18000 +8000 +8500 +0 +100 +3 `, shown.String())
	require.Contains(t, shown.String(), "overload, mixed, 2 × that: the first error: poll: timeout")
}

func TestAnOverloadMustNotRunOutOfSeats(t *testing.T) {
	t.Parallel()
	b := &bench{schedules: 100}
	require.NoError(t, b.checkSeatsLeft(result{Started: 5000}, 100))
	require.NoError(t, b.checkSeatsLeft(result{Started: 90_000}, 5))
	require.ErrorContains(t, b.checkSeatsLeft(result{Started: 5001}, 100), "100 schedules do not last for 5001 purchases")
	require.Error(t, b.checkSeatsLeft(result{Started: 90_100}, 5))
}

func TestMetricsOfAGoBenchmark(t *testing.T) {
	t.Parallel()
	output := []byte("goos: linux\nBenchmarkJournal-2   \t       5\t         0 ns/op\t     25412 journal_commits/s\t" +
		"         9.076 x_transaction\t        14.5 x_rowlock\nPASS\n")
	for unit, want := range map[string]float64{"journal_commits/s": 25412, "x_transaction": 9.076, "x_rowlock": 14.5} {
		value, err := metric(output, unit)
		require.NoError(t, err)
		require.InDelta(t, want, value, 1e-9, unit)
	}
	_, err := metric(output, "transaction")
	require.ErrorContains(t, err, "does not tell transaction")
}
