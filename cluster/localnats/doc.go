// Package localnats runs a NATS server with JetStream inside the process, for a node that
// is configured without one, and for tests.
//
// It listens on the loopback interface only, on a port of its own, and keeps JetStream's
// files under its store directory; losing them does no harm. Whoever starts a server stops
// it; then its clients lose their connections. Several servers of one machine can be a
// cluster, for tests: each in a process of its own, as far as they are to be killed.
package localnats
