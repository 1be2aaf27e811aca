package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"boxoffice/chaos/check"
	"boxoffice/chaos/history"
	"boxoffice/chaos/plan"
	"boxoffice/chaos/workload"
)

// figuresCommand is the argument that makes the harness measure instead of search.
const figuresCommand = "figures"

// How figures are measured.
const (
	steadySchedules = 12
	figureWarmUp    = 3 * time.Second
	figureNodes     = 3
)

// measure is what of a fault's effects has a goal.
type measure string

// The measures.
const (
	longestOutage measure = "longest outage of a schedule"
	longestAnswer measure = "longest answer"
	longestLook   measure = "longest answer to a look"
	backAfter     measure = "back after"
)

// figure is one line of the table: what is done to three nodes under a steady load, and
// what is wanted of them.
type figure struct {
	Kind    plan.Kind
	What    string
	Length  time.Duration
	Measure measure
	Goal    time.Duration
	// Lenient figures may have requests that failed for good: their clients are cut off.
	Lenient bool
	// Gap is the time from one fault to the next: its length, and time to recover.
	Gap time.Duration
}

// catalogueOfFigures lists the figures, in the order of the table.
func catalogueOfFigures() []figure {
	const (
		ms = time.Millisecond
		s  = time.Second
	)
	return []figure{
		{Kind: plan.Kill, What: "kill -9 of a node", Length: 2 * s, Measure: longestOutage, Goal: 1500 * ms, Gap: 9 * s},
		{Kind: plan.Term, What: "SIGTERM of a node, and its return", Measure: longestAnswer, Goal: 300 * ms, Gap: 7 * s},
		{Kind: plan.Rolling, What: "rolling restart of all three", Measure: longestAnswer, Goal: 500 * ms, Gap: 10 * s},
		{Kind: plan.Join, What: "a node joins, and leaves", Length: 2 * s, Measure: longestAnswer, Goal: 300 * ms, Gap: 8 * s},
		{Kind: plan.Pause, What: "SIGSTOP for 10 s", Length: 10 * s, Measure: longestOutage, Goal: 1500 * ms, Lenient: true, Gap: 18 * s},
		{Kind: plan.FreezeNATS, What: "NATS frozen for 4 s", Length: 4 * s, Measure: longestAnswer, Goal: 500 * ms, Gap: 9 * s},
		{Kind: plan.NATSServer, What: "one of three NATS servers killed, each in turn", Length: 24 * s, Measure: longestAnswer, Goal: 500 * ms, Gap: 40 * s},
		{Kind: plan.WipeNATS, What: "NATS restarted with an empty store", Length: 500 * ms, Measure: longestAnswer, Goal: s, Gap: 7 * s},
		{Kind: plan.RestartPostgres, What: "Postgres killed and restarted", Length: 500 * ms, Measure: backAfter, Goal: 3 * s, Lenient: true, Gap: 9 * s},
		{Kind: plan.LostAnswers, What: "answers to commits are lost", Length: s, Measure: longestOutage, Goal: s, Gap: 6 * s},
		{Kind: plan.SilentPostgres, What: "connections to Postgres fall silent", Measure: longestOutage, Goal: 5 * s, Lenient: true, Gap: 12 * s},
		refusing(plan.ReadOnly, "Postgres is read-only for 4 s"),
		refusing(plan.TableFull, "... has no room for events"),
		refusing(plan.TableLocked, "... has the events locked"),
		refusing(plan.TooManyClients, "... has no connection left"),
		refusing(plan.StatementTimeouts, "... takes too long for any write"),
		{Kind: plan.CutPostgres, What: "a node is cut from Postgres for 8 s", Length: 8 * s, Measure: longestOutage, Goal: 3 * s, Lenient: true, Gap: 15 * s},
	}
}

// refusing is a figure of a Postgres that refuses to write: those who look see nothing of it.
func refusing(kind plan.Kind, what string) figure {
	return figure{
		Kind: kind, What: what, Length: 4 * time.Second, Measure: longestLook, Goal: 500 * time.Millisecond, Gap: 10 * time.Second,
	}
}

// reading is what one fault did.
type reading struct {
	Value   time.Duration `json:"value"` // of the figure's measure
	Failed  int           `json:"failed"`
	Retried int           `json:"retried"`
	Refused int           `json:"refused"`
	Longest time.Duration `json:"longestAnswer"`
	Outage  time.Duration `json:"longestOutage"`
	Sent    int           `json:"requests"`
}

