package main

import (
	"context"
	"fmt"
	"strconv"

	"boxoffice/bench/lab"
)

// Sizes of sales.
const (
	fewSchedules  = 20 // on sale at a time
	someSchedules = 100
	manySchedules = 1000
)

// sale is a sellout with so many connections: to how many schedules they come, and how many
// times what rowlock sells the service has to sell. With few schedules several sales follow
// each other where one would be over before it can be measured.
func sale(connections int) (args []string, schedules int, goal float64) {
	var total int
	switch {
	case connections <= 1:
		schedules, total, goal = fewSchedules, fewSchedules, 1
	case connections <= 4:
		schedules, total, goal = fewSchedules, 2*fewSchedules, 1.2
	case connections <= 16:
		schedules, total, goal = fewSchedules, 4*fewSchedules, 1.5
	case connections <= 64:
		schedules, total, goal = fewSchedules, 5*fewSchedules, 2
	case connections <= 128:
		schedules, total, goal = someSchedules, someSchedules, 3
	default:
		schedules, total, goal = manySchedules, manySchedules, 3
	}
	return []string{
		"-connections", strconv.Itoa(connections), "-schedules", strconv.Itoa(total), "-at-a-time", strconv.Itoa(schedules),
	}, schedules, goal
}

// sellout compares sales with rowlock's, for each number of connections and each client.
func (b *bench) sellout(ctx context.Context) error {
	t := b.report.table("sellout: medians of boxoffice / rowlock", "connections", "schedules", "client",
		"bookings/s", "ratio", "look p50 ms", "p99", "hold p50 ms", "p99", "pay p50 ms", "p99")
	for _, connections := range b.connections {
		load, schedules, goal := sale(connections)
		for _, client := range b.clients {
			name := fmt.Sprintf("sellout, %d connections, %s", connections, client)
			all, err := b.take(ctx, contest{
				name: name, load: append(load, "-client", client, "sellout"), servers: []server{b.boxoffice(), b.rowlock()},
			})
			if err != nil {
				return err
			}
			both := func(format string, figure func(result) float64) string {
				return fmt.Sprintf(format+" / "+format, all.of(lab.Boxoffice, figure), all.of(lab.Rowlock, figure))
			}
			ratio := all.ratio(lab.Boxoffice, lab.Rowlock)
			t.add(strconv.Itoa(connections), strconv.Itoa(schedules), client, both("%.0f", result.rate), times(ratio),
				both("%.1f", p50("seats")), both("%.1f", p99("seats")), both("%.1f", p50("hold")), both("%.1f", p99("hold")),
				both("%.1f", p50("pay")), both("%.1f", p99("pay")))
			b.report.judge(name+": bookings/s beside rowlock", atLeast(goal), ratio >= goal, times(ratio))
			for _, operation := range []string{"hold", "pay"} {
				ours, theirs := all.of(lab.Boxoffice, p50(operation)), all.of(lab.Rowlock, p50(operation))
				b.report.judge(name+": median of "+operation, fmt.Sprintf("≤ %.1f ms, rowlock's", theirs), ours <= theirs, fmt.Sprintf("%.1f ms", ours))
			}
		}
	}
	return nil
}

// charges compares charges with rowlock's.
func (b *bench) charges(ctx context.Context) error {
	const goal = 3
	for _, client := range b.clients {
		all, err := b.compare(ctx, contest{
			name: "charges, " + client, load: b.forSome("-client", client, "charges"), servers: []server{b.boxoffice(), b.rowlock()},
		})
		if err != nil {
			return err
		}
		b.beside(all, "charges, "+client, lab.Rowlock, goal)
	}
	return nil
}

// stampede judges as well that every seat found one holder, in every run.
func (b *bench) stampede(ctx context.Context) error {
	const goal, seats = 3.5, 50
	all, err := b.compare(ctx, contest{name: "stampede", load: b.forSome("stampede"), servers: []server{b.boxoffice(), b.rowlock()}})
	if err != nil {
		return err
	}
	b.beside(all, "stampede", lab.Rowlock, goal)
	var held []int64
	exact := true
	for _, r := range all[lab.Boxoffice] {
		held = append(held, r.Held)
		exact = exact && r.Held == seats
	}
	b.report.judge("stampede: seats held", fmt.Sprintf("exactly %d", seats), exact, fmt.Sprint(held))
	return nil
}

// reads compares one kind of read with the bare server's.
func (b *bench) reads(name string, args ...string) func(context.Context) error {
	const goal = 0.5
	return func(ctx context.Context) error {
		all, err := b.compare(ctx, contest{name: name, load: b.forSome(args...), servers: []server{b.boxoffice(), b.bare()}})
		if err == nil {
			b.beside(all, name, lab.Bare, goal)
		}
		return err
	}
}

// threeNodes shows what it costs to be several. On one machine it is no gain: what one of
// three nodes and Postgres spend on a booking shows what separate machines would reach.
func (b *bench) threeNodes(ctx context.Context) error {
	cluster := server{"three nodes", b.lab.LoadCluster}
	_, err := b.compare(ctx, contest{
		name: "three-nodes", load: []string{"-schedules", strconv.Itoa(b.schedules), "sellout"},
		servers: []server{cluster, b.single("one node", lab.Boxoffice)},
	})
	return err
}

// forSome are arguments of a load that lasts for a fixed time.
func (b *bench) forSome(args ...string) []string {
	return append([]string{"-duration", b.duration.String()}, args...)
}

// compare takes a contest and adds a row for each server to the report's table of them.
func (b *bench) compare(ctx context.Context, c contest) (runs, error) {
	all, err := b.take(ctx, c)
	if err != nil {
		return nil, err
	}
	first := c.servers[0].name
	for _, s := range c.servers {
		ratio := ""
		if s.name != first {
			ratio = times(all.ratio(first, s.name))
		}
		b.report.addCompared(c.name, s.name, ratio, all)
	}
	return all, nil
}

// beside judges the service's rate beside another server's.
func (b *bench) beside(all runs, name, other string, goal float64) {
	ratio := all.ratio(lab.Boxoffice, other)
	b.report.judge(name+": beside "+other, atLeast(goal), ratio >= goal, times(ratio))
}
