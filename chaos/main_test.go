package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"boxoffice/chaos/check"
	"boxoffice/chaos/history"
	"boxoffice/chaos/plan"
	"boxoffice/internal/rig"
)

// TestMain lets this binary be the NATS server that a run starts from its own program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == rig.NATSCommand {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestParse(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-seed", "7", "-minutes", "0.5", "-faults", "kill, pause", "-nodes", "2"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, uint64(7), o.seed)
	require.Equal(t, 30*time.Second, o.length)
	require.Equal(t, []plan.Kind{plan.Kill, plan.Pause}, o.faults)
	for _, bad := range [][]string{{"-minutes", "0"}, {"-nodes", "0"}, {"-clients", "0"}, {"-slowdown", "3"}, {"-frobnicate"}, {"mutants"}} {
		_, err := parse(bad, io.Discard)
		require.Error(t, err, bad)
	}
}

func TestAllFaultsAreThoseThatTheRunCanDo(t *testing.T) {
	t.Parallel()
	kinds := func(args ...string) []plan.Kind {
		o, err := parse(args, io.Discard)
		require.NoError(t, err)
		return o.faults
	}
	require.Empty(t, kinds("-faults", "none"))
	require.NotContains(t, kinds("-nodes", "1"), plan.Join)
	require.Contains(t, kinds("-nodes", "3"), plan.Join)
	require.NotContains(t, kinds(), plan.KillBeforeReply)
	require.Contains(t, kinds("-tags", "failpoint"), plan.KillBeforeReply)
}

func TestARunHasTheNATSServersThatItsFaultsNeed(t *testing.T) {
	t.Parallel()
	require.Equal(t, 1, natsServers(nil))
	require.Equal(t, 1, natsServers([]plan.Fault{{Kind: plan.Kill}, {Kind: plan.WipeNATS}}))
	require.Equal(t, 3, natsServers([]plan.Fault{{Kind: plan.NATSServerAndNode}, {Kind: plan.WipeNATS}}))
	require.Equal(t, 3, natsServers([]plan.Fault{{Kind: plan.Kill}, {Kind: plan.NATSServer}}))
}

// What one NATS server of several keeps the nodes from has to be over in time.
func TestWhatAFaultKeepsAwayMustComeBack(t *testing.T) {
	t.Parallel()
	x := judged(t)
	x.machine = &machine{processors: 2, samples: []sample{{0, usage{}}, {10 * time.Second, usage{}}, {20 * time.Second, usage{busy: 20 * time.Second}}}}
	f := plan.Fault{Kind: plan.NATSServer}
	x.within(f, "NATS server", "a lease", 0, 3*time.Second, 3*time.Second)
	require.Empty(t, x.violations)
	x.within(f, "NATS server", "a lease", 0, 4*time.Second, 3*time.Second)
	require.Len(t, x.violations, 1)
	require.Equal(t, "NATS server", x.violations[0].Check)
	require.Empty(t, x.invalid)
	x.within(f, "NATS server", "a lease", 11*time.Second, 7*time.Second, 3*time.Second)
	require.Len(t, x.violations, 1)
	require.Contains(t, x.invalid[0], tooBusy)
}

func TestListingTheFaults(t *testing.T) {
	t.Parallel()
	var list bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-list"}, io.Discard, &list))
	require.Contains(t, list.String(), "poison-snapshots")
}

func TestAnOutputDirectoryMustBeEmpty(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "verdict.json"), nil, 0o600))
	require.ErrorContains(t, run(t.Context(), []string{"-out", dir}, io.Discard, io.Discard), "is not empty")
}

// judged is an experiment that is over.
func judged(t *testing.T) *experiment {
	t.Helper()
	return &experiment{
		options:  options{out: t.TempDir(), nodes: 3, slowdown: 1, minRate: 20},
		recorder: history.NewRecorder(time.Now()), began: 0, ended: 10 * time.Second,
	}
}

func TestARunInWhichLittleSucceedsIsInvalid(t *testing.T) {
	t.Parallel()
	x := judged(t)
	v := verdict{Seconds: 10, Operations: make(map[history.Result]int)}
	var operations []history.Operation
	for _, kind := range []history.Kind{history.Join, history.Hold, history.Pay} {
		for range 100 {
			operations = append(operations, history.Operation{Kind: kind, Result: history.OK, Call: 1})
		}
	}
	x.count(&v, operations)
	require.Equal(t, []string{"only 0 of cancel succeeded"}, v.Invalid)
	v = verdict{Seconds: 10, Operations: make(map[history.Result]int)}
	x.count(&v, operations[:100])
	require.Contains(t, v.Invalid[0], "10.0 successes a second are too few")
}