// line is a figure and what was measured.
type line struct {
	Figure     string            `json:"figure"`
	Kind       plan.Kind         `json:"kind"`
	Measure    measure           `json:"measure"`
	Goal       time.Duration     `json:"goal"`
	Median     time.Duration     `json:"median"`
	Worst      time.Duration     `json:"worst"`
	Failed     int               `json:"failed"` // of all readings
	Readings   []reading         `json:"readings"`
	Violations []check.Violation `json:"violations,omitempty"`
	Invalid    []string          `json:"invalid,omitempty"`
	// Slowdown is how many times longer things took because of what else the machine did.
	Slowdown float64 `json:"slowdown"`
	Reached  bool    `json:"reached"`
}

// measurement is what was asked for.
type measurement struct {
	runs    int
	rate    int
	figures []figure
	out     string
}

func parseFigures(args []string, stderr io.Writer) (measurement, error) {
	var m measurement
	var rows string
	flags := flag.NewFlagSet("chaos "+figuresCommand, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&m.runs, "runs", 5, "how often each fault is done")
	flags.IntVar(&m.rate, "rate", 300, "requests a second")
	flags.StringVar(&rows, "rows", "all", "figures to measure, separated by commas, by the names of their faults")
	flags.StringVar(&m.out, "out", "", "output directory; empty: a new one under the system's directory for temporary files")
	if err := flags.Parse(args); err != nil {
		return m, err
	}
	if flags.NArg() > 0 {
		return m, fmt.Errorf("there are no arguments, but got %q", flags.Arg(0))
	}
	if m.runs < 1 || m.rate < 1 {
		return m, errors.New("there must be at least one run and one request a second")
	}
	m.figures = catalogueOfFigures()
	if rows == "all" {
		return m, nil
	}
	wanted := strings.Split(rows, ",")
	m.figures = slices.DeleteFunc(m.figures, func(f figure) bool { return !slices.Contains(wanted, string(f.Kind)) })
	if len(m.figures) != len(wanted) {
		return m, fmt.Errorf("no such figures: %s", rows)
	}
	return m, nil
}

