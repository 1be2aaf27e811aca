package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"boxoffice/bench/lab"
)

// report is everything that was measured so far: tables, and what has a goal.
type report struct {
	tables   []*table
	compared *table
	goals    table
}

// table is a table in Markdown.
type table struct {
	title string
	rows  [][]string // the first is the head
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// table begins a new table.
func (r *report) table(title string, head ...string) *table {
	t := &table{title: title, rows: [][]string{head}}
	r.tables = append(r.tables, t)
	return t
}

// addCompared adds what a server reached in a contest, in medians, and how many times that the
// first server of the contest reached.
func (r *report) addCompared(scenario, server, ratio string, all runs) {
	if r.compared == nil {
		r.compared = r.table("medians; percentiles of the slowest operation", "scenario", "server", "per second", "the first is", "p50 ms", "p99 ms",
			"shed", "CPU µs each: servers", "Postgres", "client")
	}
	show := func(format string, figure func(result) float64) string {
		return fmt.Sprintf(format, all.of(server, figure))
	}
	r.compared.add(scenario, server, show("%.0f", result.rate), ratio, show("%.2f", p50("")), show("%.2f", p99("")),
		show("%.0f", func(r result) float64 { return float64(r.Shed) }),
		show("%.0f", microsecondsEach(func(c lab.CPU) time.Duration { return c.Nodes })),
		show("%.0f", microsecondsEach(func(c lab.CPU) time.Duration { return c.Postgres })),
		show("%.0f", microsecondsEach(func(c lab.CPU) time.Duration { return c.Client })))
}

func (r *report) judge(name, goal string, met bool, measured string) {
	if r.goals.rows == nil {
		r.goals = table{"goals", [][]string{{"figure", "goal", "measured", ""}}}
	}
	verdict := "met"
	if !met {
		verdict = "missed"
	}
	r.goals.add(name, goal, measured, verdict)
}

func atLeast(ratio float64) string { return fmt.Sprintf("≥ %g ×", ratio) }
func times(ratio float64) string   { return fmt.Sprintf("%.2f ×", ratio) }

// write writes all tables that have rows, in the order in which they were begun.
func (r *report) write(w io.Writer) error {
	var text strings.Builder
	for _, t := range append(r.tables, &r.goals) {
		if len(t.rows) < 2 {
			continue
		}
		fmt.Fprintf(&text, "%s\n\n", t.title)
		for i, row := range t.rows {
			fmt.Fprintf(&text, "| %s |\n", strings.Join(row, " | "))
			if i == 0 {
				fmt.Fprintf(&text, "|%s\n", strings.Repeat("---|", len(row)))
			}
		}
		fmt.Fprintln(&text)
	}
	_, err := io.WriteString(w, text.String())
	return err
}
