// Package apiclient calls the service's HTTP API with net/http: for tests, the chaos harness,
// the benchmarks and boxload. It knows how a call is sent, and nothing of what it means.
//
// An error says that no whole answer came; every answer, refusals included, is a [Response].
package apiclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 20

// Client is safe for concurrent use.
type Client struct {
	// HTTP sends the requests. It is for what is no call of the API as well.
	HTTP *http.Client
}

// New returns a client that keeps up to so many idle connections to each node, and gives a
// request up after timeout; 0: when its context ends. Without connections each request has
// one of its own.
func New(connections int, timeout time.Duration) *Client {
	return &Client{&http.Client{Timeout: timeout, Transport: &http.Transport{
		MaxIdleConnsPerHost: connections, DisableKeepAlives: connections == 0, IdleConnTimeout: time.Minute,
	}}}
}

// Close drops idle connections.
func (c *Client) Close() { c.HTTP.CloseIdleConnections() }

// Request is one call. What is empty is not sent.
type Request struct {
	Method      string
	URL         string
	Body        any    // sent as JSON; a []byte as it is
	AccessToken string // of the caller
	QueueToken  string
	Key         string   // idempotency key
	Headers     []string // others, names and values in turn
}

// Response is an answer that came whole.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Do sends a request and waits for its answer. What has a body is sent at most once: net/http
// repeats by itself only what it could send again.
func (c *Client) Do(ctx context.Context, r Request) (Response, error) {
	request, err := r.prepare(ctx)
	if err != nil {
		return Response{}, err
	}
	return c.Send(request)
}

func (r Request) prepare(ctx context.Context) (*http.Request, error) {
	encoded, isBytes := r.Body.([]byte)
	if r.Body != nil && !isBytes {
		var err error
		if encoded, err = json.Marshal(r.Body); err != nil {
			return nil, err
		}
	}
	var body io.Reader
	if r.Body != nil {
		body = io.NopCloser(bytes.NewReader(encoded)) // of a type that net/http cannot rewind
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		return nil, err
	}
	request.ContentLength = int64(len(encoded))
	set := func(name, value string) {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	if r.Body != nil {
		set("Content-Type", "application/json")
	}
	if r.AccessToken != "" {
		set("Authorization", "Bearer "+r.AccessToken)
	}
	set("Queue-Token", r.QueueToken)
	set("Idempotency-Key", r.Key)
	for i := 0; i+1 < len(r.Headers); i += 2 {
		set(r.Headers[i], r.Headers[i+1])
	}
	return request, nil
}

// Send sends a request that is complete.
func (c *Client) Send(request *http.Request) (Response, error) {
	response, err := c.HTTP.Do(request)
	if err != nil {
		return Response{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return Response{response.StatusCode, response.Header, body}, err
}

// Want sends a request, fails unless it is answered with a 2xx, and reads the answer into
// into, unless that is nil.
func (c *Client) Want(ctx context.Context, r Request, into any) error {
	answer, err := c.Do(ctx, r)
	if err != nil {
		return err
	}
	if answer.Status < http.StatusOK || answer.Status >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %d: %s", r.Method, r.URL, answer.Status, bytes.TrimSpace(answer.Body))
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return fmt.Errorf("%s %s: %w", r.Method, r.URL, err)
	}
	return nil
}
