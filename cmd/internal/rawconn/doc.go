// Package rawconn reads and writes TCP connections without telling Go's scheduler of the
// system calls.
//
// The scheduler is told of system calls because one may block: a monitor thread then
// looks after 20 µs whether the processor of a goroutine in a call should be given to another
// thread, and is woken by the first call after each time that the process had nothing to do.
// Calls on Go's sockets never block; what cannot be done at once waits in the poller.
// Where several busy processes share a machine, as nodes, a database and clients of a
// benchmark do, the monitor was a tenth of what a node used, its wake-ups were more than half of
// the machine's context switches, and processors changed hands between threads only because
// a call had been pre-empted (docs/adr/0017-raw-system-calls.md).
//
// Who is authoritative: the net package, for everything but the two system calls
// themselves. Deadlines, closing and errors are those of the connection underneath.
//
// On failure nothing is different: a thread that dies in a call dies with its process, and
// a call that took long would hold up its goroutine's processor, as any other work would.
package rawconn
