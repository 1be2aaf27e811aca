package main

import (
	"context"

	"boxoffice/internal/apiclient"
)

// plainConnection sends its requests with a net/http client that it shares with the others,
// as programs do. It has the last answer.
type plainConnection struct {
	base   string // URL
	client *apiclient.Client
	answer apiclient.Response
}

func (c *plainConnection) send(method, path string, body []byte, headers []string) (int, error) {
	r := apiclient.Request{Method: method, URL: c.base + path, Headers: headers}
	if body != nil {
		r.Body = body
	}
	var err error
	c.answer, err = c.client.Do(context.Background(), r) // bounded by the client's timeout
	return c.answer.Status, err
}

func (c *plainConnection) header(name string) string { return c.answer.Header.Get(name) }
func (c *plainConnection) body() []byte              { return c.answer.Body }
func (c *plainConnection) close()                    {}
