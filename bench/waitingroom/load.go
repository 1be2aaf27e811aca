package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"boxoffice/bench/lab"
)

// place is what these measurements look at of a place.
type place struct {
	Token    string `json:"token"`
	Status   string `json:"status"`
	Position int    `json:"position"`
}

// findPollers gives those who will poll the tokens of their places: joining again gives
// the place that somebody has.
func (b *bench) findPollers(context.Context) error {
	for _, line := range []struct {
		id     int64
		people []*person
	}{{b.shortLine, b.short}, {b.longLine, b.long}} {
		for _, p := range line.people {
			var found place
			if err := b.other.want(http.StatusOK, "POST", tokensPath(line.id), nil, &found, "Authorization", bearer(p.accessToken)); err != nil {
				return err
			}
			if found.Position != p.position {
				return fmt.Errorf("position %d instead of %d", found.Position, p.position)
			}
			p.queueToken = found.Token
		}
	}
	return nil
}

// polls compares, in turns, polls of the long and of the short line with a bare handler
// whose answers are as long.
func (b *bench) polls(ctx context.Context) error {
	sample := &call{client: b.other.client}
	if _, err := sample.do("GET", tokensPath(b.longLine)+"/me", nil, "Queue-Token", b.long[0].queueToken); err != nil {
		return err
	}
	size := len(sample.response.Body())
	bare, err := b.lab.Start(ctx, lab.Bare, "-place-bytes", strconv.Itoa(size))
	if err != nil {
		return err
	}
	defer func() { _ = bare.Stop() }() // it holds nothing
	floor := newClient(bare.Address, b.connections)
	defer floor.close()
	before, err := b.other.metric(ctx, `boxoffice_edge_answers_total\{by="grain",kind="gatekeeper"\}`)
	if err != nil {
		b.say("  %v", err)
	}
	var bares, longs, shorts []load
	for range b.rounds {
		for _, turn := range []struct {
			client *client
			line   int64
			people []*person
			into   *[]load
		}{{floor, b.longLine, b.long, &bares}, {b.other.client, b.longLine, b.long, &longs}, {b.other.client, b.shortLine, b.short, &shorts}} {
			path := tokensPath(turn.line) + "/me"
			measured, err := turn.client.crowd(ctx, b.connections, b.duration, func(c *call, n int64) (bool, error) {
				status, err := c.do("GET", path, nil, "Queue-Token", turn.people[n%int64(len(turn.people))].queueToken)
				if err == nil && status != http.StatusOK {
					err = fmt.Errorf("a poll was answered with %d: %s", status, c.response.Body())
				}
				return true, err
			})
			if err != nil {
				return err
			}
			*turn.into = append(*turn.into, measured)
		}
	}
	perSecond := func(l load) float64 { return l.perSecond }
	p99 := func(l load) float64 { return l.p99.Seconds() * 1000 }
	long, bareRate := lab.Median(longs, perSecond), lab.Median(bares, perSecond)
	b.note(fmt.Sprintf("polls with %d waiting, beside a bare handler (%d bytes)", b.waiting, size), "≥ 0.6 ×",
		"%.0f/s and %.0f/s: %.2f ×", long, bareRate, long/bareRate)
	b.note("p99 of these", "≤ 3 ×", "%.2f ms and %.2f ms: %.2f ×", lab.Median(longs, p99), lab.Median(bares, p99), lab.Median(longs, p99)/lab.Median(bares, p99))
	b.note(fmt.Sprintf("cost of a poll, from %d to %d waiting", shortWaiting, b.waiting), "≤ 1.3 ×", "%.2f ×", lab.Median(shorts, perSecond)/long)
	if after, err := b.other.metric(ctx, `boxoffice_edge_answers_total\{by="grain",kind="gatekeeper"\}`); err == nil {
		b.note("of these polls, answered by the grain", "0", "%.0f", after-before)
	}
	return nil
}

// joinsOverHTTP lets registered people join, each on the first request that their node
// ever gets of them.
func (b *bench) joinsOverHTTP(ctx context.Context) error {
	people := make([]*person, b.httpJoins)
	for i := range people {
		people[i] = &person{id: uuid.New()}
	}
	if err := b.register(ctx, people); err != nil {
		return err
	}
	path := tokensPath(b.httpLine)
	joined, err := b.other.crowd(ctx, b.joining, 0, func(c *call, n int64) (bool, error) {
		if n >= int64(len(people)) {
			return false, nil
		}
		status, err := c.do("POST", path, nil, "Authorization", bearer(people[n].accessToken))
		if err == nil && status != http.StatusCreated {
			err = fmt.Errorf("a join was answered with %d: %s", status, c.response.Body())
		}
		return true, err
	})
	if err != nil {
		return err
	}
	b.note("durable joins into one line over HTTP", "≥ 5 000/s", "%.0f/s, p99 %s", joined.perSecond, joined.p99.Round(100*time.Microsecond))
	return nil
}

// loseOwner kills the node that owns the long line and asks the other one until the line
// is back: joining again needs the gatekeeper, and gives the place that was there.
func (b *bench) loseOwner(ctx context.Context) error {
	began := time.Now()
	b.owner.Kill()
	b.owner.client.close()
	b.owner = nil
	for i, p := range b.long {
		if err := b.await(ctx, time.Minute, func() error {
			var found place
			err := b.other.want(http.StatusOK, "POST", tokensPath(b.longLine), nil, &found, "Authorization", bearer(p.accessToken))
			if err == nil && found.Token != p.queueToken {
				return fmt.Errorf("another place was given: %+v", found)
			}
			return err
		}); err != nil {
			return err
		}
		if i == 0 {
			b.note(fmt.Sprintf("recovery of %d waiting after kill -9", b.waiting), "≤ 5 s", "%.2f s", time.Since(began).Seconds())
		}
	}
	wrong := 0
	for _, p := range b.long {
		var found place
		if err := b.other.want(http.StatusOK, "GET", tokensPath(b.longLine)+"/me", nil, &found, "Queue-Token", p.queueToken); err != nil {
			return err
		}
		if found.Position != p.position {
			wrong++
		}
	}
	b.note(fmt.Sprintf("positions that changed by it, of %d", len(b.long)), "0", "%d", wrong)
	return nil
}
