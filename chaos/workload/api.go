package workload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"boxoffice/chaos/history"
)

// Bounds of requests.
const (
	requestTimeout = 2500 * time.Millisecond
	maxAnswer      = 1 << 20 // bytes
)

// API sends requests to nodes and records them. It is safe for concurrent use.
type API struct {
	urls     []string
	recorder *history.Recorder
	http     *http.Client
}

// NewAPI makes an API of the nodes at urls.
func NewAPI(urls []string, recorder *history.Recorder) *API {
	return &API{
		urls: urls, recorder: recorder,
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, IdleConnTimeout: time.Minute}},
	}
}

// Close drops idle connections.
func (a *API) Close() { a.http.CloseIdleConnections() }

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
	status, header, body, err := a.exchange(ctx, node, q)
	op.Return = a.recorder.Since(time.Now())
	op.Status = status
	switch {
	case err == nil:
		op.Replayed = header.Get("Idempotency-Replayed") == "true"
		if op.Answer, op.Code, err = history.ReadAnswer(body); err != nil {
			op.Error = err.Error()
		}
		op.Result = resultOf(status, op.Code)
		if len(body) > 0 && (q.request.Key != "" || op.Result != history.OK) {
			op.Body = body
		}
	case notSent(err):
		op.Result, op.Error = history.Failed, err.Error()
	default:
		op.Result, op.Error = history.Unknown, err.Error()
	}
	a.recorder.Add(op)
	return op
}

// resultOf tells what a response means.
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

// notSent tells that there was no connection to send anything on.
func notSent(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "dial"
}

func (a *API) exchange(ctx context.Context, node int, q ask) (int, http.Header, []byte, error) {
	var body io.Reader
	var length int64
	if q.body != nil {
		encoded, err := json.Marshal(q.body)
		if err != nil {
			return 0, nil, nil, err
		}
		// Without a type that http knows it cannot send the body again by itself: each
		// request is to be sent once.
		body, length = io.NopCloser(bytes.NewReader(encoded)), int64(len(encoded))
	}
	request, err := http.NewRequestWithContext(ctx, q.method, a.urls[node]+q.path, body)
	if err != nil {
		return 0, nil, nil, err
	}
	request.ContentLength = length
	for name, value := range map[string]string{
		"Authorization": "Bearer " + q.access, "Queue-Token": q.place, "Idempotency-Key": q.request.Key,
		"Content-Type": "application/json",
	} {
		if value != "" && value != "Bearer " {
			request.Header.Set(name, value)
		}
	}
	response, err := a.http.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response.StatusCode, response.Header, answer, err
}
