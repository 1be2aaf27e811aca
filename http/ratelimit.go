package http

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const (
	// maxAddresses bounds the client addresses whose pace is remembered. One that is
	// forgotten starts again with a full burst.
	maxAddresses = 100_000
	// addressBits is how much of an IPv6 address is one client's: the client can choose the
	// rest.
	addressBits = 64
)

// rateLimit limits the rate of requests by client address.
type rateLimit struct {
	perSecond int
	proxies   proxies
	clients   *lru.Cache[netip.Addr, *rate.Limiter]
}

func newRateLimit(perSecond int, trusted proxies) (*rateLimit, error) {
	clients, err := lru.New[netip.Addr, *rate.Limiter](maxAddresses)
	if err != nil {
		return nil, fmt.Errorf("make the cache of client addresses: %w", err)
	}
	return &rateLimit{perSecond: perSecond, proxies: trusted, clients: clients}, nil
}

// wait returns how long a client has to wait before it may ask again; 0: it may ask now.
func (l *rateLimit) wait(r *http.Request, now time.Time) time.Duration {
	if isOperations(r.URL.Path) {
		return 0
	}
	address := network(l.proxies.client(r))
	limiter, ok := l.clients.Get(address)
	if !ok {
		limiter = rate.NewLimiter(rate.Limit(l.perSecond), l.perSecond)
		// Two simultaneous first requests must be counted by one limiter.
		if earlier, found, _ := l.clients.PeekOrAdd(address, limiter); found {
			limiter = earlier
		}
	}
	if limiter.AllowN(now, 1) {
		return 0
	}
	missing := 1 - limiter.TokensAt(now)
	return max(time.Millisecond, time.Duration(missing/float64(l.perSecond)*float64(time.Second)))
}

// network returns the part of an address that is one client's.
func network(address netip.Addr) netip.Addr {
	if !address.Is6() {
		return address
	}
	prefix, _ := address.Prefix(addressBits) // fails only for more bits than there are
	return prefix.Addr()
}

// proxies are the networks of the load balancers that are trusted to name their clients.
// Anybody else could name anybody.
type proxies []netip.Prefix

// forwardedHeader lists a request's addresses, each added by the proxy that it connected
// to.
const forwardedHeader = "X-Forwarded-For"

// client returns the address of the client: the peer of the connection or, behind trusted
// proxies, the last forwarded address that is not one of theirs. It is zero if unknown.
func (p proxies) client(r *http.Request) netip.Addr {
	client := addressOf(r.RemoteAddr)
	for _, line := range slices.Backward(r.Header[forwardedHeader]) {
		for line != "" {
			if !p.contains(client) {
				return client
			}
			comma := strings.LastIndexByte(line, ',')
			next := addressOf(strings.TrimSpace(line[comma+1:]))
			if !next.IsValid() { // invalid: the proxy that passed it on is all that is known
				return client
			}
			client, line = next, line[:max(0, comma)]
		}
	}
	return client
}

func (p proxies) contains(address netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(address) })
}

// addressOf parses an address with or without a port.
func addressOf(text string) netip.Addr {
	endpoint, err := netip.ParseAddrPort(text)
	address := endpoint.Addr()
	if err != nil {
		if address, err = netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")); err != nil {
			return netip.Addr{}
		}
	}
	return address.Unmap().WithZone("")
}

// isOperations reports whether a path is for operators: it must answer even when the node
// is busy.
func isOperations(path string) bool {
	switch path {
	case "/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/.well-known/jwks.json":
		return true
	default:
		return strings.HasPrefix(path, "/docs/")
	}
}
