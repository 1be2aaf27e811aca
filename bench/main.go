package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"boxoffice/bench/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	rounds    int
	schedules int
	duration  time.Duration
	idle      int // schedules
	lab       *lab.Lab
	progress  io.Writer
	report    report
}

// scenario is one thing to measure.
type scenario struct {
	name    string
	measure func(context.Context) error
}

// scenarios gives all of them, in order.
func (b *bench) scenarios() []scenario {
	var all []scenario
	for _, c := range b.comparisons() {
		all = append(all, scenario{c.name, func(ctx context.Context) error { return b.compare(ctx, c) }})
	}
	return append(all,
		scenario{"overload", b.overload},
		scenario{"journal", b.journal},
		scenario{"idle", b.idleSchedules},
	)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	b := &bench{progress: stderr}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&b.rounds, "rounds", 3, "runs of each server; medians are shown")
	flags.IntVar(&b.schedules, "schedules", 1000, "schedules of sellout, three-nodes and overload")
	flags.DurationVar(&b.duration, "duration", 10*time.Second, "length of a run of the scenarios that have a fixed one")
	flags.IntVar(&b.idle, "idle-schedules", 100_000, "schedules of idle")
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := choose(b.scenarios(), flags.Args())
	if err != nil {
		return err
	}
	if b.rounds < 1 || b.schedules < 1 || b.idle < 1 || b.duration <= 0 {
		return errors.New("-rounds, -schedules, -idle-schedules and -duration must be positive")
	}
	b.lab, err = lab.New(ctx, stderr, lab.Boxoffice, lab.Rowlock, lab.Bare, lab.Boxload, lab.Idle)
	if err != nil {
		return err
	}
	defer b.lab.Close()
	for _, s := range chosen {
		fmt.Fprintf(stderr, "%s %s\n", time.Now().Format(time.TimeOnly), s.name)
		if err = s.measure(ctx); err != nil {
			err = fmt.Errorf("%s: %w", s.name, err)
			break
		}
	}
	return errors.Join(err, b.report.write(stdout)) // what was measured before a failure is shown
}

// choose gives the scenarios with some names; without names, all.
func choose(all []scenario, names []string) ([]scenario, error) {
	if len(names) == 0 {
		return all, nil
	}
	known := make([]string, len(all))
	for i, s := range all {
		known[i] = s.name
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no scenario %q; there are %s", name, strings.Join(known, ", "))
		}
	}
	return slices.DeleteFunc(all, func(s scenario) bool { return !slices.Contains(names, s.name) }), nil
}
