// Boxcluster runs several nodes as one service on this machine: plain processes, a
// private PostgreSQL and one NATS server. `make cluster` starts it.
//
//	go run ./cmd/boxcluster
//	go run ./cmd/boxcluster -haproxy deploy/haproxy.cfg
//
// It is for looking and for trying things out: kill a node and watch the others take
// over. A node that ends is started again, as a supervisor does in production, and so is
// PostgreSQL; a node that its settings keep from starting ends everything. The nodes' logs
// are on stderr, each line behind its node's name. SIGINT or SIGTERM drains the nodes and
// stops the rest. NATS runs in this process.
//
// Everything is kept in one directory (-dir): the databases, the signing key, and what
// scripts need:
//
//	admin-token    an access token with the role admin
//	node-N.url     where node N answers
//	node-N.pid     its process, as long as that runs
//
// PostgreSQL in there is authoritative, as everywhere; NATS starts empty each time.
// BOXOFFICE_… variables reach the nodes, but for those that make them one service. Every
// process is a child and dies with this one, however it dies (on Linux).
package main
