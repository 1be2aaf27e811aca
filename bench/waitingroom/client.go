package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sync/errgroup"

	"boxoffice/internal/apiclient"
)

// requestTimeout is when a request has failed.
const requestTimeout = 15 * time.Second

// client calls one server. It is safe for concurrent use.
type client struct {
	base string // URL
	api  *apiclient.Client
}

func newClient(base string, connections int) *client {
	return &client{base, apiclient.New(connections, requestTimeout)}
}

func (c *client) close() { c.api.Close() }

// do sends a request, whose path is in URL.
func (c *client) do(ctx context.Context, r apiclient.Request) (apiclient.Response, error) {
	r.URL = c.base + r.URL
	return c.api.Do(ctx, r)
}

// want is do for requests that must be answered so; the answer goes into into.
func (c *client) want(ctx context.Context, want int, r apiclient.Request, into any) error {
	answer, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	if answer.Status != want {
		return fmt.Errorf("%s %s: %d instead of %d: %s", r.Method, r.URL, answer.Status, want, answer.Body)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer.Body, into)
}

// load is what a crowd of connections got.
type load struct {
	perSecond float64
	p99       time.Duration
}

// crowd sends requests on many connections, each as soon as the one before was answered,
// until the time is over (or, with no time, until there are no more), and wants each answered
// with a status.
func (c *client) crowd(
	ctx context.Context, connections int, duration time.Duration, status int, request func(n int64) (r apiclient.Request, more bool),
) (load, error) {
	var next atomic.Int64
	times := make([]*hdrhistogram.Histogram, connections)
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i := range connections {
		times[i] = hdrhistogram.New(1, requestTimeout.Microseconds(), 3)
		group.Go(func() error {
			for ctx.Err() == nil && (duration == 0 || time.Since(began) < duration) {
				r, more := request(next.Add(1) - 1)
				if !more {
					return nil
				}
				sent := time.Now()
				if err := c.want(ctx, status, r, nil); err != nil {
					return err
				}
				_ = times[i].RecordValue(time.Since(sent).Microseconds()) // no request takes longer
			}
			return ctx.Err()
		})
	}
	err := group.Wait()
	took := time.Since(began)
	all := times[0]
	for _, t := range times[1:] {
		all.Merge(t)
	}
	return load{
		perSecond: float64(all.TotalCount()) / took.Seconds(),
		p99:       time.Duration(all.ValueAtQuantile(99)) * time.Microsecond,
	}, err
}
