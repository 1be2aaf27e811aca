package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
)

// Times of membership and calls.
const (
	defaultHeartbeat  = 250 * time.Millisecond
	defaultExpiry     = time.Second
	defaultBlindAfter = 800 * time.Millisecond

	callTimeout    = 5 * time.Second // one Call, all tries together
	minBackoff     = 5 * time.Millisecond
	maxBackoff     = 100 * time.Millisecond
	closeLinger    = 200 * time.Millisecond // between leaving the bucket and closing the connections
	leaveTimeout   = time.Second            // writing the last record
	grainsStop     = 3 * time.Second        // how long grains may take to flush on Close
	settleTimeout  = time.Second            // how long Leave waits for the others to take over
	bucketTTL      = time.Hour              // of what nobody refreshes: records of departed members
	bucketBytes    = 4 << 20                // thousands of records
	reopenPause    = 50 * time.Millisecond  // between attempts to reach a NATS that does not answer
	ticksPerBeat   = 5                      // how often the ages of the others are checked
	leaseMargin    = 20                     // the lease ends 1/20 of the expiry early, for clocks that run apart
	laggingExpiry  = 3                      // expiries after which a member that does not follow is evicted
	sayFraction    = 2                      // a heartbeat not acknowledged for blindAfter/2 is sent again
	stallFraction  = 2                      // a pause of expiry/2 between two ticks is a stall of our own
	silentFraction = 2                      // own heartbeats must have come back for expiry/2 after a silent member's last
	// unableFor is how long a node must have been unable, and another one able, before it
	// hands its grains over; ableFor, how long it must be able before it takes grains again.
	unableFor = time.Second
	ableFor   = time.Second
)

// Config is what a node needs. Everything without a stated default is required.
type Config struct {
	// NATS carries membership and fan-out. Its owner closes it after [Node.Close].
	NATS *nats.Conn
	// ClusterName separates services that share a NATS: letters, digits, '-', '_'.
	ClusterName string
	// Bind is the host:port on which this node listens for the others. Port 0 picks a free
	// one.
	Bind string
	// Advertise is the host:port under which others reach this node; empty: where it
	// listens. Required if Bind names no host that others could dial (0.0.0.0, ::).
	Advertise string
	// HTTPAddress is published to the other members; it may be empty.
	HTTPAddress string
	// TLS secures the connections between nodes, both ways; nil: the secrets do.
	TLS *TLS
	// Secrets, of 32 random bytes each, are what nodes without TLS prove to each other that
	// they know. A node shows the first one and accepts any of them: to change one, tell all
	// nodes the new one as their second, then make it their first, then drop the old one.
	Secrets [][]byte
	// Alone is true if no other process can reach this NATS. Then a new bucket cannot mean
	// that other members are about to come back to it, and the node need not wait an expiry
	// before it activates its first grain.
	Alone bool
	// Retry reports whether a grain's reply means "ask again": not the owner, fenced.
	// nil: no reply does.
	Retry func(reply any) bool
	// Moved is sent to a local grain that another member owns by now. The grain answers
	// everything with a reply for which Retry is true, and stops. nil: the grain is
	// stopped.
	Moved any
	// HeartbeatInterval is the time between a member's heartbeats; zero: 250 ms.
	HeartbeatInterval time.Duration
	// Expiry is the age of the last heartbeat at which a member is evicted; zero: 1 s.
	Expiry time.Duration
	// BlindAfter is how long a node may hear nothing of its own heartbeats before it stops
	// judging others; zero: 800 ms. It lies between HeartbeatInterval and Expiry.
	BlindAfter time.Duration
	// Now is a monotonic clock; nil: time.Now.
	Now func() time.Time
	// Logger; nil: nothing is logged.
	Logger   *slog.Logger
	Observer Observer

	service versions // of the service between nodes; zero: spoken
}

// TLS is a pair of configurations for mutual TLS. Server must require and verify client
// certificates; Client must hold one. The name that Client verifies is the host that
// the other member advertises, unless its ServerName says otherwise.
type TLS struct {
	Server *tls.Config
	Client *tls.Config
	// Authorities are those that the two believe; nodes with none in common do not work side
	// by side. Empty: that is not looked at.
	Authorities []*x509.Certificate
}

// Observer receives what metrics count. Each func may be nil; all are called from many
// goroutines and must not block.
type Observer struct {
	// Called is called after each Call, successful or not.
	Called func(kind string, tries int, took time.Duration, err error)
	// Heartbeat is called with how long a heartbeat took to be acknowledged, or why it was
	// not.
	Heartbeat func(took time.Duration, err error)
	// Members is called with the number of members that own grains, on each change.
	Members func(ready int)
	// Evicted is called for each member that this node evicted.
	Evicted func(id string)
	// Dropped is called for each message of the queue "notifications" or "publications"
	// that was dropped before it was sent: the queue was full, or nobody could be reached.
	Dropped func(queue string)
}

var clusterName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

// withDefaults checks a configuration and fills in defaults.
func (c Config) withDefaults() (Config, error) {
	if c.HeartbeatInterval == 0 {
		c.HeartbeatInterval = defaultHeartbeat
	}
	if c.Expiry == 0 {
		c.Expiry = defaultExpiry
	}
	if c.BlindAfter == 0 {
		c.BlindAfter = defaultBlindAfter
	}
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // the default of this package's one clock
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.service == (versions{}) {
		c.service = spoken()
	}
	switch {
	case c.NATS == nil:
		return c, errors.New("cluster: no NATS connection")
	case !clusterName.MatchString(c.ClusterName):
		return c, fmt.Errorf("cluster: name %q must be 1–64 letters, digits, '-' or '_'", c.ClusterName)
	case c.HeartbeatInterval <= 0 || 2*c.HeartbeatInterval > c.BlindAfter || c.BlindAfter >= c.Expiry:
		return c, fmt.Errorf("cluster: heartbeat %s, blind after %s, expiry %s: each must be well below the next",
			c.HeartbeatInterval, c.BlindAfter, c.Expiry)
	case c.TLS != nil && (c.TLS.Server == nil || c.TLS.Client == nil):
		return c, errors.New("cluster: TLS needs a server's and a client's configuration")
	case c.TLS == nil && (len(c.Secrets) == 0 || slices.ContainsFunc(c.Secrets, func(s []byte) bool { return len(s) != secretBytes })):
		return c, fmt.Errorf("cluster: without TLS nodes need secrets of %d bytes", secretBytes)
	}
	return c, c.checkAddresses()
}

func (c Config) checkAddresses() error {
	host, _, err := net.SplitHostPort(c.Bind)
	if err != nil {
		return fmt.Errorf("cluster: bind address: %w", err)
	}
	if c.Advertise == "" {
		if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
			return fmt.Errorf("cluster: bind address %q names no host that others could dial; advertise one", c.Bind)
		}
		return nil
	}
	if host, port, err := net.SplitHostPort(c.Advertise); err != nil || host == "" || port == "" || port == "0" {
		return fmt.Errorf("cluster: advertised address %q must be host:port", c.Advertise)
	}
	return nil
}
