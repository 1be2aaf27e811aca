package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"

	"boxoffice/bench/lab"
)

// journalRounds is how often the journal's benchmark takes turns, for each round here.
const journalRounds = 2

// journal runs the journal's benchmark and judges it beside one transaction per commit, with
// the same statements in one round trip.
func (b *bench) journal(ctx context.Context) error {
	command := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "Journal$",
		"-benchtime", strconv.Itoa(b.rounds*journalRounds)+"x", "boxoffice/persistence")
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	ratio, err := metric(out, "x_transaction")
	if err != nil {
		return err
	}
	commits, err := metric(out, "journal_commits/s")
	if err != nil {
		return err
	}
	const least = 7
	b.report.judge("journal: durable commits/s beside a transaction each", atLeast(least), ratio >= least,
		fmt.Sprintf("%s (%.0f/s)", times(ratio), commits))
	return nil
}

// metric reads a metric of a Go benchmark.
func metric(output []byte, unit string) (float64, error) {
	found := regexp.MustCompile(`(?m)^Benchmark.*\s(\S+) ` + regexp.QuoteMeta(unit) + `(?:\s|$)`).FindSubmatch(output)
	if found == nil {
		return 0, fmt.Errorf("the benchmark does not tell %s: %s", unit, output)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

// idleSchedules judges the memory of a node with many schedules that nobody asks for.
func (b *bench) idleSchedules(ctx context.Context) error {
	out, err := b.lab.Run(ctx, lab.Idle, "-json", "-schedules", strconv.Itoa(b.idle))
	if err != nil {
		return err
	}
	var measured struct{ Schedules, InUseBytes, ResidentBytes int64 }
	if err := json.Unmarshal(out, &measured); err != nil {
		return fmt.Errorf("read what it measured: %w", err)
	}
	const most = 500 // MB
	resident := measured.ResidentBytes >> 20
	b.report.judge(fmt.Sprintf("idle: memory of %d active schedules", measured.Schedules), fmt.Sprintf("≤ %d MB", most), resident <= most,
		fmt.Sprintf("%d MB resident, %d MB of it heap and stacks in use", resident, measured.InUseBytes>>20))
	return nil
}
