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
	"strconv"
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

// options are the sizes of a run.
type options struct {
	rounds      int
	connections []int // of sellout
	clients     []string
	schedules   int // of three-nodes and overload
	duration    time.Duration
	gogc        string
}

// bench is one run.
type bench struct {
	options

	lab      *lab.Lab
	progress io.Writer
	report   report
}

// scenario is one thing to measure.
type scenario struct {
	name    string
	measure func(context.Context) error
}

// scenarios returns all of them, in order.
func (b *bench) scenarios() []scenario {
	return []scenario{
		{"sellout", b.sellout},
		{"charges", b.charges},
		{"stampede", b.stampede},
		{"seats", b.reads("seats", "seats")},
		{"seats-304", b.reads("seats-304", "-etag", "seats")},
		{"polls", b.reads("polls", "polls")},
		{"three-nodes", b.threeNodes},
		{"overload", b.overload},
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	b := &bench{progress: stderr}
	names, err := b.parse(args, stderr)
	if err != nil {
		return err
	}
	chosen, err := choose(b.scenarios(), names)
	if err != nil {
		return err
	}
	if b.lab, err = lab.New(ctx, stderr, b.gogc, lab.Boxoffice, lab.Rowlock, lab.Bare, lab.Boxload); err != nil {
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

// parse reads the flags, and returns the names of scenarios.
func (b *bench) parse(args []string, stderr io.Writer) (names []string, err error) {
	var connections, clients string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&b.rounds, "rounds", 3, "runs of each server; medians are shown")
	flags.StringVar(&connections, "connections", "1,4,16,64,128,512", "numbers of connections of sellout")
	flags.StringVar(&clients, "clients", "fast,net/http", "clients of sellout and charges")
	flags.IntVar(&b.schedules, "schedules", 300, "schedules of three-nodes and overload")
	flags.DurationVar(&b.duration, "duration", 10*time.Second, "length of a run of the scenarios that have a fixed one")
	flags.StringVar(&b.gogc, "gogc", "100", "GOGC of all servers")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	b.clients = strings.Split(clients, ",")
	for text := range strings.SplitSeq(connections, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-connections must be positive numbers, not %q", text)
		}
		b.connections = append(b.connections, n)
	}
	if b.rounds < 1 || b.schedules < 1 || b.duration <= 0 {
		return nil, errors.New("-rounds, -schedules and -duration must be positive")
	}
	return flags.Args(), nil
}

// choose returns the scenarios with some names; without names, all.
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
