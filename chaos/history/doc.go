// Package history is what the clients of a chaos run did and were told: one
// [Operation] for each request, in the words of the HTTP contract, with one monotonic
// clock for all clients.
//
// A history is evidence, not an opinion. Whether an operation whose result is unknown
// happened is for package check to find out from the database; nothing here guesses.
// When writing the evidence fails the run fails: a history with holes proves nothing.
package history
