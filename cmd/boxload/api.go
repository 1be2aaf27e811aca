package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// requestTimeout is when a request counts as failed. It is longer than any answer that a
// node gives, retries between nodes included.
const requestTimeout = 15 * time.Second

// dialTimeout is when a node that does not accept counts as away.
const dialTimeout = 5 * time.Second

// idleLimit is how long a connection without a request is trusted: less than any node
// keeps one.
const idleLimit = 10 * time.Second

// retryPause is how long the preparation waits where a node is too busy.
const retryPause = 100 * time.Millisecond

// checkersPerNode are the workers that check afterwards what is sold.
const checkersPerNode = 8

// api is the nodes' API.
type api struct {
	addresses  []string
	adminToken string
	calls      []*call   // of each worker, which take turns over the nodes
	writers    sync.Pool // of *bufio.Writer
}

func newAPI(o options) *api {
	a := &api{addresses: o.addresses, adminToken: o.adminToken}
	a.writers.New = func() any { return bufio.NewWriter(nil) }
	a.calls = make([]*call, max(o.connections, checkersPerNode*len(a.addresses)))
	for i := range a.calls {
		a.calls[i] = &call{api: a, address: a.addresses[i%len(a.addresses)]}
	}
	return a
}

func (a *api) close() {
	for _, c := range a.calls {
		c.disconnect()
	}
}

// call is a connection to a node, and the last request on it with its answer. Of thousands
// of connections nearly all wait, and what they hold meanwhile decides whether a client
// fits the processor's caches: a request is made in memory that others have just used, and
// memory for the answer is taken when it comes.
type call struct {
	api      *api
	address  string
	conn     net.Conn // nil: there is none
	reader   *bufio.Reader
	usedAt   time.Time
	method   string
	path     string
	response *fasthttp.Response // nil: there is none
}

// do sends a request and gives the status of its answer.
func (c *call) do(method, path string, body []byte, headers ...string) (int, error) {
	if c.response != nil {
		fasthttp.ReleaseResponse(c.response)
		c.response = nil
	}
	c.method, c.path = method, path
	if err := c.exchange(body, headers); err != nil {
		c.disconnect()
		return 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if c.response.ConnectionClose() {
		c.disconnect()
	}
	return c.response.StatusCode(), nil
}

func (c *call) exchange(body []byte, headers []string) error {
	if err := c.connect(); err != nil {
		return err
	}
	if err := c.conn.SetDeadline(c.usedAt.Add(requestTimeout)); err != nil {
		return err
	}
	if err := c.send(body, headers); err != nil {
		return err
	}
	if _, err := c.reader.Peek(1); err != nil {
		return err
	}
	response := fasthttp.AcquireResponse()
	response.Header.DisableNormalizing()
	if err := response.Read(c.reader); err != nil {
		return err
	}
	c.response = response
	return nil
}

// connect connects where there is no connection, or one that the node may be about to close.
func (c *call) connect() error {
	now := time.Now()
	if now.Sub(c.usedAt) > idleLimit {
		c.disconnect()
	}
	c.usedAt = now
	if c.conn != nil {
		return nil
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(context.Background(), "tcp", c.address) // a request is bounded by its timeout
	if err != nil {
		return err
	}
	c.conn = conn
	c.reader = bufio.NewReader(c.conn)
	return nil
}

func (c *call) send(body []byte, headers []string) error {
	request := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(request)
	request.Header.SetMethod(c.method)
	request.SetRequestURI(c.path)
	request.SetHost(c.address)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	if body != nil {
		request.Header.SetContentType("application/json")
		request.SetBodyRaw(body)
	}
	writer := c.api.writers.Get().(*bufio.Writer) //nolint:forcetypeassert // there is nothing else in it
	defer c.api.writers.Put(writer)
	writer.Reset(c.conn)
	if err := request.Write(writer); err != nil {
		return err
	}
	return writer.Flush()
}

// header gives a header field of the last answer, "" if there is none. Names are as
// net/http spells them.
func (c *call) header(name string) string {
	if c.response == nil {
		return ""
	}
	return string(c.response.Header.Peek(name))
}

// body gives the body of the last answer, until the next request.
func (c *call) body() []byte {
	if c.response == nil {
		return nil
	}
	return c.response.Body()
}

func (c *call) disconnect() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing is on its way
		c.conn, c.reader = nil, nil
	}
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
			return fmt.Errorf("%s %s: %d instead of %d: %s", method, path, status, want, bytes.TrimSpace(c.body()))
		}
		if into == nil {
			return nil
		}
		if err := json.Unmarshal(c.body(), into); err != nil {
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
		c.method, c.path, status, bytes.TrimSpace(c.body()))
}
