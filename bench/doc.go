// Command bench measures boxoffice beside what it is to be compared with, on one
// machine, in one run: rowlock (stateless handlers and row locks on the same Postgres)
// and bare (constant answers). The servers take turns, A B A B …, each run with fresh
// schedules and people, so that a machine that slows down slows down both. It prints
// medians and ratios, and what has a goal beside it.
//
//	go run ./bench                    # everything, three rounds
//	go run ./bench -rounds 1 sellout  # one scenario, quickly
//
// Scenarios:
//
//   - sellout: look, hold and pay until all is sold
//   - stampede, seats, seats-304, polls: one kind of request
//   - three-nodes: sellout on three nodes with NATS between them, beside one node
//   - overload: the peak of a node that is kept busy, and then twice as much offered to the
//     same node at a fixed rate, whether it answers or not: mixed, and purchases alone
//   - journal: durable commits beside a transaction for each (the benchmark in persistence)
//   - idle: the memory of schedules that nobody asks for (bench/idle)
//
// In an overload, good answers are those that did what was asked (2xx, 304), of a client
// that opens 2 048 connections and gives up what finds none free for 100 ms: offered is
// what should have started, started what did. Client and node share the machine, so that
// good answers per second of the node's processor time tell what the client takes away
// from what is lost.
package main
