package localpostgres

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// clusterNameLength is the longest cluster_name, in bytes.
const clusterNameLength = 63

// serverArguments gives the command line of the server, but for the data directory.
func serverArguments(cluster cluster, port int, settings map[string]string) []string {
	merged := map[string]string{
		// Reachable from this machine alone, with the password.
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(port),
		"unix_socket_directories": "",
		"max_connections":         "200",
		"cluster_name":            clusterName(cluster.dir), // shown by ps

		// Durable: what was acknowledged is on disk.
		"fsync":              "on",
		"synchronous_commit": "on",
		"full_page_writes":   "on",

		// Suited to many small commits: few checkpoints, WAL files kept for use again. No
		// replica is ever attached, so the log holds only what recovery needs.
		"shared_buffers":  "256MB",
		"wal_level":       "minimal",
		"max_wal_senders": "0",
		"min_wal_size":    "512MB",
		"max_wal_size":    "4GB",
		// Short statements gain nothing from compiling them.
		"jit": "off",

		"timezone":     "UTC",
		"log_timezone": "UTC",
		// Refused statements are the client's to report; the log is for the server's own.
		"log_min_messages": "warning",
		"log_statement":    "none",
	}
	maps.Copy(merged, settings)
	var arguments []string
	for _, name := range slices.Sorted(maps.Keys(merged)) {
		arguments = append(arguments, "-c", name+"="+merged[name])
	}
	return arguments
}

// clusterName makes the end of a path fit cluster_name, which is printable ASCII.
func clusterName(dir string) string {
	name := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, dir)
	return name[max(0, len(name)-clusterNameLength):]
}
