package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"boxoffice/cmd/internal/rawconn"
)

// requestTimeout is when a request counts as failed. It is longer than any answer that a
// node gives, retries between nodes included.
const requestTimeout = 15 * time.Second

// dialTimeout is when a node that does not accept counts as away.
const dialTimeout = 5 * time.Second

// retryPause is how long the preparation waits where a node is too busy.
const retryPause = 100 * time.Millisecond

// api calls the nodes. It is safe for concurrent use.
type api struct {
	nodes      []*fasthttp.HostClient
	adminToken string
}

func newAPI(o options) *api {
	a := &api{adminToken: o.adminToken}
	for _, address := range o.addresses {
		a.nodes = append(a.nodes, &fasthttp.HostClient{
			Addr:                          address,
			Dial:                          dial,
			MaxConns:                      o.connections + 1,
			ReadTimeout:                   requestTimeout,
			WriteTimeout:                  requestTimeout,
			MaxIdemponentCallAttempts:     1, // a retry would hide what is measured
			NoDefaultUserAgentHeader:      true,
			DisableHeaderNamesNormalizing: true,
			DisablePathNormalizing:        true,
		})
	}
	return a
}

// dial needs none of the caches of fasthttp's own dialer.
func dial(address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(context.Background(), "tcp", address) // fasthttp has no other
	if err != nil {
		return nil, err
	}
	return rawconn.Wrap(conn), nil
}

func (a *api) close() {
	for _, node := range a.nodes {
		node.CloseIdleConnections()
	}
}

// call is one request, and its answer once it was sent. A worker keeps one and uses it
// again and again.
type call struct {
	api      *api
	worker   int // chooses the node
	request  fasthttp.Request
	response fasthttp.Response
}

func (a *api) newCall(worker int) *call { return &call{api: a, worker: worker} }

// do sends a request and gives the status of its answer.
func (c *call) do(method, path string, body []byte, headers ...string) (int, error) {
	c.request.Reset()
	c.request.Header.SetMethod(method)
	c.request.SetRequestURI(path)
	c.request.SetHost(c.api.nodes[0].Addr)
	for i := 0; i+1 < len(headers); i += 2 {
		c.request.Header.Set(headers[i], headers[i+1])
	}
	if body != nil {
		c.request.Header.SetContentType("application/json")
		c.request.SetBodyRaw(body)
	}
	node := c.api.nodes[c.worker%len(c.api.nodes)]
	// The client's own timeouts bound it: those of a request would cost a timer and a copy.
	if err := node.Do(&c.request, &c.response); err != nil {
		return 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return c.response.StatusCode(), nil
}

// want is do for requests of the preparation: any other status than want is an error,
// and 503 and 429 are tried again as the contract allows.
func (c *call) want(want int, method, path string, body any, into any, headers ...string) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	for deadline := time.Now().Add(time.Minute); ; {
		status, err := c.do(method, path, data, headers...)
		if err != nil {
			return err
		}
		if (status == fasthttp.StatusServiceUnavailable || status == fasthttp.StatusTooManyRequests) && time.Now().Before(deadline) {
			<-time.After(retryPause)
			continue
		}
		if status != want && (want != fasthttp.StatusCreated || status != fasthttp.StatusOK) {
			return fmt.Errorf("%s %s: %d instead of %d: %s", method, path, status, want, bytes.TrimSpace(c.response.Body()))
		}
		if into == nil {
			return nil
		}
		if err := json.Unmarshal(c.response.Body(), into); err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		return nil
	}
}

func bearer(token string) string { return "Bearer " + token }

func itoa[T ~int | ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }

// errUnexpected is a status that a scenario has no place for.
var errUnexpected = errors.New("unexpected answer")

func (c *call) unexpected(status int) error {
	return fmt.Errorf("%w: %s %s: %d: %s", errUnexpected,
		c.request.Header.Method(), c.request.RequestURI(), status, bytes.TrimSpace(c.response.Body()))
}
