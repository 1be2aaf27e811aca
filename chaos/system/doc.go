// Package system runs the service as real processes on one machine and breaks it: a
// private Postgres, a NATS server in a process of its own, and nodes, with a proxy on
// each of the ways between them.
//
// Every process is a child of the harness and dies with it. A node or NATS server that
// ends by itself is started again, as a supervisor would, unless a fault keeps it down;
// each end is noted. Nothing outside the run's directory and the loopback interface is
// touched.
//
// The proxies are our own. What a network does to TCP is to deliver bytes late, never, or
// to reset: a proxy that drops bytes of a connection and lets later ones through, as
// toxiproxy's toxics do, breaks protocols in a way that no network does. Ours holds what
// is sent during a cut and delivers it when the cut heals.
package system
