package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"boxoffice/bench/lab"
)

// report is everything that was measured so far. Rows hold medians.
type report struct {
	compared  []comparedRow
	overloads []overloadRow
	figures   []figure
}

// comparedRow is a server's part of a comparison.
type comparedRow struct {
	scenario, server, figure string
	median                   float64
	ratio                    float64 // of the first server to this one; 0 for the first
	p50, p99                 float64 // of the slowest operation, milliseconds
	shed                     float64
	node, postgres, client   time.Duration // of processors, for each that is counted
}

func newComparedRow(c comparison, name string, all map[string][]result) comparedRow {
	runs := all[name]
	row := comparedRow{
		scenario: c.name, server: name, figure: c.figure, median: lab.Median(runs, c.of),
		p50: lab.Median(runs, result.slowest50), p99: lab.Median(runs, result.slowest99),
		shed: lab.Median(runs, func(r result) float64 { return float64(r.Shed) }),
	}
	if name != c.servers[0].name {
		row.ratio = c.ratio(all, name)
	}
	each := func(used func(result) time.Duration) time.Duration {
		return time.Duration(lab.Median(runs, func(r result) float64 { return float64(used(r)) / (c.of(r) * r.seconds()) }))
	}
	row.node = each(func(r result) time.Duration { return r.cpu.Nodes })
	row.postgres = each(func(r result) time.Duration { return r.cpu.Postgres })
	row.client = each(func(r result) time.Duration { return r.cpu.Client })
	return row
}

// overloadRow is a load of an overload.
type overloadRow struct {
	scenario, load           string
	offered, started         float64 // polls, looks and purchases per second; offered 0: as many as were started
	good, shed, booked       float64 // per second
	errors                   int64   // of all rounds
	firstError               string
	p50, p99                 float64 // of the slowest operation, milliseconds
	perNodeCPU               float64 // good answers in a second of the node's processor time
	node, postgres, clientIs float64 // processors that were busy with it
}

// newOverloadRows gives a row for the peak and one for the overload.
func newOverloadRows(name string, pairs []overloaded) []overloadRow {
	row := func(load string, of func(overloaded) result) overloadRow {
		runs := make([]result, len(pairs))
		for i, p := range pairs {
			runs[i] = of(p)
		}
		r := overloadRow{
			scenario: name, load: load,
			offered:    lab.Median(runs, func(r result) float64 { return float64(r.Offered) / r.seconds() }),
			started:    lab.Median(runs, result.startedPerSec),
			good:       lab.Median(runs, func(r result) float64 { return r.GoodPerSec }),
			shed:       lab.Median(runs, func(r result) float64 { return float64(r.Shed) / r.seconds() }),
			booked:     lab.Median(runs, func(r result) float64 { return r.BookedPerSec }),
			p50:        lab.Median(runs, result.slowest50),
			p99:        lab.Median(runs, result.slowest99),
			perNodeCPU: lab.Median(runs, result.goodPerNodeCPU),
			node:       lab.Median(runs, func(r result) float64 { return r.cpu.Nodes.Seconds() / r.seconds() }),
			postgres:   lab.Median(runs, func(r result) float64 { return r.cpu.Postgres.Seconds() / r.seconds() }),
			clientIs:   lab.Median(runs, func(r result) float64 { return r.cpu.Client.Seconds() / r.seconds() }),
		}
		for _, one := range runs {
			r.errors += one.Errors
			r.firstError = cmp.Or(r.firstError, one.FirstError)
		}
		return r
	}
	return []overloadRow{
		row("peak", func(p overloaded) result { return p.peak }),
		row(fmt.Sprintf("%d × that", overloadTimes), func(p overloaded) result { return p.over }),
	}
}

// figure is something that has a goal.
type figure struct {
	name, goal, measured string
	met                  bool
}

func (r *report) judge(name, goal string, met bool, measured string) {
	r.figures = append(r.figures, figure{name, goal, measured, met})
}

func atLeast(ratio float64) string { return fmt.Sprintf("≥ %g ×", ratio) }
func times(ratio float64) string   { return fmt.Sprintf("%.2f ×", ratio) }

// write writes a table of every kind that has rows.
func (r *report) write(w io.Writer) error {
	return errors.Join(r.writeCompared(w), r.writeOverloads(w), r.writeFigures(w))
}

func (r *report) writeCompared(w io.Writer) error {
	if len(r.compared) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "scenario\tserver\tfigure\tmedian\tthe first is\tp50 ms\tp99 ms\tshed\tCPU µs each: servers\tPostgres\tclient\t")
	for _, row := range r.compared {
		ratio := ""
		if row.ratio > 0 {
			ratio = times(row.ratio)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%.0f\t%s\t%.2f\t%.2f\t%.0f\t%d\t%d\t%d\t\n",
			row.scenario, row.server, row.figure, row.median, ratio, row.p50, row.p99, row.shed,
			row.node.Microseconds(), row.postgres.Microseconds(), row.client.Microseconds())
	}
	fmt.Fprintln(table)
	return table.Flush()
}

func (r *report) writeOverloads(w io.Writer) error {
	if len(r.overloads) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "scenario\tload\toffered/s\tstarted/s\tgood answers/s\tbookings/s\tshed/s\terrors\tp50 ms\tp99 ms\t"+
		"good/s of node CPU\tCPUs: node\tPostgres\tclient\t")
	for _, row := range r.overloads {
		offered := "–"
		if row.offered > 0 {
			offered = fmt.Sprintf("%.0f", row.offered)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%.0f\t%.0f\t%.0f\t%.0f\t%d\t%.1f\t%.1f\t%.0f\t%.2f\t%.2f\t%.2f\t\n",
			row.scenario, row.load, offered, row.started, row.good, row.booked, row.shed, row.errors, row.p50, row.p99,
			row.perNodeCPU, row.node, row.postgres, row.clientIs)
	}
	fmt.Fprintln(table)
	if err := table.Flush(); err != nil {
		return err
	}
	for _, row := range r.overloads {
		if row.firstError != "" {
			fmt.Fprintf(w, "%s, %s: the first error: %s\n\n", row.scenario, row.load, row.firstError)
		}
	}
	return nil
}

func (r *report) writeFigures(w io.Writer) error {
	if len(r.figures) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "figure\tgoal\tmeasured\t\t")
	for _, f := range r.figures {
		verdict := "met"
		if !f.met {
			verdict = "missed"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t\n", f.name, f.goal, f.measured, verdict)
	}
	return table.Flush()
}
