package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	protocluster "github.com/asynkron/protoactor-go/cluster"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"boxoffice/cluster/nodes"
)

const (
	// maxMessageBytes is what a message between nodes may take, either way.
	maxMessageBytes  = 64 << 20
	maxHeaderBytes   = 16 << 10
	handshakeTimeout = 2 * time.Second
	// A member that asks nothing is pinged, so that the resources of one that fell off the
	// network are freed.
	idlePing    = 5 * time.Second
	idleTimeout = 2 * time.Second

	// memberKey is the metadata in which a caller says which member it means.
	memberKey = "member"
)

// service is what this node offers the others. It validates everything that it reads.
type service struct {
	nodes.UnimplementedNodeServer
	node *Node
}

// listen starts to serve the other members, and returns its address.
func (n *Node) listen(bind string) (string, error) {
	listener, err := net.Listen("tcp", bind) //nolint:noctx // returns at once
	if err != nil {
		return "", fmt.Errorf("listen for other members: %w", err)
	}
	s := service{node: n}
	// How many calls are under way has no limit: the callers are members, whose requests HTTP
	// limits, and pings and notifications must not wait until calls end.
	n.server = grpc.NewServer(
		grpc.Creds(credentials.NewTLS(n.tls.Server)),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.MaxRecvMsgSize(maxMessageBytes),
		grpc.MaxSendMsgSize(maxMessageBytes),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: idlePing, Timeout: idleTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: idlePing, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
	)
	nodes.RegisterNodeServer(n.server, s)
	n.tasks.Go(func() {
		if err := n.server.Serve(listener); err != nil {
			n.cfg.Logger.Error("other members are not served any more", "error", err)
		}
	})
	host, _, _ := net.SplitHostPort(bind) // valid, as it was listened on
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return net.JoinHostPort(host, port), nil
}

func (s service) unary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (response any, err error) {
	defer s.recover(&err)
	if err := s.admit(ctx); err != nil {
		return nil, err
	}
	return handle(ctx, request)
}

func (s service) stream(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer s.recover(&err)
	if err := s.admit(stream.Context()); err != nil {
		return err
	}
	return handle(server, stream)
}

// admit refuses calls meant for another member, such as one that had this address before.
func (s service) admit(ctx context.Context) error {
	if meant := metadata.ValueFromIncomingContext(ctx, memberKey); len(meant) != 1 || meant[0] != s.node.ID {
		return status.Errorf(codes.FailedPrecondition, "this is member %s, not %q", s.node.ID, meant)
	}
	return nil
}

func (s service) recover(err *error) {
	if cause := recover(); cause != nil {
		s.node.cfg.Logger.Error("panic while serving another member", "cause", cause)
		*err = status.Error(codes.Internal, "panic")
	}
}

// Ping implements nodes.NodeServer.
func (service) Ping(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// Call implements nodes.NodeServer.
func (s service) Call(ctx context.Context, r *nodes.CallRequest) (*nodes.CallResponse, error) {
	k, message, err := s.read(r.GetKind(), r.GetId(), r.GetMessage())
	if err != nil {
		return nil, err
	}
	pid, err := s.node.placement.activate(k)
	if err != nil {
		return nil, status.Error(codes.Aborted, err.Error())
	}
	reply, err := s.node.ask(ctx, pid, message)
	switch {
	case errors.Is(err, errAnswer):
		return nil, status.Error(codes.Internal, err.Error())
	case ctx.Err() != nil:
		return nil, status.FromContextError(ctx.Err()).Err()
	case err != nil:
		return nil, status.Error(codes.Aborted, err.Error())
	}
	content, err := anypb.New(reply)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "encode %T: %v", reply, err)
	}
	return &nodes.CallResponse{Answer: content}, nil
}

// Notify implements nodes.NodeServer.
func (s service) Notify(stream grpc.ClientStreamingServer[nodes.Notification, emptypb.Empty]) error {
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&emptypb.Empty{})
		}
		if err != nil {
			return err
		}
		k, message, err := s.read(r.GetKind(), r.GetId(), r.GetMessage())
		if err != nil {
			s.node.cfg.Logger.Warn("another member notifies of what this one does not know", "error", err)
			continue
		}
		if pid, err := s.node.placement.activate(k); err == nil {
			s.node.system.Root.Send(pid, message)
		}
	}
}

// read decodes a message and the key of its grain. It fails with Unimplemented for types
// that this release does not know.
func (s service) read(kind, id string, content *anypb.Any) (key, proto.Message, error) {
	k, err := s.node.placement.parse(protocluster.NewClusterIdentity(id, kind))
	if err != nil {
		return key{}, nil, status.Error(codes.Unimplemented, err.Error())
	}
	message, err := content.UnmarshalNew()
	if err != nil {
		code := codes.InvalidArgument
		if errors.Is(err, protoregistry.NotFound) {
			code = codes.Unimplemented
		}
		return key{}, nil, status.Errorf(code, "message %q: %v", content.GetTypeUrl(), err)
	}
	return k, message, nil
}
