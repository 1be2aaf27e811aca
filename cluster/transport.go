package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Limits of the connections between nodes.
const (
	dialTimeout    = time.Second
	helloTimeout   = time.Second // to be told who speaks, or to be welcomed; TLS included
	connectTimeout = 3 * time.Second
	dialPause      = 25 * time.Millisecond
	acceptPause    = 500 * time.Millisecond // after a failure, as when no file may be opened
	pingEvery      = 500 * time.Millisecond
	lostAfter      = 2 * time.Second // without a pong, or with bytes that nobody takes
	silentFor      = 5 * time.Second // a member that does not even ping
)

// transport carries messages to the actors of other members. It takes the place of
// protoactor's remote (ADR 16).
//
// Members address each other by id, not by host and port: an address is good for one
// life of a process. So what was meant for a process that has died never reaches the
// one that took its port. Dialing turns the id into a host and port.
//
// It promises nothing: what is under way when a connection breaks is lost, and whoever
// waits for an answer asks again.
type transport struct {
	id      string
	system  *actor.ActorSystem
	replies *replies
	tls     *TLS
	logger  *slog.Logger
	dropped func(queue string)
	// addressOf gives where a member listens; empty: not known yet, or ended for good.
	addressOf func(id string) (address string, ended bool)

	listener net.Listener
	tasks    sync.WaitGroup
	closed   chan struct{}

	mu      sync.Mutex
	closing bool
	out     map[string]*outbound
	in      map[net.Conn]struct{}
}

func newTransport(n *Node) *transport {
	return &transport{
		id: n.ID, system: n.system, replies: n.replies, tls: n.cfg.TLS, logger: n.cfg.Logger, dropped: n.dropped,
		addressOf: n.membership.addressOf, closed: make(chan struct{}),
		out: map[string]*outbound{}, in: map[net.Conn]struct{}{},
	}
}

// start listens, lets the actor system find the actors of other members, and tells where
// it listens.
func (t *transport) start(bind string) (string, error) {
	listener, err := net.Listen("tcp", bind) //nolint:noctx // returns at once
	if err != nil {
		return "", fmt.Errorf("listen for other members: %w", err)
	}
	t.listener = listener
	t.system.ProcessRegistry.Address = t.id
	t.system.ProcessRegistry.RegisterAddressResolver(t.resolve)
	t.tasks.Go(t.accept)
	host, _, _ := net.SplitHostPort(bind) // it listens there
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return net.JoinHostPort(host, port), nil
}

// resolve implements actor.AddressResolver. Messages to a member that is gone are dead
// letters.
func (t *transport) resolve(pid *actor.PID) (actor.Process, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found := t.out[pid.Address]; found != nil {
		return found, true
	}
	if _, ended := t.addressOf(pid.Address); ended || t.closing {
		return nil, false
	}
	o := newOutbound(t, pid.Address)
	t.out[pid.Address] = o
	t.tasks.Go(o.run)
	return o, true
}

// disconnect ends the connection to a member that is gone.
func (t *transport) disconnect(id string) {
	t.mu.Lock()
	o := t.out[id]
	delete(t.out, id)
	t.mu.Unlock()
	if o != nil {
		o.end()
	}
}

// forget takes out a connection that has ended by itself; the next message makes a new one.
func (t *transport) forget(o *outbound) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out[o.peer] == o {
		delete(t.out, o.peer)
	}
}

// close ends all connections and waits until nothing of them is left. What is still sent
// gets lost.
func (t *transport) close() error {
	t.mu.Lock()
	t.closing = true
	out := t.out
	t.out = map[string]*outbound{}
	for conn := range t.in {
		_ = conn.Close() // its reader notices
	}
	t.mu.Unlock()
	close(t.closed)
	for _, o := range out {
		o.end()
	}
	err := t.listener.Close()
	t.tasks.Wait()
	return err
}

// accept takes connections of other members until the transport is closed.
func (t *transport) accept() {
	for {
		conn, err := t.listener.Accept()
		if err == nil {
			if t.admit(conn) {
				continue
			}
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		t.logger.Warn("connections of other members cannot be accepted", "error", err)
		select {
		case <-t.closed:
			return
		case <-time.After(acceptPause):
		}
	}
}

// admit has a connection read, if this is not the end.
func (t *transport) admit(conn net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing {
		_ = conn.Close()
		return false
	}
	t.in[conn] = struct{}{}
	t.tasks.Go(func() {
		newInbound(t, conn).run()
		_ = conn.Close()
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.in, conn)
	})
	return true
}

// secured gives a connection that was accepted TLS, if this node has it.
func (t *transport) secured(conn net.Conn) (net.Conn, error) {
	if t.tls == nil {
		return conn, nil
	}
	server := tls.Server(conn, t.tls.Server)
	err := server.HandshakeContext(context.Background()) // the connection has a deadline
	return server, err
}

// deadLetter tells whoever waits for an answer that none will come.
func (t *transport) deadLetter(target, sender *actor.PID) {
	if sender != nil {
		t.system.Root.Send(sender, &actor.DeadLetterResponse{Target: target})
	}
}

var errNoMember = errors.New("no such member")

// dial connects to a member. It goes on while the member exists but does not listen, or
// has not been heard of yet.
func (t *transport) dial(ctx context.Context, id string) (net.Conn, error) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	err := errNoMember
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("dial member %s: %w", id, errors.Join(err, ctx.Err()))
		case <-pause.C:
		}
		address, ended := t.addressOf(id)
		if ended {
			return nil, errNoMember
		}
		if address != "" {
			var conn net.Conn
			if conn, err = t.dialOnce(ctx, id, address); err == nil {
				return conn, nil
			}
		}
		pause.Reset(dialPause)
	}
}

// dialOnce gives a connection on which a member has said welcome.
func (t *transport) dialOnce(ctx context.Context, id, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if t.tls != nil {
		cfg := t.tls.Client.Clone()
		if cfg.ServerName == "" { // the host that the member advertises
			cfg.ServerName, _, _ = net.SplitHostPort(address)
		}
		conn = tls.Client(conn, cfg)
	}
	unhook := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err = greet(conn, id, t.id)
	if !unhook() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func greet(conn net.Conn, to, from string) error {
	if err := conn.SetDeadline(within(helloTimeout)); err != nil {
		return err
	}
	if _, err := conn.Write(hello(to, from)); err != nil {
		return err
	}
	answer := make([]byte, 1)
	if _, err := conn.Read(answer); err != nil {
		return fmt.Errorf("wait to be welcomed: %w", err)
	}
	if answer[0] != welcome {
		return errStrange
	}
	return conn.SetDeadline(time.Time{})
}