// figures measures what three nodes on this machine reach, prints a table, and writes
// figures.json. It fails unless every goal was reached. The last column is how many times
// longer things took because of what else the machine did: well above 1, the figures are
// not the product's.
func figures(ctx context.Context, args []string, logger *slog.Logger, stdout, stderr io.Writer) error {
	m, err := parseFigures(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	base, err := makeDirectory(m.out, "figures-")
	if err != nil {
		return err
	}
	p, err := build(ctx, options{}, base)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%-46s %-30s %8s %8s %8s %7s %7s\n", "", "", "goal", "median", "worst", "failed", "others")
	missed := 0
	lines := make([]line, 0, len(m.figures))
	for _, f := range m.figures {
		l, err := m.take(ctx, f, p, base, logger)
		if err != nil {
			return fmt.Errorf("measure %s: %w", f.Kind, err)
		}
		l.tell(stdout)
		if !l.Reached {
			missed++
		}
		lines = append(lines, l)
	}
	if err := writeFigures(filepath.Join(base, "figures.json"), p.commit, lines); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%d of %d goals reached; commit %s, see %s\n", len(lines)-missed, len(lines), p.commit, base)
	if missed > 0 {
		return errNotPassed
	}
	return os.Remove(p.path)
}

func writeFigures(path, commit string, lines []line) error {
	content, err := json.MarshalIndent(struct {
		Commit  string `json:"commit"`
		Figures []line `json:"figures"`
	}{commit, lines}, "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(content, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

// take measures one figure: the same fault again and again, of one node after the other.
func (m measurement) take(ctx context.Context, f figure, p program, base string, logger *slog.Logger) (line, error) {
	out, err := makeDirectory(filepath.Join(base, string(f.Kind)), "")
	if err != nil {
		return line{}, err
	}
	x := &experiment{
		options: options{
			seed: 1, length: figureWarmUp + time.Duration(m.runs)*f.Gap, nodes: figureNodes, clients: 1, rate: m.rate,
			out: out, epsilon: 100 * time.Millisecond, slowdown: 1, minRate: float64(m.rate) / 2,
		},
		program: p, times: times{hold: time.Minute, admission: 10 * time.Minute, claim: time.Minute},
		logger: logger, stdout: io.Discard,
	}
	if f.Measure == longestLook {
		x.options.looks, x.times = true, shortTimes() // what comes due keeps nobody from looking
	}
	for i := range m.runs {
		x.plan = append(x.plan, plan.Fault{
			Kind: f.Kind, At: figureWarmUp + time.Duration(i)*f.Gap, Length: f.Length,
			Node: i % figureNodes, Peer: (i + 1) % figureNodes,
		})
	}
	v, err := x.run(ctx)
	if err != nil {
		return line{}, err
	}
	l := f.line(x, v)
	if l.Reached && l.Worst <= f.Goal {
		return l, os.RemoveAll(out)
	}
	return l, nil // what happened can be read in its directory
}

// line reads the figure off a run.
func (f figure) line(x *experiment, v verdict) line {
	l := line{
		Figure: f.What, Kind: f.Kind, Measure: f.Measure, Goal: f.Goal, Slowdown: v.Slowdown, Invalid: v.Invalid,
		// How long outages may be is what the figure is about.
		Violations: slices.DeleteFunc(v.Violations, func(v check.Violation) bool { return v.Check == "outage" }),
	}
	requests, operations := x.steady.Requests(), x.recorder.Operations()
	for i, done := range x.faults {
		r := f.read(x, done, x.until(i), requests, operations)
		l.Readings = append(l.Readings, r)
		l.Failed += r.Failed
	}
	slices.SortFunc(l.Readings, func(a, b reading) int { return cmp.Compare(a.Value, b.Value) })
	if n := len(l.Readings); n > 0 {
		l.Median, l.Worst = l.Readings[n/2].Value, l.Readings[n-1].Value
	}
	l.Reached = len(l.Readings) > 0 && l.Median <= f.Goal && (f.Lenient || l.Failed == 0) &&
		len(l.Violations) == 0 && len(l.Invalid) == 0
	return l
}

// read reads off what one fault did until to.
func (f figure) read(
	x *experiment, done faultRun, to time.Duration, requests []workload.Request, operations []history.Operation,
) reading {
	if f.Measure == longestLook {
		return readLooks(done, operations)
	}
	var r reading
	for _, q := range requests {
		if q.Due < done.Start || q.Due >= to {
			continue
		}
		r.Sent++
		r.Longest = max(r.Longest, q.Done-q.Due)
		if q.Tries > 1 {
			r.Retried++
		}
		if q.Failed {
			r.Failed++
		}
		if q.Refused {
			r.Refused++
		}
	}
	from := done.Start
	if f.Measure == backAfter {
		from = done.Healed
	}
	for _, o := range check.LongestOutages(operations, x.fleet.ScheduleIDs, from, to) {
		r.Outage = max(r.Outage, o.Length)
	}
	r.Value = r.Outage
	if f.Measure == longestAnswer {
		r.Value = r.Longest
	}
	return r
}

// readLooks reads off what those who only looked were answered while a fault lasted.
func readLooks(done faultRun, operations []history.Operation) reading {
	var r reading
	for _, op := range operations {
		if op.Client != workload.Reader || op.Call < done.Start || op.Call > done.Healed {
			continue
		}
		r.Sent++
		r.Longest = max(r.Longest, op.Return-op.Call)
		if !op.Result.Definite() {
			r.Failed++
		}
	}
	r.Value = r.Longest
	return r
}

func (l line) tell(w io.Writer) {
	const unit = time.Millisecond
	verdict := ""
	if !l.Reached {
		verdict = "  not reached"
	}
	fmt.Fprintf(w, "%-46s %-30s %8s %8s %8s %7d %6.1fx%s\n", l.Figure, l.Measure,
		l.Goal, l.Median.Round(unit), l.Worst.Round(unit), l.Failed, l.Slowdown, verdict)
	for i, violation := range l.Violations {
		if i < 3 {
			fmt.Fprintf(w, "  %s: %s\n", violation.Check, violation.Detail)
		}
	}
	for _, reason := range l.Invalid {
		fmt.Fprintf(w, "  invalid: %s\n", reason)
	}
}
