package workload

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"boxoffice/chaos/history"
	"boxoffice/internal/apiclient"
)

// Bounds of requests.
const (
	requestTimeout = 2500 * time.Millisecond
	connections    = 256 // kept to each node
)

// API sends requests to nodes and records them. It is safe for concurrent use.
type API struct {
	urls     []string
	recorder *history.Recorder
	client   *apiclient.Client
}

// NewAPI returns an API of the nodes at urls.
func NewAPI(urls []string, recorder *history.Recorder) *API {
	return &API{urls: urls, recorder: recorder, client: apiclient.New(connections, 0)}
}

// Close drops idle connections.
func (a *API) Close() { a.client.Close() }

// ask is one request, ready to be sent.
type ask struct {
	kind    history.Kind
	method  string
	path    string
	body    any    // nil: none
	access  string // access token
	place   string // queue token
	request history.Request
	abort   time.Duration // close the connection after so long; 0: do not
}

// send sends a request once and records what came of it. It does not end early with
// ctx: what was sent is waited for.
func (a *API) send(ctx context.Context, client, node int, q ask) history.Operation {
	timeout := requestTimeout
	if q.abort > 0 {
		timeout = q.abort
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	op := history.Operation{Client: client, Node: node, Kind: q.kind, Request: q.request}
	op.Call = a.recorder.Since(time.Now())
	answer, err := a.exchange(ctx, node, q)
	op.Return = a.recorder.Since(time.Now())
	op.Status = answer.Status
	switch {
	case err == nil:
		op.Replayed = answer.Header.Get("Idempotency-Replayed") == "true"
		if q.kind == history.Queue && answer.Status < http.StatusBadRequest {
			op.Answer, err = history.ReadQueue(answer.Body)
		} else {
			op.Answer, op.Code, err = history.ReadAnswer(answer.Body)
		}
		if err != nil {
			op.Error = err.Error()
		}
		op.Result = resultOf(answer.Status, op.Code)
		if len(answer.Body) > 0 && (q.request.Key != "" || op.Result != history.OK) {
			op.Body = answer.Body
		}
	case notSent(err):
		op.Result, op.Error = history.Failed, err.Error()
	default:
		op.Result, op.Error = history.Unknown, err.Error()
	}
	a.recorder.Add(op)
	return op
}

// resultOf returns what a response means.
func resultOf(status int, code string) history.Result {
	switch {
	case status < 400:
		return history.OK
	case status >= 500 && code != "queue-full":
		return history.Unknown
	default:
		return history.Refused
	}
}

// notSent reports whether there was no connection to send anything on.
func notSent(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "dial"
}

func (a *API) exchange(ctx context.Context, node int, q ask) (apiclient.Response, error) {
	return a.client.Do(ctx, apiclient.Request{
		Method: q.method, URL: a.urls[node] + q.path, Body: q.body,
		AccessToken: q.access, QueueToken: q.place, Key: q.request.Key,
	})
}
