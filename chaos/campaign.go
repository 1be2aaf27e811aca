package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// maxSeeds bounds a campaign.
const maxSeeds = 10_000

// parseSeeds reads seeds as in "1-30,42".
func parseSeeds(text string) ([]uint64, error) {
	var seeds []uint64
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.ParseUint(strings.TrimSpace(first), 10, 64)
		to := from
		if err == nil && isRange {
			to, err = strconv.ParseUint(strings.TrimSpace(last), 10, 64)
		}
		if err != nil || to < from || to-from >= maxSeeds {
			return nil, fmt.Errorf("seeds are numbers and ranges of them, as in 1-30,42, not %q", text)
		}
		for seed := from; seed <= to; seed++ {
			seeds = append(seeds, seed)
		}
	}
	return seeds, nil
}

// campaign makes one run after the other, with a seed each, and prints a line for each.
// Only what did not pass leaves its output behind.
func campaign(ctx context.Context, o options, logger *slog.Logger, stdout io.Writer) error {
	base, err := makeDirectory(o.out, "chaos-")
	if err != nil {
		return err
	}
	p, err := build(ctx, o, base)
	if err != nil {
		return err
	}
	results := make(map[string]int)
	began := time.Now()
	for _, seed := range o.seeds {
		o.seed, o.out = seed, filepath.Join(base, fmt.Sprintf("seed-%d", seed))
		result, err := runSeed(ctx, o, p, logger, stdout)
		if err != nil {
			return err
		}
		results[result]++
	}
	fmt.Fprintf(stdout, "%d of %d seeds passed, %d failed, %d were invalid; %s, commit %s\n",
		results[pass], len(o.seeds), results[fail], results[invalid], time.Since(began).Round(time.Second), p.commit)
	if results[pass] < len(o.seeds) {
		fmt.Fprintln(stdout, "what they left is in", base)
		return errNotPassed
	}
	return os.RemoveAll(base)
}

// runSeed makes one run of a campaign. A run that could not be made proves nothing; only
// the end of ctx ends the campaign.
func runSeed(ctx context.Context, o options, p program, logger *slog.Logger, stdout io.Writer) (string, error) {
	began := time.Now()
	if _, err := makeDirectory(o.out, ""); err != nil {
		return "", err
	}
	v, err := chaos(ctx, o, p, logger, io.Discard)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		fmt.Fprintf(stdout, "seed %d: %s: %v\n", o.seed, invalid, err)
		return invalid, nil
	}
	fmt.Fprintf(stdout, "seed %d: %s, %d faults, %.0f successes a second, others slowed the machine %.1f times, %s\n",
		o.seed, v.Result, len(v.Faults), v.Rate, v.Slowdown, time.Since(began).Round(time.Second))
	if v.Result != pass {
		v.print(stdout)
		return v.Result, nil
	}
	return v.Result, os.RemoveAll(o.out)
}
