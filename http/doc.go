// Package http is the HTTP API: it turns requests into calls of the small interfaces
// that it declares, and what comes of them into JSON and problems (RFC 9457).
//
// It is authoritative for nothing but the form: names, status codes, the order in
// which mistakes are told, and tokens. What a request means is decided behind the
// interfaces, and every "now" that reaches them is the [Clock]'s.
//
// A request goes through the middleware of [api.newRouter], which every request meets, then
// through that of its call ([api.middleware]), whose order is the order in which mistakes
// are told, and reaches a typed function: decoded input, output or error ([handle]). What
// middleware finds out it adds to the [request] of the context. Each call is one operation,
// which says its route, who may make it, and what the OpenAPI document tells of it.
//
// A call that changes something is known to have happened only once its answer was
// written; where an interface fails, nothing is known to have happened, the client is
// told 503 and may send the same request with the same key again. An error that is no
// [boxoffice.Error] is a bug: it is logged with the request's id, and the client is
// told 500 and nothing of the cause. A panic is treated alike.
//
// A call goes on when its client is gone, because net/http cannot tell that from a client
// that has sent all it wants to send; [requestTimeout] ends it.
//
// An idempotency key is looked up by the commit that would store its answer ([api.decided]).
// Streams of events have no queue: each asks for what is new when its reader has taken what
// was told, so that one who does not read costs one goroutine, and only for seconds. They
// end with [API.Drain], and their clients connect to another node.
package http
