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
	"syscall"
	"text/tabwriter"
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

// comparison is one scenario on two or three servers.
type comparison struct {
	name    string
	load    []string // arguments of boxload
	servers []string // boxoffice first
	figure  string   // what a run is judged by
	of      func(result) float64
}

// result is what boxload reports, as far as it is used here.
type result struct {
	AnswersPerSec float64 `json:"answersPerSecond"`
	BookedPerSec  float64 `json:"bookedPerSecond"`
	Held          int64   `json:"held"`
	Shed          int64   `json:"shed"`
	Operations    []struct {
		Name string  `json:"name"`
		P50  float64 `json:"p50Milliseconds"`
		P99  float64 `json:"p99Milliseconds"`
	} `json:"operations"`
}

func comparisons(schedules int, duration time.Duration) []comparison {
	answers := func(r result) float64 { return r.AnswersPerSec }
	booked := func(r result) float64 { return r.BookedPerSec }
	forSome := []string{"-duration", duration.String()}
	return []comparison{
		{
			name: "sellout", load: []string{"-schedules", fmt.Sprint(schedules), "sellout"},
			servers: []string{lab.Boxoffice, lab.Rowlock}, figure: "bookings/s", of: booked,
		},
		{
			name: "stampede", load: append(slices.Clone(forSome), "stampede"),
			servers: []string{lab.Boxoffice, lab.Rowlock, lab.Bare}, figure: "answers/s", of: answers,
		},
		{
			name: "seats", load: append(slices.Clone(forSome), "seats"),
			servers: []string{lab.Boxoffice, lab.Rowlock, lab.Bare}, figure: "answers/s", of: answers,
		},
		{
			name: "seats-304", load: append(slices.Clone(forSome), "-etag", "seats"),
			servers: []string{lab.Boxoffice, lab.Bare}, figure: "answers/s", of: answers,
		},
		{
			name: "polls", load: append(slices.Clone(forSome), "polls"),
			servers: []string{lab.Boxoffice, lab.Bare}, figure: "answers/s", of: answers,
		},
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	rounds := flags.Int("rounds", 3, "runs of each server; medians are shown")
	schedules := flags.Int("schedules", 1000, "schedules of sellout")
	duration := flags.Duration("duration", 10*time.Second, "length of a run of the other scenarios")
	if err := flags.Parse(args); err != nil {
		return err
	}
	servers, err := lab.New(ctx, stderr, lab.Boxoffice, lab.Rowlock, lab.Bare, lab.Boxload)
	if err != nil {
		return err
	}
	defer servers.Close()
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "scenario\tserver\tfigure\tmedian\tboxoffice is\tp50 ms\tp99 ms\tshed\t")
	for _, c := range comparisons(*schedules, *duration) {
		if flags.NArg() > 0 && !slices.Contains(flags.Args(), c.name) {
			continue
		}
		if err := compare(ctx, servers, c, *rounds, table); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return table.Flush()
}

// compare runs a scenario on its servers in turn, and writes a row for each.
func compare(ctx context.Context, l *lab.Lab, c comparison, rounds int, table io.Writer) error {
	results := map[string][]result{}
	for range rounds {
		for _, server := range c.servers {
			var r result
			if err := l.Load(ctx, server, c.load, &r); err != nil {
				return fmt.Errorf("%s: %w", server, err)
			}
			results[server] = append(results[server], r)
		}
	}
	ours := median(results[lab.Boxoffice], c.of)
	for _, server := range c.servers {
		theirs := median(results[server], c.of)
		ratio := ""
		if server != lab.Boxoffice {
			ratio = fmt.Sprintf("%.2f ×", ours/theirs)
		}
		slowest50 := median(results[server], func(r result) float64 { return slowest(r, false) })
		slowest99 := median(results[server], func(r result) float64 { return slowest(r, true) })
		shed := median(results[server], func(r result) float64 { return float64(r.Shed) })
		fmt.Fprintf(table, "%s\t%s\t%s\t%.0f\t%s\t%.2f\t%.2f\t%.0f\t\n",
			c.name, server, c.figure, theirs, ratio, slowest50, slowest99, shed)
	}
	return nil
}

// slowest is the percentile of the scenario's slowest operation.
func slowest(r result, p99 bool) float64 {
	worst := 0.0
	for _, o := range r.Operations {
		if p99 {
			worst = max(worst, o.P99)
		} else {
			worst = max(worst, o.P50)
		}
	}
	return worst
}

func median(results []result, of func(result) float64) float64 {
	values := make([]float64, len(results))
	for i, r := range results {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
