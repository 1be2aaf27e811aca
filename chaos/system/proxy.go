package system

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
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
	// CommitDelay is added to each answer to a commit.
	CommitDelay time.Duration
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
	losses  int // answers to commits that are still to be lost
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

// Silence makes the connections that there are dead for good, as those to a host that lost
// its power: nothing is passed on any more. New ones are served.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.silent.Store(true)
	}
}

// LoseAnswers swallows the answers to the next commits, so many, and ends the connections
// that they were to come on.
func (p *Proxy) LoseAnswers(count int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.losses = count
}

// losesAnswer reports whether the answer to a commit is to be lost.
func (p *Proxy) losesAnswer() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.losses == 0 {
		return false
	}
	p.losses--
	return true
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
	silent         atomic.Bool
	commits        atomic.Bool // a commit was sent that is not answered yet
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
	back.Go(func() { l.pump(client, target, func(w Weather) bool { return w.CutFrom }, l.answered) })
	l.pump(target, client, func(w Weather) bool { return w.CutTo }, l.asked)
	back.Wait()
}

// asked looks at what a client sends.
func (l *link) asked(sent []byte) bool {
	if isCommit(sent) {
		l.commits.Store(true)
	}
	return true
}

// answered looks at what comes back, and reports whether it is to be passed on.
func (l *link) answered(sent []byte) bool {
	if !l.commits.Load() || !isOver(sent) {
		return true
	}
	l.commits.Store(false)
	if l.proxy.losesAnswer() {
		return false
	}
	w, _ := l.proxy.now(l.peer)
	delay := time.NewTimer(w.CommitDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
		return true
	case <-l.proxy.ctx.Done():
		return false
	}
}

// pump passes bytes on until one side ends, and then passes the end on to the other. An end
// that is not a tidy one is passed on as a reset, as is what look does not let pass.
func (l *link) pump(to, from net.Conn, cut func(Weather) bool, look func([]byte) bool) {
	buffer := make([]byte, chunk)
	for {
		n, err := from.Read(buffer)
		if l.silent.Load() && err == nil {
			continue
		}
		if !l.wait(cut) {
			return
		}
		if n > 0 {
			if !look(buffer[:n]) {
				reset(to)
				reset(from)
				return
			}
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
