package system

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// chunk is how much a proxy passes on at a time, in bytes.
const chunk = 32 << 10

// Weather is what the way through a proxy is like. The zero value is fair.
type Weather struct {
	// CutTo holds what goes to the target, CutFrom what comes back from it. A connection
	// that is asked for while either is set is made when both are over.
	CutTo, CutFrom bool
	// Delay is added to everything, both ways.
	Delay time.Duration
}

// Proxy passes the connections to its own address on to a target. Its weather may
// change at any time and differ by who connects.
type Proxy struct {
	// Address is where it listens.
	Address string

	target   string
	listener net.Listener
	// peerOf returns who connects; nil: all peers are the same.
	peerOf func(net.Addr) int
	ctx    context.Context // ends with the proxy
	stop   context.CancelFunc
	tasks  sync.WaitGroup

	mu      sync.Mutex
	weather map[int]Weather // by peer; anyPeer: of those who have none of their own
	changed chan struct{}   // closed when weather changes
	links   map[*link]struct{}
}

// anyPeer is whoever has no weather of their own.
const anyPeer = -1

// NewProxy listens on an address (port 0: any) for connections to target.
func NewProxy(address, target string, peerOf func(net.Addr) int) (*Proxy, error) {
	listener, err := net.Listen("tcp", address) //nolint:noctx // returns at once
	if err != nil {
		return nil, fmt.Errorf("proxy to %s: %w", target, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Proxy{
		Address: listener.Addr().String(), target: target, listener: listener, peerOf: peerOf, ctx: ctx, stop: stop,
		weather: make(map[int]Weather), changed: make(chan struct{}), links: make(map[*link]struct{}),
	}
	p.tasks.Go(p.accept)
	return p, nil
}

// Set changes the weather for everybody who has none of their own.
func (p *Proxy) Set(w Weather) { p.SetFor(anyPeer, w) }

// SetFor changes the weather for one peer.
func (p *Proxy) SetFor(peer int, w Weather) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.weather[peer] = w
	close(p.changed)
	p.changed = make(chan struct{})
}

// Clear makes the weather fair for everybody.
func (p *Proxy) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.weather)
	close(p.changed)
	p.changed = make(chan struct{})
}

// Close closes the proxy and its connections.
func (p *Proxy) Close() error {
	p.stop()
	err := p.listener.Close()
	p.mu.Lock()
	for l := range p.links {
		l.close()
	}
	p.mu.Unlock()
	p.tasks.Wait()
	return err
}

// now returns the weather of a peer, and what is closed when it changes.
func (p *Proxy) now(peer int) (Weather, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w, ok := p.weather[peer]
	if !ok {
		w = p.weather[anyPeer]
	}
	return w, p.changed
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.tasks.Go(func() { p.serve(conn) })
	}
}

// link is one connection through a proxy.
type link struct {
	proxy          *Proxy
	peer           int
	client, target net.Conn
}

func (l *link) close() {
	_ = l.client.Close()
	if l.target != nil {
		_ = l.target.Close()
	}
}

func (p *Proxy) serve(client net.Conn) {
	l := &link{proxy: p, peer: anyPeer, client: client}
	defer l.close()
	if p.peerOf != nil {
		l.peer = p.peerOf(client.RemoteAddr())
	}
	if !l.wait(func(w Weather) bool { return w.CutTo || w.CutFrom }) {
		return
	}
	target, err := new(net.Dialer).DialContext(p.ctx, "tcp", p.target)
	if err != nil {
		reset(client)
		return
	}
	l.target = target
	p.mu.Lock()
	closed := p.ctx.Err() != nil
	p.links[l] = struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	if closed {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { l.pump(client, target, func(w Weather) bool { return w.CutFrom }) })
	l.pump(target, client, func(w Weather) bool { return w.CutTo })
	back.Wait()
}

// pump passes bytes on until one side ends, and then passes the end on to the other. An end
// that is not a tidy one is passed on as a reset.
func (l *link) pump(to, from net.Conn, cut func(Weather) bool) {
	buffer := make([]byte, chunk)
	for {
		n, err := from.Read(buffer)
		if !l.wait(cut) {
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				reset(from)
				return
			}
		}
		if errors.Is(err, io.EOF) {
			if half, ok := to.(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			return
		}
		if err != nil {
			reset(to)
			return
		}
	}
}

// wait returns true when the weather lets something through, after its delay.
func (l *link) wait(cut func(Weather) bool) bool {
	for {
		w, changed := l.proxy.now(l.peer)
		var delay <-chan time.Time
		switch {
		case cut(w):
		case w.Delay == 0:
			return l.proxy.ctx.Err() == nil
		default:
			delay = time.After(w.Delay)
		}
		select {
		case <-l.proxy.ctx.Done():
			return false
		case <-delay:
			return true
		case <-changed:
		}
	}
}

// reset ends a connection as a process that dies does to its peers.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
