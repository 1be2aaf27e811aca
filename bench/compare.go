package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"boxoffice/bench/lab"
)

// comparison is one scenario on several servers.
type comparison struct {
	name    string
	load    []string // arguments of boxload
	servers []server // the first is the one that is judged
	figure  string   // what a run is judged by
	of      func(result) float64
	goals   []goal // beside which others
	judge   func(runs map[string][]result)
}

// goal is how many times what another server reaches has to be reached.
type goal struct {
	beside string
	least  float64
}

// server is what boxload is let loose on.
type server struct {
	name string
	load func(ctx context.Context, args []string, report any) (lab.CPU, error)
}

// result is what boxload reports, as far as it is used here, and the processor time that
// went into it.
type result struct {
	StartedAt     time.Time   `json:"startedAt"`
	TimeOverAt    time.Time   `json:"timeOverAt"`
	AnswersPerSec float64     `json:"answersPerSecond"`
	GoodPerSec    float64     `json:"goodPerSecond"`
	BookedPerSec  float64     `json:"bookedPerSecond"`
	Started       int64       `json:"started"`
	Offered       int64       `json:"offered"`
	Errors        int64       `json:"errors"`
	FirstError    string      `json:"firstError"`
	Held          int64       `json:"held"`
	Shed          int64       `json:"shed"`
	Operations    []operation `json:"operations"`

	cpu lab.CPU
}

// operation is one kind of request.
type operation struct {
	Name string  `json:"name"`
	P50  float64 `json:"p50Milliseconds"`
	P99  float64 `json:"p99Milliseconds"`
}

// seconds is how long the load was on.
func (r result) seconds() float64 { return r.TimeOverAt.Sub(r.StartedAt).Seconds() }

// Names of servers that are made of boxoffice alone.
const (
	oneNode    = "one node"
	threeNodes = "three nodes"
)

func (b *bench) comparisons() []comparison {
	single := func(name string) server {
		return server{name, func(ctx context.Context, args []string, report any) (lab.CPU, error) {
			if err := b.lab.Renew(ctx); err != nil {
				return lab.CPU{}, err
			}
			return b.lab.Load(ctx, name, args, report)
		}}
	}
	boxoffice, rowlock, bare := single(lab.Boxoffice), single(lab.Rowlock), single(lab.Bare)
	answers := func(r result) float64 { return r.AnswersPerSec }
	booked := func(r result) float64 { return r.BookedPerSec }
	sale := []string{"-schedules", fmt.Sprint(b.schedules), "sellout"}
	forSome := func(args ...string) []string { return append([]string{"-duration", b.duration.String()}, args...) }
	return []comparison{
		{
			name: "sellout", load: sale, servers: []server{boxoffice, rowlock}, figure: "bookings/s", of: booked,
			goals: []goal{{lab.Rowlock, 3}}, judge: b.judgeSellout,
		},
		{
			name: "stampede", load: forSome("stampede"), servers: []server{boxoffice, rowlock, bare}, figure: "answers/s", of: answers,
			goals: []goal{{lab.Rowlock, 3.5}, {lab.Bare, 0.5}}, judge: b.judgeStampede,
		},
		{
			name: "seats", load: forSome("seats"), servers: []server{boxoffice, rowlock, bare}, figure: "answers/s", of: answers,
			goals: []goal{{lab.Bare, 0.6}},
		},
		{
			name: "seats-304", load: forSome("-etag", "seats"), servers: []server{boxoffice, bare}, figure: "answers/s", of: answers,
			goals: []goal{{lab.Bare, 0.8}},
		},
		{
			name: "polls", load: forSome("polls"), servers: []server{boxoffice, bare}, figure: "answers/s", of: answers,
			goals: []goal{{lab.Bare, 0.6}},
		},
		{
			name: "three-nodes", load: sale,
			servers: []server{{threeNodes, b.loadCluster}, {oneNode, boxoffice.load}},
			figure:  "bookings/s", of: booked, goals: []goal{{oneNode, 0.7}},
		},
	}
}

