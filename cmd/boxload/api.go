package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"boxoffice/internal/apiclient"
)

// requestTimeout is when a request counts as failed. It is longer than any answer that a
// node gives, retries between nodes included.
const requestTimeout = 15 * time.Second

// retryPause is how long the preparation waits if a node is too busy.
const retryPause = 100 * time.Millisecond

// checkersPerNode are the workers that check afterwards what is sold.
const checkersPerNode = 8

// The available clients.
const (
	// fastClient writes and reads HTTP itself. On a machine that the nodes share, net/http
	// costs as much as the nodes do for what they answer from memory: it would be measured.
	fastClient  = "fast"
	plainClient = "net/http"
)

// api is the nodes' API.
type api struct {
	addresses  []string
	adminToken string
	calls      []*call // of each worker, which take turns over the nodes
	plain      *apiclient.Client
}

func newAPI(o options) *api {
	a := &api{addresses: o.addresses, adminToken: o.adminToken}
	a.calls = make([]*call, max(o.connections, checkersPerNode*len(a.addresses)))
	if o.client == plainClient {
		a.plain = apiclient.New(len(a.calls), requestTimeout)
	}
	writers := newWriters()
	for i := range a.calls {
		address := a.addresses[i%len(a.addresses)]
		c := &call{api: a, connection: &fastConnection{address: address, writers: writers}}
		if a.plain != nil {
			c.connection = &plainConnection{base: "http://" + address, client: a.plain}
		}
		a.calls[i] = c
	}
	return a
}

func (a *api) close() {
	for _, c := range a.calls {
		c.close()
	}
	if a.plain != nil {
		a.plain.Close()
	}
}

// connection is what one worker sends its requests on, one after the other.
type connection interface {
	// send sends a request and returns the status of its answer. header and body are of that
	// answer, until the next request; after an error there is none.
	send(method, path string, body []byte, headers []string) (status int, err error)
	// header returns a header field, whose name is as net/http spells it; "" if there is none.
	header(name string) string
	body() []byte
	close()
}

// call is a connection and the last request on it.
type call struct {
	connection
	api          *api
	method, path string
}

// do sends a request and returns the status of its answer.
func (c *call) do(method, path string, body []byte, headers ...string) (int, error) {
	c.method, c.path = method, path
	status, err := c.send(method, path, body, headers)
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return status, nil
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
		if (status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests) && time.Now().Before(deadline) {
			<-time.After(retryPause)
			continue
		}
		if status != want && (want != http.StatusCreated || status != http.StatusOK) {
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

// errUnexpected is a status that a scenario does not expect.
var errUnexpected = errors.New("unexpected answer")

func (c *call) unexpected(status int) error {
	return fmt.Errorf("%w: %s %s: %d: %s", errUnexpected,
		c.method, c.path, status, bytes.TrimSpace(c.body()))
}
