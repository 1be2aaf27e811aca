package postgrestest

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands between the program and Postgres, and spoils what it passes on. All its
// methods may be called at any time.
type Proxy struct {
	// URL is that of the database behind it, through it.
	URL string

	upstream string
	listener net.Listener
	tasks    sync.WaitGroup
	closed   chan struct{}
	close    func() // once

	// silent is how many of the oldest connections get no answers any more, as from a host
	// that lost its power.
	silent  atomic.Int64
	cancels atomic.Int64
	// marker, if set, makes it close a connection instead of passing on what Postgres says
	// to a message that holds these bytes.
	marker atomic.Pointer[[]byte]
	late   atomic.Pointer[lateness]

	mu   sync.Mutex
	open []net.Conn // two for each connection
}

// lateness is how late the answers to some messages are.
type lateness struct {
	marker []byte
	delay  time.Duration
}

// way is one direction of a connection.
type way struct {
	from, to net.Conn
	number   int64 // of the connection, from 0
	// before is told what is about to be passed on, and reports whether it is to be.
	before func([]byte) bool
}

// NewProxy starts a proxy in front of a database. It is closed when the test ends.
func NewProxy(t testing.TB, databaseURL string) *Proxy {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{upstream: u.Host, closed: make(chan struct{})}
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil { //nolint:noctx // returns at once
		t.Fatal(err)
	}
	u.Host = p.listener.Addr().String()
	p.URL = u.String()
	p.close = sync.OnceFunc(p.end)
	p.tasks.Go(p.accept)
	t.Cleanup(p.Close)
	return p
}

// Close refuses new connections and cuts those that there are.
func (p *Proxy) Close() { p.close() }

func (p *Proxy) end() {
	close(p.closed)
	_ = p.listener.Close()
	p.mu.Lock()
	for _, conn := range p.open {
		_ = conn.Close()
	}
	p.mu.Unlock()
	p.tasks.Wait()
}

// FallSilent lets those that are connected wait for ever, and serves new connections.
func (p *Proxy) FallSilent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent.Store(int64(len(p.open) / 2))
}

// LoseAnswerTo loses the answer to the next message that holds these bytes, once Postgres has
// given it, and cuts that connection.
func (p *Proxy) LoseAnswerTo(marker []byte) { p.marker.Store(&marker) }

// Lost reports whether the answer was lost that was to be.
func (p *Proxy) Lost() bool { return p.marker.Load() == nil }

// Delay delays the answers to messages that hold these bytes; without a delay none is late
// any more.
func (p *Proxy) Delay(marker []byte, delay time.Duration) { p.late.Store(&lateness{marker, delay}) }

// Cancels returns how many requests to cancel a query have come.
func (p *Proxy) Cancels() int { return int(p.cancels.Load()) }

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		server, err := net.Dial("tcp", p.upstream) //nolint:noctx // to this machine
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		number := int64(len(p.open) / 2)
		p.open = append(p.open, client, server)
		p.mu.Unlock()
		select {
		case <-p.closed: // whoever closed it may not have seen these
			_, _ = client.Close(), server.Close()
		default:
		}
		p.serve(client, server, number)
	}
}

// serve passes on what a client and Postgres say to each other.
func (p *Proxy) serve(client, server net.Conn, number int64) {
	var lost atomic.Bool
	var delay atomic.Int64 // of the next answer
	p.tasks.Go(func() {
		p.pass(way{client, server, number, func(message []byte) bool {
			if bytes.HasPrefix(message, cancelRequest()) {
				p.cancels.Add(1)
			}
			if marker := p.marker.Load(); marker != nil && bytes.Contains(message, *marker) && p.marker.CompareAndSwap(marker, nil) {
				lost.Store(true)
			}
			if late := p.late.Load(); late != nil && bytes.Contains(message, late.marker) {
				delay.Store(int64(late.delay))
			}
			return true
		}})
	})
	p.tasks.Go(func() {
		p.pass(way{server, client, number, func([]byte) bool { return !lost.Load() && p.wait(time.Duration(delay.Swap(0))) }})
	})
}

// wait reports whether the proxy is still there after a time.
func (p *Proxy) wait(delay time.Duration) bool {
	if delay == 0 {
		return true
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.closed:
		return false
	}
}

// pass copies until a connection breaks or a message is not to go on, and then closes both.
func (p *Proxy) pass(w way) {
	defer func() {
		_ = w.from.Close()
		_ = w.to.Close()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := w.from.Read(buffer)
		if err != nil || !w.before(buffer[:n]) {
			return
		}
		if w.number < p.silent.Load() {
			continue
		}
		if _, err := w.to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// cancelRequest is how a request to cancel begins.
func cancelRequest() []byte { return []byte{0, 0, 0, 16, 4, 210, 22, 46} }