func TestExits(t *testing.T) {
	t.Parallel()
	x := judged(t)
	x.faults = []faultRun{{Fault: plan.Fault{Kind: plan.Pause}, Start: time.Second, Healed: 2 * time.Second}, {Fault: plan.Fault{Kind: plan.Kill}, Start: 5 * time.Second}}
	at := func(d time.Duration) time.Time { return x.recorder.Start().Add(d) }
	require.Empty(t, x.checkExits([]rig.Exit{
		{Name: "node-0", At: at(2 * time.Second), Status: "exit status 1"},                // fenced after a pause
		{Name: "node-0", At: at(6 * time.Second), Status: "signal: killed", Wanted: true}, // by the fault
	}))
	require.Len(t, x.checkExits([]rig.Exit{
		{Name: "node-0", At: at(0), Status: "exit status 1"},                // before any fault
		{Name: "node-0", At: at(2 * time.Second), Status: "exit status 2"},  // a panic
		{Name: "node-1", At: at(13 * time.Second), Status: "exit status 1"}, // for no reason
	}), 3)
}

func TestGoalsAreStretchedByOthersAndOnlyTwice(t *testing.T) {
	t.Parallel()
	const s = time.Second
	x := judged(t)
	x.machine = &machine{processors: 2, samples: []sample{{0, usage{}}, {10 * s, usage{busy: 5 * s}}, {20 * s, usage{busy: 25 * s}}}}
	at := func(from time.Duration) check.Outage { return check.Outage{From: from, Length: 10 * s} }
	limited := func(want time.Duration, wantBusy bool, from time.Duration, why string) {
		limit, busy := x.limit(3*s, at(from))
		require.Equal(t, want, limit, why)
		require.Equal(t, wantBusy, busy, why)
	}
	limited(4*s, false, 0, "a quarter of the machine was others'")
	limited(6*s, true, 10*s, "all of it was")
	x.stalls = []stall{{0, 9 * s}}
	limited(6*s, true, 0, "nothing ran")
}

func TestLogs(t *testing.T) {
	t.Parallel()
	x := judged(t)
	require.NoError(t, os.WriteFile(x.path("node-0.log"), []byte("ready\npanic: oh no\ngoroutine 1\n"), 0o600))
	require.NoError(t, os.WriteFile(x.path("node-1.log"), []byte("ready\n"), 0o600))
	violations, err := x.checkLogs()
	require.NoError(t, err)
	require.Equal(t, []check.Violation{{Check: "log", Detail: "node-0.log: panic: oh no"}}, violations)
}

func TestStallsOfTheHarness(t *testing.T) {
	t.Parallel()
	ticks := make(chan time.Duration, 4)
	for _, at := range []time.Duration{0, 10 * time.Millisecond, 500 * time.Millisecond} {
		ticks <- at
	}
	noted := make(chan struct{})
	p := startPulse(func() time.Duration {
		select {
		case at := <-ticks:
			return at
		default:
			select {
			case <-noted:
			default:
				close(noted)
			}
			return 510 * time.Millisecond
		}
	})
	<-noted
	stalls := p.end()
	require.Equal(t, []stall{{10 * time.Millisecond, 480 * time.Millisecond}}, stalls)
	require.Equal(t, 100*time.Millisecond, during(stalls, 0, 110*time.Millisecond))
	require.Zero(t, during(stalls, time.Second, 2*time.Second))
}

// TestAShortRunPasses breaks two real nodes once. It takes some twenty seconds, on a machine
// that may be busy with other tests: then there is no telling how long outages are.
func TestAShortRunPasses(t *testing.T) {
	t.Parallel()
	v := harness(t, "-seed", "7", "-minutes", "0.15", "-nodes", "2", "-faults", "kill", "-clients", "12", "-slowdown", "2", "-min-rate", "1")
	require.Empty(t, v.Violations)
	for _, reason := range v.Invalid {
		require.Contains(t, reason, tooBusy)
	}
	require.Len(t, v.Faults, 1)
	for _, name := range []string{"history.html", "operations.jsonl", "node-0.log", "nats.log"} {
		require.FileExists(t, filepath.Join(v.Directory, name))
	}
}

// harness makes one run and returns its verdict.
func harness(t *testing.T, args ...string) verdict {
	t.Helper()
	dir := t.TempDir()
	var out bytes.Buffer
	runErr := run(t.Context(), append(args, "-out", dir), &out, &out)
	t.Log(out.String())
	content, err := os.ReadFile(filepath.Join(dir, "verdict.json"))
	require.NoError(t, err)
	var v verdict
	require.NoError(t, json.Unmarshal(content, &v))
	require.Equal(t, v.Result == pass, runErr == nil)
	return v
}
