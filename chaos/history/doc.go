// Package history records what the clients of a chaos run asked and were answered: one
// [Operation] for each request, in the words of the HTTP contract, with one monotonic clock
// for all clients.
//
// A history is evidence, not an opinion. Package check determines from the database whether
// an operation whose result is unknown happened; nothing here guesses. If the history
// cannot be written the run fails: a history with gaps proves nothing.
package history
