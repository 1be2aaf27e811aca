package main

import (
	"context"
	"fmt"
	"time"

	"boxoffice/bench/lab"
)

// server is what boxload is let loose on.
type server struct {
	name string
	load func(ctx context.Context, args []string, report any) (lab.CPU, error)
}

// single is one server by itself.
func (b *bench) single(name, program string) server {
	return server{name, func(ctx context.Context, args []string, report any) (lab.CPU, error) {
		return b.lab.Load(ctx, program, nil, args, report)
	}}
}

func (b *bench) boxoffice() server { return b.single(lab.Boxoffice, lab.Boxoffice) }
func (b *bench) rowlock() server   { return b.single(lab.Rowlock, lab.Rowlock) }
func (b *bench) bare() server      { return b.single(lab.Bare, lab.Bare) }

// contest is one load on several servers, the first of which is the one that is judged.
type contest struct {
	name    string
	load    []string // arguments of boxload
	servers []server
}

// runs are what servers reached, a result for each round.
type runs map[string][]result

// take lets the servers of a contest take turns.
func (b *bench) take(ctx context.Context, c contest) (runs, error) {
	all := runs{}
	for range b.rounds {
		for _, s := range c.servers {
			var r result
			used, err := s.load(ctx, c.load, &r)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			r.cpu = used
			all[s.name] = append(all[s.name], r)
			fmt.Fprintf(b.progress, "%s %s, %s: %.0f/s\n", time.Now().Format(time.TimeOnly), c.name, s.name, r.rate())
		}
	}
	return all, nil
}

// of is the median of a figure of one server.
func (all runs) of(server string, figure func(result) float64) float64 {
	return lab.Median(all[server], figure)
}

// ratio is how many times the rate of a server another one reaches.
func (all runs) ratio(server, beside string) float64 {
	return all.of(server, result.rate) / all.of(beside, result.rate)
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

// rate is what a run is judged by: bookings per second, or answers where nothing is booked.
func (r result) rate() float64 {
	if r.BookedPerSec > 0 {
		return r.BookedPerSec
	}
	return r.AnswersPerSec
}

// seconds is how long the load was on.
func (r result) seconds() float64 { return r.TimeOverAt.Sub(r.StartedAt).Seconds() }

// p50 is the median of an operation, in milliseconds; of "", that of the slowest one.
func p50(name string) func(result) float64 {
	return func(r result) float64 { return r.slowest(name, func(o operation) float64 { return o.P50 }) }
}

// p99 is the same of the 99th percentile.
func p99(name string) func(result) float64 {
	return func(r result) float64 { return r.slowest(name, func(o operation) float64 { return o.P99 }) }
}

func (r result) slowest(name string, percentile func(operation) float64) float64 {
	worst := 0.0
	for _, o := range r.Operations {
		if name == "" || o.Name == name {
			worst = max(worst, percentile(o))
		}
	}
	return worst
}

// microsecondsEach is the processor time that went into one of what is counted.
func microsecondsEach(used func(lab.CPU) time.Duration) func(result) float64 {
	return func(r result) float64 { return used(r.cpu).Seconds() * 1e6 / (r.rate() * r.seconds()) }
}
