package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"boxoffice/bench/lab"
	"boxoffice/internal/rig"
)

// Loads of an overload.
const (
	// saturatingConnections keep a node as busy as it can be, each with one request.
	saturatingConnections = 128
	// overloadConnections are far more than that. What finds all of them busy for
	// overloadPatience is given up by the client: that the node lets it wait so long.
	overloadConnections = 2048
	overloadPatience    = "100ms"
	overloadTimes       = 2 // the saturating load
	leastGoodput        = 0.8
)

// overloaded is a peak and what was left of it in the overload of the same node.
type overloaded struct{ peak, over result }

// overload finds how much a node answers when it is kept busy, and how much of that is
// left when it is asked for twice as much, whether it answers or not.
func (b *bench) overload(ctx context.Context) error {
	t := b.report.table("overload", "scenario", "load", "offered/s", "started/s", "good answers/s", "bookings/s", "shed/s", "errors",
		"p50 ms", "p99 ms", "good/s of node CPU", "CPUs: node", "Postgres", "client", "first error")
	for _, purchases := range []int{5, 100} {
		name := fmt.Sprintf("%d %% purchases", purchases)
		var pairs []overloaded
		var peaks, overs []result
		for range b.rounds {
			p, err := b.overloadOnce(ctx, purchases)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			pairs, peaks, overs = append(pairs, p), append(peaks, p.peak), append(overs, p.over)
		}
		t.add(overloadRow(name, "peak", peaks)...)
		t.add(overloadRow(name, fmt.Sprintf("%d × that", overloadTimes), overs)...)
		kept := lab.Median(pairs, func(p overloaded) float64 { return p.over.GoodPerSec / p.peak.GoodPerSec })
		perCPU := lab.Median(pairs, func(p overloaded) float64 { return p.over.goodPerNodeCPU() / p.peak.goodPerNodeCPU() })
		b.report.judge("overload, "+name+": good answers/s beside the peak", atLeast(leastGoodput), kept >= leastGoodput,
			fmt.Sprintf("%s (%s for the same CPU of the node)", times(kept), times(perCPU)))
	}
	return nil
}

func overloadRow(name, load string, all []result) []string {
	show := func(format string, figure func(result) float64) string {
		return fmt.Sprintf(format, lab.Median(all, figure))
	}
	per := func(n int64, r result) float64 { return float64(n) / r.seconds() }
	failed, first := int64(0), ""
	for _, r := range all {
		failed += r.Errors
		first = cmp.Or(first, r.FirstError)
	}
	return []string{
		name, load,
		show("%.0f", func(r result) float64 { return per(r.Offered, r) }),
		show("%.0f", result.startedPerSec),
		show("%.0f", func(r result) float64 { return r.GoodPerSec }),
		show("%.0f", func(r result) float64 { return r.BookedPerSec }),
		show("%.0f", func(r result) float64 { return per(r.Shed, r) }),
		strconv.FormatInt(failed, 10), show("%.1f", p50("")), show("%.1f", p99("")), show("%.0f", result.goodPerNodeCPU),
		show("%.2f", func(r result) float64 { return r.cpu.Nodes.Seconds() / r.seconds() }),
		show("%.2f", func(r result) float64 { return r.cpu.Postgres.Seconds() / r.seconds() }),
		show("%.2f", func(r result) float64 { return r.cpu.Client.Seconds() / r.seconds() }), first,
	}
}

// overloadOnce measures a peak and an overload on one node that was just started.
func (b *bench) overloadOnce(ctx context.Context, purchases int) (p overloaded, err error) {
	if err := b.lab.Renew(ctx); err != nil {
		return p, err
	}
	node, err := b.lab.Start(ctx, lab.Boxoffice)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, node.Stop(rig.StopLimit)) }()
	duration := b.duration
	if purchases == 100 {
		duration /= 2 // or the seats of a thousand schedules would be sold before it is over
	}
	load := func(into *result, connections int, args ...string) error {
		all := append([]string{
			"-schedules", strconv.Itoa(b.schedules), "-duration", duration.String(),
			"-purchases", strconv.Itoa(purchases), "-connections", strconv.Itoa(connections),
		}, args...)
		used, err := b.lab.Measure(ctx, []*lab.Server{node}, all, into)
		into.cpu = used
		if err != nil {
			return err
		}
		return b.checkSeatsLeft(*into, purchases)
	}
	if err := load(&p.peak, saturatingConnections, "mixed"); err != nil {
		return p, fmt.Errorf("peak: %w", err)
	}
	rate := max(1, int(overloadTimes*p.peak.startedPerSec()))
	err = load(&p.over, overloadConnections, "-rate", strconv.Itoa(rate), "-patience", overloadPatience, "steady")
	return p, err
}

// checkSeatsLeft fails where purchases could run out of seats: then they are looks, which
// are cheap.
func (b *bench) checkSeatsLeft(r result, purchases int) error {
	const seats = 50
	wanted := r.Started * int64(purchases) / 100
	most := int64(b.schedules) * seats
	if purchases < 100 {
		most = most * 9 / 10 // chance may have made more of them
	}
	if wanted > most {
		return fmt.Errorf("%d schedules do not last for %d purchases: give more -schedules or a shorter -duration", b.schedules, wanted)
	}
	return nil
}

// startedPerSec is how many polls, looks and purchases were started.
func (r result) startedPerSec() float64 { return float64(r.Started) / r.seconds() }

// goodPerNodeCPU is the number of good answers per second of the node's processor time: on
// a machine that the client shares, it distinguishes what the client takes away from
// collapse.
func (r result) goodPerNodeCPU() float64 { return r.GoodPerSec * r.seconds() / r.cpu.Nodes.Seconds() }
