// Package http is the HTTP API: it turns requests into calls of the small interfaces
// that it declares, and what comes of them into JSON and problems (RFC 9457).
//
// It is authoritative for nothing but the form: names, status codes, the order in
// which mistakes are told ([api.admit] is that order, in one function), and tokens.
// What a request means is decided behind the interfaces, and every "now" that reaches
// them is the [Clock]'s.
//
// A call that changes something is known to have happened only once its answer was
// written; where an interface fails, nothing is known to have happened, the client is
// told 503 and may send the same request with the same key again. An error that is no
// [boxoffice.Error] is a bug: it is logged with the request's id, and the client is
// told 500 and nothing of the cause. A panic is treated alike.
//
// An idempotency key is looked up by the commit that would store its answer ([api.decided]).
// Streams of events have no queue: each asks for what is new when its reader has taken what
// was told, so that one who does not read costs one goroutine, and only for seconds. They
// end with [API.Drain], and their clients connect to another node.
//
// Most calls are huma operations, so that the OpenAPI document says what the code
// does. The calls that crowds make (place, seat map, hold) write their bytes
// themselves; the document describes the types that tests compare those bytes with.
package http
