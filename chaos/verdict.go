package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"boxoffice/chaos/check"
	"boxoffice/chaos/history"
	"boxoffice/chaos/plan"
	"boxoffice/chaos/workload"
	"boxoffice/internal/rig"
)

// The results of a run.
const (
	pass    = "pass"
	fail    = "fail"
	invalid = "invalid"
)

// verdict is verdict.json.
type verdict struct {
	Result     string                 `json:"result"`
	Seed       uint64                 `json:"seed"`
	Commit     string                 `json:"commit"`
	Tags       string                 `json:"tags,omitzero"`
	Mutant     string                 `json:"mutant,omitzero"`
	Nodes      int                    `json:"nodes"`
	Seconds    float64                `json:"seconds"`
	Plan       []plan.Fault           `json:"plan"`
	Faults     []faultVerdict         `json:"faults"`
	Operations map[history.Result]int `json:"operations"`
	Rate       float64                `json:"successesPerSecond"`
	Stalls     []stall                `json:"stalls,omitempty"` // of the harness itself
	// Slowdown is how many times longer things took because of what else the machine did.
	Slowdown   float64           `json:"slowdown"`
	Exits      []rig.Exit        `json:"exits"`
	Invalid    []string          `json:"invalid,omitempty"`
	Violations []check.Violation `json:"violations,omitempty"`
	Directory  string            `json:"directory"`
}

// faultVerdict is what one fault did to the schedules.
type faultVerdict struct {
	faultRun
	Goal    time.Duration  `json:"goal"`
	Since   plan.Moment    `json:"since"`
	Outages []check.Outage `json:"outages"` // the longest of each schedule
	// Idle is the longest time that each waiting room let nobody in whom it could have.
	Idle []check.Outage `json:"idle"`
	// Slowest is the longest that an answer took, and Results counts what came of the
	// requests, of those that were sent while the fault lasted.
	Slowest time.Duration          `json:"slowest"`
	Results map[history.Result]int `json:"results"`
}

// judge applies all checks and writes the output.
func (x *experiment) judge(state check.State) (verdict, error) {
	operations := x.recorder.Operations()
	v := verdict{
		Seed: x.options.seed, Commit: x.program.commit, Tags: x.options.tags, Mutant: x.options.mutant, Nodes: x.options.nodes,
		Seconds: (x.ended - x.began).Seconds(), Plan: x.plan, Operations: make(map[history.Result]int),
		Stalls: x.stalls, Slowdown: x.machine.slowdown(x.began, x.ended), Exits: x.system.Exits(), Invalid: x.invalid, Violations: x.violations, Directory: x.options.out,
	}
	evidence := check.Evidence{Operations: operations, State: state, Zero: x.zero}
	result := check.Run(evidence, check.Limits{
		Epsilon: x.options.epsilon, Staleness: staleness, HoldTTL: x.times.hold, AdmissionTTL: x.times.admission,
		ClaimTTL: x.times.claim, Patience: patience,
	}, time.Now)
	v.Violations = append(v.Violations, result.Violations...)
	v.Violations = append(v.Violations, x.checkExits(v.Exits)...)
	logged, err := x.checkLogs()
	if err != nil {
		return v, err
	}
	v.Violations = append(v.Violations, logged...)
	x.checkOutages(&v, evidence)
	x.count(&v, operations)
	switch {
	case len(v.Violations) > 0:
		v.Result = fail
	case len(v.Invalid) > 0:
		v.Result = invalid
	default:
		v.Result = pass
	}
	return v, x.write(v, operations, result)
}

// count counts the operations of the storm and looks whether there were enough.
func (x *experiment) count(v *verdict, operations []history.Operation) {
	succeeded := make(map[history.Kind]int)
	for _, op := range operations {
		if op.Call < x.began || op.Call > x.ended {
			continue
		}
		v.Operations[op.Result]++
		if op.Result == history.OK {
			succeeded[op.Kind]++
		}
	}
	v.Rate = float64(v.Operations[history.OK]) / v.Seconds
	if v.Rate < x.options.minRate {
		v.Invalid = append(v.Invalid, fmt.Sprintf("%.1f successes a second are too few to prove anything", v.Rate))
	}
	// Each of these every five seconds at least: an edge that nobody reached proves nothing.
	for _, kind := range []history.Kind{history.Join, history.Hold, history.Pay, history.Cancel} {
		if float64(succeeded[kind]) < v.Seconds/5 {
			v.Invalid = append(v.Invalid, fmt.Sprintf("only %d of %s succeeded", succeeded[kind], kind))
		}
	}
}

