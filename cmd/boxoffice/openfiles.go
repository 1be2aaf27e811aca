package main

import (
	"log/slog"
	"strconv"
	"syscall"
)

// spareFiles is how many files a node may have open beyond its clients' connections and
// those to PostgreSQL: NATS with its store, the other nodes, certificates, logs.
const spareFiles = 200

// connectionsThatFit returns how many connections of clients may be open, so that further ones
// wait before the node runs out of files for its own use. Go has already raised the soft limit
// of open files to the hard one. A setting that does not fit is logged; the default is not
// worth a warning.
func connectionsThatFit(s settings, logger *slog.Logger) int {
	var limit syscall.Rlimit
	needed := s.MaxConnections + s.DatabaseConns + spareFiles
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= uint64(needed) {
		return s.MaxConnections
	}
	if strconv.Itoa(s.MaxConnections) != defaultConnections {
		logger.Warn("fewer open files are allowed than BOXOFFICE_MAX_CONNECTIONS may take: raise ulimit -Hn, or lower the setting",
			"allowed", limit.Cur, "needed", needed)
	}
	return max(1, s.MaxConnections-(needed-int(limit.Cur)))
}
