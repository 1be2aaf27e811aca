package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"boxoffice/internal/apiclient"
)

// startNode starts a node of the service, with profiles.
func (b *bench) startNode(ctx context.Context) (*node, error) {
	server, debug, err := b.lab.StartProfiled(ctx,
		"BOXOFFICE_NATS_URL="+b.nats.URL, "BOXOFFICE_JWT_KEY="+b.keyPEM,
		"BOXOFFICE_QUEUE_MAX_WAITING=10000000", "BOXOFFICE_CLAIM_TTL="+busyClaimTTL.String())
	if err != nil {
		return nil, err
	}
	return &node{Server: server, debug: debug, client: newClient(server.URL, max(b.connections, b.joining))}, nil
}

// startNodes starts two nodes and reports how much of their memory the long line takes: the
// heap in use after a collection, before and after they know of it.
func (b *bench) startNodes(ctx context.Context) (err error) {
	if b.owner, err = b.startNode(ctx); err != nil {
		return err
	}
	if b.other, err = b.startNode(ctx); err != nil {
		return err
	}
	if err := b.await(ctx, 10*time.Second, func() error {
		for _, n := range []*node{b.owner, b.other} {
			if members, err := n.metric(ctx, "boxoffice_cluster_members"); err != nil || members != 2 {
				return fmt.Errorf("a node knows of %v members: %w", members, err)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	before := map[*node]float64{}
	for _, n := range []*node{b.owner, b.other} {
		if before[n], err = n.heap(ctx); err != nil {
			return err
		}
	}
	for _, n := range []*node{b.owner, b.other} {
		if err := n.want(ctx, http.StatusOK, get(queuePath(b.longLine)), nil); err != nil {
			return err
		}
	}
	if waiting, err := b.owner.metric(ctx, "boxoffice_places_waiting"); err != nil {
		return err
	} else if int(waiting) < b.waiting {
		b.owner, b.other = b.other, b.owner
	}
	for n, role := range map[*node]string{b.owner: "owner", b.other: "other"} {
		after, err := n.heap(ctx)
		if err != nil {
			return err
		}
		goal := "≤ 20 MB"
		if role == "owner" {
			goal = "≤ 200 MB"
		}
		measured := "below 1 MB" // within what collections leave
		if used := (after - before[n]) / (1 << 20); used >= 1 {
			measured = fmt.Sprintf("%.0f MB", used)
		}
		b.note(fmt.Sprintf("memory of a line of %d, %s node", b.waiting, role), goal, "%s", measured)
	}
	// From here on people are let into the busy line.
	return b.other.want(ctx, http.StatusOK, get(queuePath(b.busyLine)), nil)
}

func queuePath(scheduleID int64) string {
	return "/api/v1/schedules/" + strconv.FormatInt(scheduleID, 10) + "/queue"
}
func tokensPath(scheduleID int64) string { return queuePath(scheduleID) + "-tokens" }

var heapInUse = regexp.MustCompile(`(?m)^# HeapInuse = (\d+)$`)

func get(path string) apiclient.Request { return apiclient.Request{Method: http.MethodGet, URL: path} }

// heap is the heap in use after a collection, in bytes.
func (n *node) heap(ctx context.Context) (float64, error) {
	c := newClient("http://"+n.debug, 0)
	return c.number(ctx, "/debug/pprof/heap?gc=1&debug=1", heapInUse)
}

// metric reads one of the node's metrics.
func (n *node) metric(ctx context.Context, name string) (float64, error) {
	return n.number(ctx, "/metrics", regexp.MustCompile(`(?m)^`+name+` (\S+)$`))
}

// number reads a number out of a text.
func (c *client) number(ctx context.Context, path string, pattern *regexp.Regexp) (float64, error) {
	answer, err := c.do(ctx, get(path))
	if err != nil {
		return 0, err
	}
	found := pattern.FindSubmatch(answer.Body)
	if found == nil {
		return 0, fmt.Errorf("%s has nothing like %s", path, pattern)
	}
	return strconv.ParseFloat(string(found[1]), 64)
}

// await tries again and again until it succeeds.
func (b *bench) await(ctx context.Context, limit time.Duration, try func() error) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(limit); ; {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-ticker.C:
		}
	}
}
