package main

import (
	"bufio"
	"context"
	"net"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// dialTimeout is how long a node may take to accept a connection.
const dialTimeout = 5 * time.Second

// idleLimit is how long a connection without a request is trusted: less than any node
// keeps one.
const idleLimit = 10 * time.Second

// fastConnection is a connection to a node, with the last answer on it. Of thousands
// of connections nearly all wait, and what they hold meanwhile decides whether a client
// fits the processor's caches: a request is made in memory that others have just used, and
// memory for the answer is taken when it comes.
type fastConnection struct {
	address  string
	writers  *sync.Pool // of *bufio.Writer
	conn     net.Conn   // nil: there is none
	reader   *bufio.Reader
	usedAt   time.Time
	response *fasthttp.Response // nil: there is none
}

func newWriters() *sync.Pool { return &sync.Pool{New: func() any { return bufio.NewWriter(nil) }} }

func (c *fastConnection) send(method, path string, body []byte, headers []string) (int, error) {
	if c.response != nil {
		fasthttp.ReleaseResponse(c.response)
		c.response = nil
	}
	if err := c.exchange(method, path, body, headers); err != nil {
		c.close()
		return 0, err
	}
	if c.response.ConnectionClose() {
		c.close()
	}
	return c.response.StatusCode(), nil
}

func (c *fastConnection) exchange(method, path string, body []byte, headers []string) error {
	if err := c.connect(); err != nil {
		return err
	}
	if err := c.conn.SetDeadline(c.usedAt.Add(requestTimeout)); err != nil {
		return err
	}
	if err := c.write(method, path, body, headers); err != nil {
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
func (c *fastConnection) connect() error {
	now := time.Now()
	if now.Sub(c.usedAt) > idleLimit {
		c.close()
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

func (c *fastConnection) write(method, path string, body []byte, headers []string) error {
	request := fasthttp.AcquireRequest()
	defer fasthttp.ReleaseRequest(request)
	request.Header.SetMethod(method)
	request.SetRequestURI(path)
	request.SetHost(c.address)
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	if body != nil {
		request.Header.SetContentType("application/json")
		request.SetBodyRaw(body)
	}
	writer := c.writers.Get().(*bufio.Writer) //nolint:forcetypeassert // there is nothing else in it
	defer c.writers.Put(writer)
	writer.Reset(c.conn)
	if err := request.Write(writer); err != nil {
		return err
	}
	return writer.Flush()
}

func (c *fastConnection) header(name string) string {
	if c.response == nil {
		return ""
	}
	return string(c.response.Header.Peek(name))
}

func (c *fastConnection) body() []byte {
	if c.response == nil {
		return nil
	}
	return c.response.Body()
}

func (c *fastConnection) close() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing is on its way
		c.conn, c.reader = nil, nil
	}
}
