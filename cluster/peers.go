package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"boxoffice/cluster/nodes"
)

const (
	// maxNotifications is how many messages wait to be sent to a member.
	maxNotifications = 8192

	// If a member does not answer a ping within lostAfter, the connection to it is closed
	// and dialed again. gRPC's own pings come every 10 s at most; they are enabled because
	// with them the kernel gives up unacknowledged bytes sooner.
	pingEvery   = 500 * time.Millisecond
	lostAfter   = 1500 * time.Millisecond
	grpcPing    = 10 * time.Second
	dialTimeout = 2 * time.Second // TLS included
	minRedial   = 25 * time.Millisecond
	maxRedial   = 250 * time.Millisecond
)

// peers are the connections to the other members, one to each that is there and can talk
// with this node.
type peers struct {
	node *Node

	mu    sync.RWMutex
	known map[string]*connection // by member id; nil: the node is closed
	tasks sync.WaitGroup
}

// adopt connects to the new members of a view, and ends the connections to those that are
// gone: calls under way on them fail at once.
func (p *peers) adopt(v *view) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		return
	}
	there := map[string]bool{}
	for _, member := range v.peers {
		if member.id == p.node.ID || !p.node.dialect.talks(member.dialect) {
			continue
		}
		there[member.id] = true
		if p.known[member.id] == nil {
			c, err := p.connect(member)
			if err != nil {
				p.node.cfg.Logger.Error("another member cannot be called", "member", member.id, "error", err)
				continue
			}
			p.known[member.id] = c
		}
	}
	for id, c := range p.known {
		if !there[id] {
			delete(p.known, id)
			c.end()
		}
	}
}

// close ends all connections, and waits for their goroutines.
func (p *peers) close() {
	p.mu.Lock()
	for _, c := range p.known {
		c.end()
	}
	p.known = nil
	p.mu.Unlock()
	p.tasks.Wait()
}

func (p *peers) get(id string) *connection {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.known[id]
}

// call sends a message to a grain of another member and returns its answer.
func (p *peers) call(ctx context.Context, pid *actor.PID, message proto.Message) (proto.Message, error) {
	c := p.get(pid.Address)
	if c == nil {
		return nil, p.missing(pid.Address)
	}
	kind, id := parseName(pid.Id)
	content, err := anypb.New(message)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "encode %T: %v", message, err)
	}
	response, err := c.service.Call(ctx, &nodes.CallRequest{Kind: kind, Id: id, Message: content})
	if err != nil {
		return nil, err
	}
	reply, err := response.GetAnswer().UnmarshalNew()
	if err != nil {
		return nil, errors.Join(errAnswer, err)
	}
	return reply, nil
}

// notify queues a message for a grain of another member; false: it was dropped.
func (p *peers) notify(pid *actor.PID, message proto.Message) bool {
	c := p.get(pid.Address)
	if c == nil {
		return false
	}
	content, err := anypb.New(message)
	if err != nil {
		return false
	}
	kind, id := parseName(pid.Id)
	select {
	case c.notifications <- &nodes.Notification{Kind: kind, Id: id, Message: content}:
		return true
	default:
		return false
	}
}

// missing returns why there is no connection to a member.
func (p *peers) missing(id string) error {
	if v := p.node.placement.view.Load(); v != nil {
		for _, member := range v.peers {
			if member.id == id && !p.node.dialect.talks(member.dialect) {
				return errNotSpoken
			}
		}
	}
	return errGone
}

// connection is the connection to one member.
type connection struct {
	peers         *peers
	to            *peer
	grpc          *grpc.ClientConn
	service       nodes.NodeClient
	notifications chan *nodes.Notification
	ctx           context.Context // ends with the connection
	end           context.CancelFunc

	mu     sync.Mutex
	socket net.Conn // the last one that was dialed
}

// connect returns a connection to a member. A member that cannot be reached now is dialed
// again and again. The caller holds mu.
func (p *peers) connect(to *peer) (*connection, error) {
	c := &connection{peers: p, to: to, notifications: make(chan *nodes.Notification, maxNotifications)}
	dial := backoff.Config{BaseDelay: minRedial, Multiplier: 2, Jitter: 0.2, MaxDelay: maxRedial}
	var err error
	c.grpc, err = grpc.NewClient("passthrough:///"+to.address,
		grpc.WithTransportCredentials(credentials.NewTLS(p.node.tls.Client)),
		grpc.WithPerRPCCredentials(meant{memberKey: to.id}),
		grpc.WithContextDialer(c.dial),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: dial, MinConnectTimeout: dialTimeout}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: grpcPing, Timeout: lostAfter, PermitWithoutStream: true}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessageBytes), grpc.MaxCallSendMsgSize(maxMessageBytes)),
	)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", to.address, err)
	}
	c.service = nodes.NewNodeClient(c.grpc)
	c.ctx, c.end = context.WithCancel(context.Background())
	p.tasks.Go(c.watch)
	p.tasks.Go(c.notify)
	return c, nil
}

// meant tells the callee which member the caller means. gRPC sends it with each call, as
// credentials.
type meant map[string]string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (m meant) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return m, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (meant) RequireTransportSecurity() bool { return true }

func (c *connection) dial(ctx context.Context, address string) (net.Conn, error) {
	socket, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err == nil {
		c.mu.Lock()
		c.socket = socket
		c.mu.Unlock()
	}
	return socket, err
}

// watch pings the member until the connection ends. A socket on which pings get lost is
// closed, and the calls that wait for answers on it fail.
func (c *connection) watch() {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	var silent error
	for {
		ctx, cancel := context.WithTimeout(c.ctx, lostAfter)
		_, err := c.service.Ping(ctx, &emptypb.Empty{})
		cancel()
		log := c.peers.node.cfg.Logger.With("member", c.to.id, "address", c.to.address)
		switch {
		case c.ctx.Err() != nil:
		case err != nil && silent == nil:
			log.Info("another member cannot be reached", "error", err)
		case err == nil && silent != nil:
			log.Info("another member can be reached again")
		}
		silent = err
		if status.Code(err) == codes.DeadlineExceeded {
			c.cut()
		}
		select {
		case <-c.ctx.Done():
			_ = c.grpc.Close() // nobody waits for anything that could be lost
			return
		case <-tick.C:
		}
	}
}

func (c *connection) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket != nil {
		_ = c.socket.Close() // whoever uses it notices
	}
}

// notify sends notifications until the connection ends. Notifications in flight when a
// stream breaks may be lost.
func (c *connection) notify() {
	var stream grpc.ClientStreamingClient[nodes.Notification, emptypb.Empty]
	for {
		select {
		case <-c.ctx.Done():
			return
		case n := <-c.notifications:
			var err error
			if stream == nil {
				stream, err = c.service.Notify(c.ctx)
			}
			if err == nil {
				err = stream.Send(n)
			}
			if err != nil {
				stream = nil
				c.peers.node.dropped("notifications")
			}
		}
	}
}
