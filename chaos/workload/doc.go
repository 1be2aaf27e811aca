// Package workload simulates the users of a chaos run: clients in closed loops that buy
// seats through the HTTP API only, and record each request and its answer.
//
// Each client's goals are a script drawn from the seed, with a random stream of its own,
// and do not depend on any answer: the same seed repeats them. Fixed rules decide how a
// client continues after an answer. The scripts aim at the edges: paying right before and
// after a hold's expiry, the same key on several nodes at once, two keys for one payment,
// the last free seat, a cancellation twice, leaving while paying, closing the connection
// while the request is under way.
//
// Half of the clients stay with a node, half ask another one each time; half repeat a
// request with an unknown result, with the same key, half never do.
package workload
