// Command waitingroom measures a waiting room against its goals: two nodes, a NATS and a
// PostgreSQL that waits for its disk, the client and everything else on this machine. It
// prints a table of goals and of what was measured.
//
//	go run ./bench/waitingroom                                  # a million, a few minutes
//	go run ./bench/waitingroom -waiting 100000 -streams 1000    # smaller
//
// The long line is not joined over HTTP, which would take minutes: its events and rows
// are written by the journal in batches, as a gatekeeper writes them. The joins over HTTP
// are measured with a line of their own, by a client of net/http.
package main
