package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// Limits of the connections between nodes.
const (
	writerQueue   = 1024     // what protoactor allocates per peer at once; it grows
	maxBatchBytes = 64 << 20 // of a batch of messages; a larger one would tear the stream
	// windowBytes is what may be on its way without being acknowledged. One that gRPC finds
	// itself costs a ping, its answer and an update for each batch.
	windowBytes    = 4 << 20
	dialTimeout    = time.Second
	dialPause      = 25 * time.Millisecond
	connectTimeout = 3 * time.Second // for all dials of one connection
	keepAlive      = 10 * time.Second
	lostAfter      = 2 * time.Second // unacknowledged data or pings after which a connection is lost
	portAttempts   = 5               // to find a port that is free
)

// Members address each other by id, not by host and port: an address is good for one
// life of a process. So what was meant for a process that has died never reaches the
// one that took its port, and protoactor's late news of a lost connection, which names
// nothing but the address, cannot cut the connection to the successor. Dialing turns
// the id into a host and port.

// startRemote starts protoactor's remote and gives where it listens.
func (n *Node) startRemote() (string, error) {
	host, port, err := net.SplitHostPort(n.cfg.Bind)
	if err != nil {
		return "", fmt.Errorf("bind address: %w", err)
	}
	for attempt := 1; ; attempt++ {
		number, err := choosePort(host, port)
		if err != nil {
			return "", err
		}
		r := remote.NewRemote(n.system, n.remoteConfig(host, number))
		err = startListening(r)
		if err == nil {
			n.remote = r
			return net.JoinHostPort(host, strconv.Itoa(number)), nil
		}
		if port != "0" || attempt == portAttempts {
			return "", err
		}
	}
}

// choosePort gives a port's number. For port 0 it looks for a free one, because the
// remote does not tell which one it was given; somebody may be faster to take it.
func choosePort(host, port string) (int, error) {
	if port != "0" {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("port to bind: %w", err)
		}
		return int(number), nil
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port)) //nolint:noctx // returns at once
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	if err := listener.Close(); err != nil || !ok {
		return 0, fmt.Errorf("find a free port: %w", errors.Join(err, errors.ErrUnsupported))
	}
	return address.Port, nil
}

// startListening starts a remote, which panics when it cannot listen.
func startListening(r *remote.Remote) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("start the remote: %v", cause)
		}
	}()
	r.Start()
	return nil
}

func (n *Node) remoteConfig(host string, port int) *remote.Config {
	server, client := n.credentials()
	cfg := remote.Configure(host, port,
		remote.WithAdvertisedHost(n.ID),
		remote.WithEndpointWriterQueueSize(writerQueue),
		remote.WithServerOptions(
			grpc.Creds(server),
			grpc.MaxRecvMsgSize(maxBatchBytes),
			grpc.MaxSendMsgSize(maxBatchBytes),
			grpc.StaticStreamWindowSize(windowBytes),
			grpc.StaticConnWindowSize(windowBytes),
			grpc.StreamInterceptor(n.guardStream),
			grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepAlive / 2, PermitWithoutStream: true}),
			grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepAlive, Timeout: lostAfter}),
		),
		remote.WithDialOptions(
			grpc.WithTransportCredentials(client),
			grpc.WithContextDialer(n.dial),
			grpc.WithStreamInterceptor(gather),
			grpc.WithStaticStreamWindowSize(windowBytes),
			grpc.WithStaticConnWindowSize(windowBytes),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: dialPause, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
				MinConnectTimeout: connectTimeout,
			}),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepAlive, Timeout: lostAfter, PermitWithoutStream: true}),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxBatchBytes), grpc.MaxCallSendMsgSize(maxBatchBytes)),
		))
	// With more attempts the first failure is told late, when another connection may
	// already stand.
	cfg.MaxRetryCount = 1
	return cfg
}

// credentials gives those of the server and those of the client.
func (n *Node) credentials() (server, client credentials.TransportCredentials) {
	if n.cfg.TLS == nil {
		return insecure.NewCredentials(), insecure.NewCredentials()
	}
	return credentials.NewTLS(n.cfg.TLS.Server), memberCredentials{
		TransportCredentials: credentials.NewTLS(n.cfg.TLS.Client), node: n,
	}
}

// memberCredentials verify a member by the host that it advertises, where gRPC would
// verify the name that it dials, an id.
type memberCredentials struct {
	credentials.TransportCredentials
	node *Node
}

// ClientHandshake implements credentials.TransportCredentials.
func (c memberCredentials) ClientHandshake(ctx context.Context, id string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	address, _ := c.node.membership.addressOf(id)
	return c.TransportCredentials.ClientHandshake(ctx, address, conn)
}

// Info implements credentials.TransportCredentials. A server name would take the place
// of the id in what gRPC sends.
func (c memberCredentials) Info() credentials.ProtocolInfo {
	info := c.TransportCredentials.Info()
	info.ServerName = "" //nolint:staticcheck // gRPC still heeds it
	return info
}

// Clone implements credentials.TransportCredentials.
func (c memberCredentials) Clone() credentials.TransportCredentials {
	return memberCredentials{TransportCredentials: c.TransportCredentials.Clone(), node: c.node}
}

var errNoMember = errors.New("no such member")

// dial connects to a member. It goes on while the member exists but does not listen, or
// has not been heard of yet: protoactor sleeps for 2 s after a failure.
func (n *Node) dial(ctx context.Context, id string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	pause := time.NewTimer(0)
	defer pause.Stop()
	err := errNoMember
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("dial member %s: %w", id, errors.Join(err, ctx.Err()))
		case <-n.closed:
			return nil, errClosed
		case <-pause.C:
		}
		address, ended := n.membership.addressOf(id)
		if ended {
			return nil, fmt.Errorf("dial member %s: %w", id, errNoMember)
		}
		if address != "" {
			var conn net.Conn
			if conn, err = dialer.DialContext(ctx, "tcp", address); err == nil {
				return conn, nil
			}
		}
		pause.Reset(dialPause)
	}
}

// disconnect ends the connection to a member that is gone.
func (n *Node) disconnect(id string) {
	n.system.EventStream.Publish(&remote.EndpointTerminatedEvent{Address: id})
}

// stopRemote ends the connections to the other members and those from them. What is
// still sent then gets lost. (Remote.Shutdown would do it gracefully: it waits 10 s for
// peers, and panics if somebody still sends.)
func (n *Node) stopRemote() {
	if v := n.placement.view.Load(); v != nil {
		for _, p := range v.peers {
			if p.id != n.ID {
				n.disconnect(p.id)
			}
		}
	}
	n.remote.Shutdown(false)
}
