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
	b := &bench{}
	all, err := choose(b.scenarios(), nil)
	require.NoError(t, err)
	require.Len(t, all, 8)
	some, err := choose(b.scenarios(), []string{"overload", "sellout"})
	require.NoError(t, err)
	require.Len(t, some, 2)
	require.Equal(t, "sellout", some[0].name)
	_, err = choose(b.scenarios(), []string{"rush"})
	require.ErrorContains(t, err, `no scenario "rush"; there are sellout, `)
}

func TestWrongUseStartsNothing(t *testing.T) {
	t.Parallel()
	for problem, args := range map[string][]string{
		"no scenario":             {"rush"},
		"must be positive":        {"-rounds", "0"},
		"must be positive number": {"-connections", "1,none"},
		"not defined":             {"-round", "1"},
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
		StartedAt: start, TimeOverAt: start.Add(2 * time.Second), AnswersPerSec: 3 * perSecond, BookedPerSec: perSecond,
		Operations: []operation{{"seats", p50 / 2, p99 / 2}, {"hold", p50, p99}, {"pay", p50, p99}},
		cpu:        lab.CPU{Nodes: time.Second, Postgres: time.Second / 2, Client: time.Second / 4},
	}
}

func TestServersTakeTurnsAndMediansAreCompared(t *testing.T) {
	t.Parallel()
	var turns []string
	give := func(name string, results ...result) server {
		return server{name, func(_ context.Context, args []string, report any) (lab.CPU, error) {
			require.Equal(t, []string{"sellout"}, args)
			turns = append(turns, name)
			r := results[0]
			results = results[1:]
			*report.(*result) = r
			return r.cpu, nil
		}}
	}
	var progress bytes.Buffer
	b := &bench{options: options{rounds: 3}, progress: &progress}
	all, err := b.compare(t.Context(), contest{
		name: "sale", load: []string{"sellout"},
		servers: []server{
			give(lab.Boxoffice, run1(3000, 20, 60), run1(100, 30, 70), run1(3500, 25, 65)),
			give(lab.Rowlock, run1(900, 60, 300), run1(2000, 62, 300), run1(1000, 66, 300)),
		},
	})
	require.NoError(t, err)
	b.beside(all, "sale", lab.Rowlock, 3)
	b.beside(all, "sale", lab.Rowlock, 3.5)
	require.Equal(t, []string{lab.Boxoffice, lab.Rowlock, lab.Boxoffice, lab.Rowlock, lab.Boxoffice, lab.Rowlock}, turns)
	require.InDelta(t, 12.5, all.of(lab.Boxoffice, p50("seats")), 1e-9)
	require.Regexp(t, `^[0-9:]{8} sale, boxoffice: 3000/s\n[0-9:]{8} sale, rowlock: 900/s\n`, progress.String())
	var shown bytes.Buffer
	require.NoError(t, b.report.write(&shown))
	require.Contains(t, shown.String(), "| sale | boxoffice | 3000 |  | 25.00 | 65.00 | 0 | 167 | 83 | 42 |\n")
	require.Contains(t, shown.String(), "| sale | rowlock | 1000 | 3.00 × | ")
	require.Contains(t, shown.String(), "| sale: beside rowlock | ≥ 3 × | 3.00 × | met |\n| sale: beside rowlock | ≥ 3.5 × | 3.00 × | missed |\n")
}

func TestSalesLastLongEnough(t *testing.T) {
	t.Parallel()
	args, schedules, goal := sale(16)
	require.Equal(t, []string{"-connections", "16", "-schedules", "80", "-at-a-time", "20"}, args)
	require.Equal(t, 20, schedules)
	require.InDelta(t, 1.5, goal, 0)
	_, schedules, goal = sale(512)
	require.Equal(t, 1000, schedules)
	require.InDelta(t, 3, goal, 0)
}

func TestAnOverloadMustNotRunOutOfSeats(t *testing.T) {
	t.Parallel()
	b := &bench{options: options{schedules: 100}}
	require.NoError(t, b.checkSeatsLeft(result{Started: 5000}, 100))
	require.NoError(t, b.checkSeatsLeft(result{Started: 90_000}, 5))
	require.ErrorContains(t, b.checkSeatsLeft(result{Started: 5001}, 100), "100 schedules do not last for 5001 purchases")
	require.Error(t, b.checkSeatsLeft(result{Started: 90_100}, 5))
}
