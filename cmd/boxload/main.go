package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is the program. It returns 0 when the scenario ran and what was sold is right, 1
// when it failed, 2 when it was used wrongly.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	options, err := parseOptions(args, getenv, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "boxload:", err)
		return 2
	}
	report, err := measure(ctx, options, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "boxload:", err)
		return 1
	}
	if options.json {
		err = report.writeJSON(stdout)
	} else {
		err = report.writeText(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, "boxload:", err)
		return 1
	}
	return 0
}

// measure prepares a scenario, runs it, and checks what it left behind.
func measure(ctx context.Context, o options, stderr io.Writer) (*report, error) {
	progress := stderr
	if o.quiet {
		progress = io.Discard
	}
	api := newAPI(o)
	defer api.close()
	scenario := scenarios()[o.scenario]
	world, err := prepare(ctx, api, scenario.needs(o), o, progress)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	report := newReport(o)
	if err := scenario.run(ctx, &load{options: o, api: api, world: world, report: report}); err != nil {
		return nil, fmt.Errorf("run %s: %w", o.scenario, err)
	}
	if err := verify(ctx, api, world, report, progress); err != nil {
		return nil, fmt.Errorf("what was sold is not right: %w", err)
	}
	return report, nil
}
