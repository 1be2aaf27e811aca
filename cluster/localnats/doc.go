// Package localnats runs a NATS server with JetStream inside the process, for a node
// that was given none, and for tests.
//
// It listens on the loopback interface only, on a port of its own, and keeps under its
// store directory what JetStream keeps, which is nothing that anybody would miss. Who
// starts a server stops it; then its clients lose their connections.
package localnats
