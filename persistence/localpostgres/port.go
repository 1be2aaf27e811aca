package localpostgres

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports of processes that come and go. They lie below those that the system gives to
// connections on their way out (32768 and up on Linux), one of which could otherwise take
// the port of a process that is down, even one to that process.
const (
	firstPort = 10_000
	lastPort  = 32_767
	portTries = 100
)

// FreePort finds a port of a host that nobody listens on, for a server that is started, and
// maybe started again, a moment later: this package's, and those beside it.
func FreePort(host string) (int, error) {
	var err error
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		var listener net.Listener
		if listener, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port))); err == nil { //nolint:noctx // returns at once
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}
