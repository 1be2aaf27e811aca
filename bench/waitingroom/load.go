package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"boxoffice/bench/lab"
	"boxoffice/internal/apiclient"
)

// place is what these measurements look at of a place.
type place struct {
	Token    string `json:"token"`
	Status   string `json:"status"`
	Position int    `json:"position"`
}

// join is somebody's request for a place in a line, or for the one that they have.
func join(line int64, p *person) apiclient.Request {
	return apiclient.Request{Method: http.MethodPost, URL: tokensPath(line), AccessToken: p.accessToken}
}

// poll is somebody's request for where they stand.
func poll(line int64, p *person) apiclient.Request {
	return apiclient.Request{Method: http.MethodGet, URL: tokensPath(line) + "/me", QueueToken: p.queueToken}
}

// findPollers returns those who will poll the tokens of their places: joining again returns
// the place that somebody has.
func (b *bench) findPollers(ctx context.Context) error {
	for _, line := range []struct {
		id     int64
		people []*person
	}{{b.shortLine, b.short}, {b.longLine, b.long}} {
		for _, p := range line.people {
			var found place
			if err := b.other.want(ctx, http.StatusOK, join(line.id, p), &found); err != nil {
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
	sample, err := b.other.do(ctx, poll(b.longLine, b.long[0]))
	if err != nil {
		return err
	}
	size := len(sample.Body)
	bare, err := b.lab.Start(ctx, lab.Bare, "PLACE_BYTES="+strconv.Itoa(size))
	if err != nil {
		return err
	}
	defer bare.Kill() // it holds nothing
	floor := newClient(bare.URL, b.connections)
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
			measured, err := turn.client.crowd(ctx, b.connections, b.duration, http.StatusOK, func(n int64) (apiclient.Request, bool) {
				return poll(turn.line, turn.people[n%int64(len(turn.people))]), true
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
	joined, err := b.other.crowd(ctx, b.joining, 0, http.StatusCreated, func(n int64) (r apiclient.Request, more bool) {
		if n >= int64(len(people)) {
			return r, false
		}
		return join(b.httpLine, people[n]), true
	})
	if err != nil {
		return err
	}
	b.note("durable joins into one line over HTTP", "≥ 5 000/s", "%.0f/s, p99 %s", joined.perSecond, joined.p99.Round(100*time.Microsecond))
	return nil
}

// loseOwner kills the node that owns the long line and asks the other one until the line is
// back: joining again needs the gatekeeper, and returns the place that was there.
func (b *bench) loseOwner(ctx context.Context) error {
	began := time.Now()
	b.owner.Kill()
	b.owner.client.close()
	b.owner = nil
	for i, p := range b.long {
		if err := b.await(ctx, time.Minute, func() error {
			var found place
			err := b.other.want(ctx, http.StatusOK, join(b.longLine, p), &found)
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
		if err := b.other.want(ctx, http.StatusOK, poll(b.longLine, p), &found); err != nil {
			return err
		}
		if found.Position != p.position {
			wrong++
		}
	}
	b.note(fmt.Sprintf("positions that changed by it, of %d", len(b.long)), "0", "%d", wrong)
	return nil
}
