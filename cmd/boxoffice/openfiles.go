package main

import (
	"log/slog"
	"syscall"
)

// spareFiles is how many files a node may have open beyond its clients' connections and
// those to PostgreSQL: NATS with its store, the other nodes, certificates, logs.
const spareFiles = 200

// openFiles is how many files a node has open where it has as many connections as it may.
func (s settings) openFiles() int { return s.MaxConnections + s.DatabaseConns + spareFiles }

// warnOfFewFiles says where this process may have fewer files open than its settings
// promise: it would stop taking connections, and those of its own, before the limit that
// was set. Go has raised the soft limit to the hard one by now.
func warnOfFewFiles(s settings, logger *slog.Logger) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= uint64(s.openFiles()) {
		return
	}
	logger.Warn("fewer open files are allowed than BOXOFFICE_MAX_CONNECTIONS may take: raise ulimit -Hn, or lower the setting",
		"allowed", limit.Cur, "needed", s.openFiles())
}
