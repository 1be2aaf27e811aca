package persistence_test

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands between the program and Postgres.
type proxy struct {
	// silent is how many of the oldest connections get no answers any more, as from a host
	// that lost its power.
	silent  atomic.Int64
	cancels atomic.Int64 // requests to cancel that came

	// marker, if set, makes it close a connection instead of passing on what Postgres
	// says to a message that holds these bytes.
	marker atomic.Pointer[[]byte]

	url      string // of the database behind it, through it
	upstream string
	listener net.Listener
	tasks    sync.WaitGroup
	mu       sync.Mutex
	open     []net.Conn
}

func newProxy(t *testing.T, databaseURL string) *proxy {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	p := &proxy{upstream: u.Host}
	p.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	u.Host = p.listener.Addr().String()
	p.url = u.String()
	p.tasks.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// close refuses new connections and cuts those that there are.
func (p *proxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	for _, conn := range p.open {
		_ = conn.Close()
	}
	p.mu.Unlock()
	p.tasks.Wait()
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		server, err := net.Dial("tcp", p.upstream)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		number := int64(len(p.open) / 2)
		p.open = append(p.open, client, server)
		p.mu.Unlock()
		var lost atomic.Bool
		p.tasks.Go(func() {
			p.pass(client, server, number, func(message []byte) bool {
				if bytes.HasPrefix(message, cancelRequest()) {
					p.cancels.Add(1)
				}
				if marker := p.marker.Load(); marker != nil && bytes.Contains(message, *marker) {
					lost.Store(true)
				}
				return true
			})
		})
		p.tasks.Go(func() {
			p.pass(server, client, number, func([]byte) bool { return !lost.Load() })
		})
	}
}

// pass copies until a connection breaks or a message is not to go on, and then closes both.
func (p *proxy) pass(from, to net.Conn, number int64, goesOn func([]byte) bool) {
	defer func() {
		_ = from.Close()
		_ = to.Close()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil || !goesOn(buffer[:n]) {
			return
		}
		if number < p.silent.Load() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// cancelRequest is how a request to cancel begins.
func cancelRequest() []byte { return []byte{0, 0, 0, 16, 4, 210, 22, 46} }

// fallSilent lets those that are connected wait for ever, and serves new connections.
func (p *proxy) fallSilent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent.Store(int64(len(p.open) / 2))
}

// loseAnswersTo loses the answers to messages that hold these bytes.
func (p *proxy) loseAnswersTo(marker []byte) { p.marker.Store(&marker) }
