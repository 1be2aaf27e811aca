// Package http is the HTTP API: it turns requests into calls of the small interfaces that
// it declares, and their results into JSON and problems (RFC 9457).
//
// It is authoritative only for the form: names, status codes, the order in which mistakes
// are reported, and tokens. What a request means is decided behind the interfaces, and
// every "now" that reaches them is the [Clock]'s.
//
// A request goes through the middleware of [api.newRouter], which every request meets, then
// through that of its call ([api.middleware]), whose order is the order in which mistakes
// are reported, and reaches a typed function: decoded input, output or error ([handle]).
// Middleware adds what it finds out to the [request] of the context. Each call is one
// operation, which holds its route, who may make it, and its description in the OpenAPI
// document.
//
// A change is known to have happened only once its answer was written; if an interface
// fails, nothing is known to have happened, the client gets a 503 and may send the same
// request with the same key again. An error that is not a [boxoffice.Error] is a bug: it is
// logged with the request's id, and the client gets a 500 without the cause. A panic is
// treated the same way.
//
// A call continues when its client is gone, because net/http cannot distinguish that from a
// client that has closed its half of the connection after sending; [requestTimeout] ends
// it.
//
// An idempotency key is looked up by the commit that would store its answer ([api.decided]).
// Streams of events have no queue: each asks for what is new once its reader has taken what
// was sent, so a reader that does not read costs one goroutine, and only for seconds.
// [API.Drain] ends the streams, and their clients connect to another node.
package http
