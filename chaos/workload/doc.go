// Package workload is the people of a chaos run: clients in closed loops who buy seats
// through the HTTP contract and nothing else, and record each request and its answer.
//
// What a client wants is a script drawn from the seed, with a stream of its own for each
// client, and does not depend on any answer: the same seed repeats it. How it goes on
// from an answer is a rule. The scripts aim at the edges: paying right before and after
// a hold's expiry, the same key on several nodes at once, two keys for one payment, the
// last free seat, a cancellation twice, leaving while paying, closing the connection
// while the request is under way.
//
// Half of the clients stay with a node, half ask another one each time; half send a
// request whose result they do not know again with the same key, half never do.
package workload