// loadCluster lets boxload loose on three nodes; buyers are spread over them.
func (b *bench) loadCluster(ctx context.Context, args []string, report any) (lab.CPU, error) {
	if err := b.lab.Renew(ctx); err != nil {
		return lab.CPU{}, err
	}
	nodes, err := b.lab.StartCluster(ctx)
	if err != nil {
		return lab.CPU{}, err
	}
	used, err := b.lab.Measure(ctx, nodes, args, report)
	return used, errors.Join(err, lab.StopAll(nodes))
}

// compare runs a scenario on its servers in turn, writes a row for each, and judges.
func (b *bench) compare(ctx context.Context, c comparison) error {
	runs := map[string][]result{}
	for range b.rounds {
		for _, s := range c.servers {
			var r result
			used, err := s.load(ctx, c.load, &r)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			r.cpu = used
			runs[s.name] = append(runs[s.name], r)
			fmt.Fprintf(b.progress, "%s %s: %.0f %s\n", time.Now().Format(time.TimeOnly), s.name, c.of(r), c.figure)
		}
	}
	for _, s := range c.servers {
		b.report.compared = append(b.report.compared, newComparedRow(c, s.name, runs))
	}
	for _, g := range c.goals {
		ratio := c.ratio(runs, g.beside)
		b.report.judge(fmt.Sprintf("%s: %s beside %s", c.name, c.figure, g.beside), atLeast(g.least), ratio >= g.least, times(ratio))
	}
	if c.judge != nil {
		c.judge(runs)
	}
	return nil
}

// ratio is how many times the first server does what another does.
func (c comparison) ratio(runs map[string][]result, other string) float64 {
	return lab.Median(runs[c.servers[0].name], c.of) / lab.Median(runs[other], c.of)
}

// judgeSellout judges how long the slowest wait, each operation beside rowlock's usual.
func (b *bench) judgeSellout(runs map[string][]result) {
	for _, operation := range []struct{ name, shown string }{{"seats", "look"}, {"hold", "hold"}, {"pay", "pay"}} {
		p99 := lab.Median(runs[lab.Boxoffice], func(r result) float64 { _, p99 := r.percentiles(operation.name); return p99 })
		p50 := lab.Median(runs[lab.Rowlock], func(r result) float64 { p50, _ := r.percentiles(operation.name); return p50 })
		b.report.judge("sellout: p99 of "+operation.shown, fmt.Sprintf("≤ %.1f ms, rowlock's p50", p50), p99 <= p50, fmt.Sprintf("%.1f ms", p99))
	}
}

// judgeStampede judges that every seat found one holder, in every run.
func (b *bench) judgeStampede(runs map[string][]result) {
	const seats = 50
	var held []int64
	for _, r := range runs[lab.Boxoffice] {
		held = append(held, r.Held)
	}
	least, most := slices.Min(held), slices.Max(held)
	shown := fmt.Sprint(least)
	if least < most {
		shown = fmt.Sprintf("%d to %d", least, most)
	}
	b.report.judge("stampede: seats held", fmt.Sprintf("exactly %d", seats), least == seats && most == seats, shown)
}

// percentiles are an operation's, in milliseconds.
func (r result) percentiles(operation string) (p50, p99 float64) {
	for _, o := range r.Operations {
		if o.Name == operation {
			return o.P50, o.P99
		}
	}
	return 0, 0
}

// slowest is the longest of what operations have of one percentile.
func (r result) slowest(percentile func(operation) float64) float64 {
	worst := 0.0
	for _, o := range r.Operations {
		worst = max(worst, percentile(o))
	}
	return worst
}

// slowest50 is the median of the scenario's slowest operation.
func (r result) slowest50() float64 { return r.slowest(func(o operation) float64 { return o.P50 }) }

// slowest99 is the 99th percentile of the scenario's slowest operation.
func (r result) slowest99() float64 { return r.slowest(func(o operation) float64 { return o.P99 }) }
