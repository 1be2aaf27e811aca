// Package localpostgres runs a private PostgreSQL server under a data directory: the
// service uses it when no database is configured, tests and benchmarks run on it, and fault
// tests kill it.
//
// # Where the binaries come from
//
// First PATH, then the places where Linux distributions and Homebrew keep versioned server
// binaries (newest first). PostgreSQL 14 is the oldest supported version. An existing data
// directory decides the major version. If there is no usable server, the error names the
// alternatives.
//
// # What the data directory holds
//
//	data/         the cluster (PGDATA), owned by the user that the server runs as
//	lock          held with flock while a process uses the directory; its pid inside
//	password      the superuser's, random, made once, mode 0600
//	server.log    the server's messages since its last start; server.log.1 the ones before
//
// The cluster is created in data.new and renamed when it is complete, so an existing one is
// whole. The server listens on 127.0.0.1 only and requires the password. It gets almost
// nothing of the environment, and none of libpq's variables.
//
// # Root
//
// PostgreSQL refuses to run as root. Then its processes run as the owner of data/ if
// that exists already, else as the user postgres, else as nobody. That user need not
// be able to reach data/: on Linux the server gets it as an open file descriptor and
// calls it /proc/self/fd/3, so a data directory under /root (mode 0700) works and no
// permission outside the data directory is touched. On other systems the directories
// above must be open to that user.
//
// # When a process dies
//
// The server is a child of the process that started it. When that process dies, however it
// dies, Linux sends the server SIGINT (a fast shutdown) and the lock is free at once.
// [Start] then waits for what is left of the old server, and stops it itself if nothing
// else did: on Linux it finds every postgres process whose working directory is data/,
// elsewhere the one in postmaster.pid. It never starts a second server beside a live one,
// and never removes postmaster.pid while a process of the cluster is alive. Two processes
// on one data directory: the second gets [InUseError], which names the pid of the first.
//
// PostgreSQL is authoritative for its files; this package writes none of them.
package localpostgres