// tooBusy makes a run invalid: an outage was longer than its goal may be stretched at a time at
// which the machine had so much else to do that it is as likely due to that.
const tooBusy = "the machine had too much else to do"

// until returns the end of what the i-th fault is judged by: the next one's start, or that of
// the run.
func (x *experiment) until(i int) time.Duration {
	if i+1 < len(x.faults) {
		return x.faults[i+1].Start
	}
	return x.ended
}

// roomDelay is how much longer than without answers a schedule may be with people who wait
// although they could be let in: its waiting room learns of everything within that time.
const roomDelay = time.Second

// checkOutages compares what each fault did with its goal.
func (x *experiment) checkOutages(v *verdict, e check.Evidence) {
	for i, f := range x.faults {
		entry := entryOf(f.Kind)
		goal, since := entry.GoalWith(x.options.nodes)
		from := f.Start
		if since == plan.FromHeal {
			from = f.Healed
		}
		judged := faultVerdict{
			faultRun: f, Goal: goal, Since: since,
			Outages: check.LongestOutages(e.Operations, x.fleet.ScheduleIDs, from, x.until(i)),
			Idle:    check.LongestIdle(e, x.fleet.ScheduleIDs, from, x.until(i)),
			Results: make(map[history.Result]int),
		}
		for _, op := range e.Operations {
			if f.Start <= op.Call && op.Call <= f.Healed {
				judged.Results[op.Result]++
				if op.Result.Definite() {
					judged.Slowest = max(judged.Slowest, op.Return-op.Call)
				}
			}
		}
		v.Faults = append(v.Faults, judged)
		for _, outage := range judged.Outages {
			x.checkOutage(v, f, "outage", "had no answer", goal, outage)
		}
		for _, idle := range judged.Idle {
			x.checkOutage(v, f, "idle", "let nobody in whom it could have", goal+roomDelay, idle)
		}
		if entry.Refuses {
			x.checkReads(v, f, e)
		}
	}
}

// checkReads wants of a fault in which nothing can be written that whoever looks is answered.
func (x *experiment) checkReads(v *verdict, f faultRun, e check.Evidence) {
	busy := 0
	for _, read := range check.Reads(e, workload.Reader, f.Start, f.Healed) {
		if x.machine.slowdown(read.From, read.From+read.Length) >= busySlowdown {
			busy++
			continue
		}
		v.Violations = append(v.Violations, read.Violation)
	}
	if busy > 0 {
		v.Invalid = append(v.Invalid, fmt.Sprintf("%s at %.3fs: %s to tell why %d who looked were not answered",
			f.Fault, f.Start.Seconds(), tooBusy, busy))
	}
}

// checkOutage compares one outage with its goal.
func (x *experiment) checkOutage(v *verdict, f faultRun, name, what string, goal time.Duration, o check.Outage) {
	limit, busy := x.limit(goal, o)
	switch {
	case o.Length <= limit:
	case busy:
		v.Invalid = append(v.Invalid, fmt.Sprintf("%s at %.3fs: %s to tell what an outage of %s is due to",
			f.Fault, f.Start.Seconds(), tooBusy, o.Length))
	default:
		v.Violations = append(v.Violations, check.Violation{
			Check: name,
			Detail: fmt.Sprintf("%s at %.3fs: schedule %d %s for %s from %.3fs on; the goal is %s",
				f.Fault, f.Start.Seconds(), o.ScheduleID, what, o.Length, o.From.Seconds(), limit),
		})
	}
}

// limit is how long an outage may be: the goal, by what others left of the machine at the
// time, and what the harness itself did not get to run; twice the goal at the very most. busy
// says that a longer one proves nothing: others had a third of the machine or more, or the
// goal would have been stretched further.
func (x *experiment) limit(goal time.Duration, o check.Outage) (limit time.Duration, busy bool) {
	until := o.From + o.Length
	others, stalled, most := x.machine.slowdown(o.From, until), during(x.stalls, o.From, until), maxSlowdown*goal
	stretched := func(factor float64) time.Duration { return time.Duration(float64(goal)*factor) + stalled }
	return min(most, stretched(others*x.options.slowdown)), others >= busySlowdown || stretched(others) >= most
}

