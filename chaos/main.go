package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"boxoffice/chaos/plan"
	"boxoffice/chaos/system"
	"boxoffice/internal/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// options are what a run is asked to be.
type options struct {
	seed     uint64
	seeds    []uint64 // of a campaign; empty: one run with seed
	length   time.Duration
	nodes    int
	clients  int
	faults   []plan.Kind
	out      string
	tags     string
	mutant   string
	race     bool
	epsilon  time.Duration
	slowdown float64
	minRate  float64
	rate     int  // of a steady load, requests a second; 0: clients in closed loops
	looks    bool // others look all the time, beside a steady load
}

// errNotPassed makes the exit status agree with verdict.json.
var errNotPassed = errors.New("not passed")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == rig.NATSCommand {
		return rig.RunNATS(ctx, args[1:])
	}
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if len(args) > 0 && args[0] == figuresCommand {
		return figures(ctx, args[1:], logger, stdout, stderr)
	}
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(o.seeds) > 0 {
		return campaign(ctx, o, logger, stdout)
	}
	return once(ctx, o, logger, stdout)
}

// once makes one run and prints its result in full.
func once(ctx context.Context, o options, logger *slog.Logger, stdout io.Writer) (err error) {
	if o.out, err = makeDirectory(o.out, fmt.Sprintf("chaos-%d-", o.seed)); err != nil {
		return err
	}
	p, err := build(ctx, o, o.out)
	if err != nil {
		return err
	}
	v, err := chaos(ctx, o, p, logger, stdout)
	if err != nil {
		return err
	}
	v.print(stdout)
	if v.Result != pass {
		return errNotPassed
	}
	return os.Remove(p.path)
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var minutes float64
	var faults, seeds string
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Uint64Var(&o.seed, "seed", 1, "what the plan and the workload are drawn from")
	flags.StringVar(&seeds, "seeds", "", "make one run for each of these seeds, as in 1-30, and tell each in a line")
	flags.Float64Var(&minutes, "minutes", 1, "how long clients go on, in minutes")
	flags.IntVar(&o.nodes, "nodes", 3, "how many nodes")
	flags.IntVar(&o.clients, "clients", 16, "how many clients, in closed loops")
	flags.StringVar(&faults, "faults", "all", "faults to inject, separated by commas; all, or none; -list lists them")
	flags.StringVar(&o.out, "out", "", "output directory; empty: a new one under the system's directory for temporary files")
	flags.StringVar(&o.tags, "tags", "", "build tags of the nodes: failpoint")
	flags.StringVar(&o.mutant, "mutant", "", "take a safeguard out of the nodes, which this run must notice")
	flags.BoolVar(&o.race, "race", false, "build the nodes with the race detector; give a -slowdown as well")
	flags.DurationVar(&o.epsilon, "epsilon", 100*time.Millisecond, "how exactly clocks can be compared")
	flags.Float64Var(&o.slowdown, "slowdown", 1, "factor on every goal, up to 2, for machines that do other things too")
	flags.Float64Var(&o.minRate, "min-rate", 20, "fewer successes a second make the run invalid")
	list := flags.Bool("list", false, "list the faults and exit")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("there is no %q: chaos takes flags, or begins with %s", flags.Arg(0), figuresCommand)
	}
	o.length = time.Duration(minutes * float64(time.Minute))
	if *list {
		for _, e := range plan.Catalogue() {
			fmt.Fprintf(stderr, "%-20s goal %s since %s\n", e.Kind, e.Goal, e.Since)
		}
		return o, flag.ErrHelp
	}
	if o.nodes < 1 || o.clients < 1 || o.length <= 0 {
		return o, errors.New("there must be at least one node, one client and some time")
	}
	if o.slowdown < 1 || o.slowdown > maxSlowdown {
		return o, fmt.Errorf("-slowdown must be 1 to %d", maxSlowdown)
	}
	o.faults = chosen(faults, o)
	if seeds == "" {
		return o, nil
	}
	var err error
	o.seeds, err = parseSeeds(seeds)
	return o, err
}

// chosen returns the faults that were asked for; "all" is all that this run can do.
func chosen(faults string, o options) []plan.Kind {
	var kinds []plan.Kind
	switch faults {
	case "none", "":
	case "all":
		failpoints := slices.Contains(strings.Split(o.tags, ","), "failpoint")
		disk := system.CanLimitDisk()
		for _, e := range plan.Catalogue() {
			if e.Nodes <= o.nodes && (failpoints || !e.Failpoint) && (disk || !e.Disk) {
				kinds = append(kinds, e.Kind)
			}
		}
	default:
		for name := range strings.SplitSeq(faults, ",") {
			kinds = append(kinds, plan.Kind(strings.TrimSpace(name)))
		}
	}
	return kinds
}
