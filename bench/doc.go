// Command bench measures boxoffice beside two other servers, on one machine, in one run:
// rowlock (stateless handlers and row locks on the same Postgres) and bare (constant
// answers behind the usual middleware). The servers take turns, A B A B …, each run with
// fresh schedules and people, so that a machine that slows down affects all. It prints
// tables of medians in Markdown, with goals where there are any.
//
//	go run ./bench                                       # everything, three rounds: an hour
//	go run ./bench -rounds 1 -connections 1,16 sellout   # a glance
//
// Scenarios:
//
//   - sellout: look, hold and pay until all is sold, for each number of -connections and
//     each of -clients
//   - charges: points are charged, each time with an idempotency key
//   - stampede, seats, seats-304, polls: one kind of request
//   - three-nodes: sellout on three nodes with NATS between them, beside one node
//
// All servers run with the same GOGC (-gogc). The client fast is boxload's own, which leaves
// most of the machine to the servers; net/http is what programs use.
//
// In an overload, good answers are those that did what was asked (2xx, 304), of a client
// that opens 2 048 connections and drops requests that find none free for 100 ms: offered
// is what should have started, started what did. Client and node share the machine; good
// answers per second of the node's processor time distinguish what the client takes away
// from what is lost.
package main