// fencedLimit is how long after such a fault a node that finds itself evicted may take to end:
// it lets its clients finish, as one that drains.
const fencedLimit = 10 * time.Second

// mayFence are the faults after which a node may end by itself, to be started again:
// those that keep it from its heartbeats.
func mayFence() []plan.Kind {
	return []plan.Kind{
		plan.Pause, plan.CutNATS, plan.CutAll, plan.RestartNATS, plan.WipeNATS, plan.PauseTransaction,
	}
}

// checkExits: no process ends by itself, unless a fault gives it a reason to.
func (x *experiment) checkExits(exits []rig.Exit) []check.Violation {
	var violations []check.Violation
	for _, e := range exits {
		at := x.recorder.Since(e.At)
		excused := e.Status == "exit status 1" && slices.ContainsFunc(x.faults, func(f faultRun) bool {
			return slices.Contains(mayFence(), f.Kind) && f.Start <= at && at <= f.Healed+fencedLimit
		})
		if !e.Wanted && !excused {
			violations = append(violations, check.Violation{
				Check: "exit", Detail: fmt.Sprintf("%s ended by itself at %.3fs: %s", e.Name, at.Seconds(), e.Status),
			})
		}
	}
	return violations
}

// checkLogs looks for what no process may say.
func (x *experiment) checkLogs() ([]check.Violation, error) {
	paths, err := filepath.Glob(x.path("*.log"))
	if err != nil {
		return nil, fmt.Errorf("find the logs: %w", err)
	}
	const longest = 4 << 20 // of a line, bytes
	var violations []check.Violation
	for _, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read a log: %w", err)
		}
		lines := bufio.NewScanner(file)
		lines.Buffer(nil, longest)
		for lines.Scan() {
			for _, bad := range []string{"panic", "fatal error:", "DATA RACE", "can never be written"} {
				if strings.Contains(lines.Text(), bad) {
					violations = append(violations, check.Violation{
						Check: "log", Detail: filepath.Base(path) + ": " + lines.Text()[:min(len(lines.Text()), 600)],
					})
					break
				}
			}
		}
		_ = file.Close() // only read
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
	}
	return violations, nil
}

// write writes the output directory.
func (x *experiment) write(v verdict, operations []history.Operation, result check.Result) error {
	for name, write := range map[string]func(io.Writer) error{
		"operations.jsonl": func(w io.Writer) error { return history.Write(w, operations) },
		"history.html":     result.Visualize,
		"verdict.json": func(w io.Writer) error {
			encoder := json.NewEncoder(w)
			encoder.SetIndent("", "  ")
			return encoder.Encode(v)
		},
	} {
		file, err := os.Create(x.path(name))
		if err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if err := write(file); err != nil {
			_ = file.Close()
			return fmt.Errorf("write %s: %w", name, err)
		}
		if err := file.Close(); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// print prints the verdict in a few lines.
func (v verdict) print(w io.Writer) {
	const most = 4 // of one check
	for _, f := range v.Faults {
		var longest time.Duration
		for _, o := range f.Outages {
			longest = max(longest, o.Length)
		}
		fmt.Fprintf(w, "%-20s longest outage %6.3fs (goal %s since %s), slowest answer %6.3fs, %v\n",
			f.Kind, longest.Seconds(), f.Goal, f.Since, f.Slowest.Seconds(), f.Results)
	}
	told := make(map[string]int)
	for _, violation := range v.Violations {
		if told[violation.Check]++; told[violation.Check] <= most {
			fmt.Fprintf(w, "%s: %s %v\n", violation.Check, violation.Detail, violation.Operations)
		}
	}
	for name, n := range told {
		if n > most {
			fmt.Fprintf(w, "%s: %d more\n", name, n-most)
		}
	}
	for _, reason := range v.Invalid {
		fmt.Fprintln(w, "invalid:", reason)
	}
	fmt.Fprintf(w, "%s: seed %d, %v operations, %.0f successes a second; see %s\n", v.Result, v.Seed, v.Operations, v.Rate, v.Directory)
}
