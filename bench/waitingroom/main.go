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
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "waitingroom:", err)
		os.Exit(1)
	}
}

// options are the sizes of a run.
type options struct {
	waiting     int           // in the long line
	httpJoins   int           // over HTTP, each by somebody else
	connections int           // of those who poll
	joining     int           // connections of those who join
	duration    time.Duration // of each measurement of polls
	rounds      int           // of these
	streams     int           // event streams on one node
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	flags := flag.NewFlagSet("waitingroom", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.waiting, "waiting", 1_000_000, "people in the long line, filled through the journal")
	flags.IntVar(&o.httpJoins, "http-joins", 20_000, "joins over HTTP")
	flags.IntVar(&o.connections, "connections", 64, "connections of those who poll")
	flags.IntVar(&o.joining, "join-connections", 256, "connections of those who join")
	flags.DurationVar(&o.duration, "duration", 4*time.Second, "length of each measurement of polls")
	flags.IntVar(&o.rounds, "rounds", 3, "measurements of polls, in turns; medians are shown")
	flags.IntVar(&o.streams, "streams", 10_000, "event streams on one node")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("there are no arguments, but got %q", flags.Arg(0))
	}
	if err := checkFiles(uint64(o.streams) + otherFiles); err != nil {
		return err
	}
	r, err := open(ctx, o, stderr)
	if err != nil {
		return err
	}
	defer r.close()
	measureErr := r.measure(ctx)
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "figure\tgoal\tmeasured\t")
	for _, f := range r.figures {
		fmt.Fprintf(table, "%s\t%s\t%s\t\n", f.name, f.goal, f.measured)
	}
	return errors.Join(measureErr, table.Flush())
}

// otherFiles is what a process of this bench opens beside its streams.
const otherFiles = 2048

// checkFiles reports whether a process may open so many files. Go programs, the node
// included, take all that the hard limit allows.
func checkFiles(count uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Cur < count {
		return fmt.Errorf("a process may open %d files, and %d are needed: raise the hard limit (ulimit -Hn) or ask for fewer -streams", limit.Cur, count)
	}
	return nil
}
