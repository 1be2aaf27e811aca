package http

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

const (
	// maxAddresses bounds the client addresses whose pace is remembered. One that is
	// forgotten starts again with a full burst.
	maxAddresses = 100_000
	// addressBits is how much of an IPv6 address is one client's: the rest is theirs to
	// choose.
	addressBits = 64
)

// rateLimit paces client addresses.
type rateLimit struct {
	perSecond int // 0: any number
	clients   *lru.Cache[netip.Addr, *rate.Limiter]
}

func newRateLimit(perSecond int) (*rateLimit, error) {
	clients, err := lru.New[netip.Addr, *rate.Limiter](maxAddresses)
	if err != nil {
		return nil, fmt.Errorf("make the cache of client addresses: %w", err)
	}
	return &rateLimit{perSecond: perSecond, clients: clients}, nil
}

// wait tells how long a client has to wait before it may ask again; 0: it may ask now.
func (l *rateLimit) wait(r *http.Request, now time.Time) time.Duration {
	if l.perSecond == 0 || isOperations(r.URL.Path) {
		return 0
	}
	address := clientAddress(r.RemoteAddr)
	limiter, ok := l.clients.Get(address)
	if !ok {
		limiter = rate.NewLimiter(rate.Limit(l.perSecond), l.perSecond)
		// Of two first requests at once, both must be counted by one limiter.
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

// clientAddress is who is asking, as far as the connection tells. What a proxy says of
// its clients could be said by anybody.
func clientAddress(remote string) netip.Addr {
	endpoint, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	address := endpoint.Addr().Unmap().WithZone("")
	if address.Is6() {
		prefix, _ := address.Prefix(addressBits) // fails only for more bits than there are
		return prefix.Addr()
	}
	return address
}

// isOperations tells the paths for who runs the node: they must answer when it is busy.
func isOperations(path string) bool {
	switch path {
	case "/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/.well-known/jwks.json":
		return true
	default:
		return strings.HasPrefix(path, "/docs/")
	}
}
