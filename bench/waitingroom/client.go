package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/valyala/fasthttp"
	"golang.org/x/sync/errgroup"
)

// requestTimeout is when a request has failed.
const requestTimeout = 15 * time.Second

// client calls one server. It is safe for concurrent use.
type client struct{ host *fasthttp.HostClient }

func newClient(address string, connections int) *client {
	return &client{&fasthttp.HostClient{
		Addr: address,
		Dial: func(address string) (net.Conn, error) {
			return (&net.Dialer{Timeout: requestTimeout}).DialContext(context.Background(), "tcp", address) // fasthttp has no other
		},
		MaxConns: connections + 1, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout,
		MaxIdemponentCallAttempts: 1, NoDefaultUserAgentHeader: true,
		DisableHeaderNamesNormalizing: true, DisablePathNormalizing: true,
	}}
}

func (c *client) close() { c.host.CloseIdleConnections() }

// call is one request and its answer; a worker uses one again and again.
type call struct {
	client   *client
	request  fasthttp.Request
	response fasthttp.Response
}

// do sends a request and gives the status of its answer.
func (c *call) do(method, path string, body []byte, headers ...string) (int, error) {
	c.request.Reset()
	c.request.Header.SetMethod(method)
	c.request.SetRequestURI(path)
	c.request.SetHost(c.client.host.Addr)
	for i := 0; i+1 < len(headers); i += 2 {
		c.request.Header.Set(headers[i], headers[i+1])
	}
	if body != nil {
		c.request.Header.SetContentType("application/json")
		c.request.SetBodyRaw(body)
	}
	if err := c.client.host.DoTimeout(&c.request, &c.response, requestTimeout); err != nil {
		return 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return c.response.StatusCode(), nil
}

// want is do for requests that must be answered so; the answer goes into into.
func (c *client) want(want int, method, path string, body []byte, into any, headers ...string) error {
	request := &call{client: c}
	status, err := request.do(method, path, body, headers...)
	if err != nil {
		return err
	}
	if status != want {
		return fmt.Errorf("%s %s: %d instead of %d: %s", method, path, status, want, request.response.Body())
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(request.response.Body(), into)
}

// load is what a crowd of connections got.
type load struct {
	perSecond float64
	p99       time.Duration
}

// crowd sends requests on many connections, each as soon as the one before was answered,
// until the time is over (or, with no time, until each says that there are no more).
func (c *client) crowd(
	ctx context.Context, connections int, duration time.Duration, each func(c *call, n int64) (more bool, err error),
) (load, error) {
	var next atomic.Int64
	times := make([]*hdrhistogram.Histogram, connections)
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i := range connections {
		times[i] = hdrhistogram.New(1, requestTimeout.Microseconds(), 3)
		group.Go(func() error {
			request := &call{client: c}
			for ctx.Err() == nil && (duration == 0 || time.Since(began) < duration) {
				sent := time.Now()
				more, err := each(request, next.Add(1)-1)
				if err != nil || !more {
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
