// Package rig starts the processes of the laboratory: of the tests that need a process, of
// the chaos harness, the benchmarks and boxcluster. What ships does not import it.
//
// [Start] is the only way in: every process is a child of its own process group, which
// terminal signals do not reach, and dies with this process (on Linux, however that dies).
// On top of it, [Serve] waits for a server's ready line, and [Keep] starts a process again
// whenever it ends. PostgreSQL is started by boxoffice/persistence/localpostgres, whose
// processes live by the same rules; NATS runs in this process (boxoffice/cluster/localnats)
// or in one of its own ([RunNATS]).
//
// A failure to start is an error. How a process ended is in [Process.State]; whoever started
// it decides whether that is a failure.
package rig
