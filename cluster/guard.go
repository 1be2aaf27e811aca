package cluster

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/asynkron/protoactor-go/remote"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// guardStream stands before protoactor's reader, which trusts what it reads: it crashes
// the process on a message of a type that it does not know or an index out of range.
func (n *Node) guardStream(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	if err := n.meant(stream); err != nil {
		return err
	}
	defer func() {
		if cause := recover(); cause != nil {
			n.cfg.Logger.Error("panic while reading from another member", "cause", cause)
			err = status.Errorf(codes.Internal, "panic: %v", cause)
		}
	}()
	return handler(server, &guardedStream{ServerStream: stream, node: n})
}

// meant refuses a connection to another process than this one: the caller dialed a
// member that had our port before us.
func (n *Node) meant(stream grpc.ServerStream) error {
	headers, _ := metadata.FromIncomingContext(stream.Context())
	if to := headers.Get(":authority"); len(to) != 1 || to[0] != n.ID {
		return status.Errorf(codes.Unavailable, "this is member %s, not %v", n.ID, to)
	}
	return nil
}

// guardedStream lets only what can be read through.
type guardedStream struct {
	grpc.ServerStream
	node *Node
}

// RecvMsg implements grpc.ServerStream.
func (s *guardedStream) RecvMsg(message any) error {
	if err := s.ServerStream.RecvMsg(message); err != nil {
		return err
	}
	if received, ok := message.(*remote.RemoteMessage); ok {
		s.node.sift(received.GetMessageBatch())
	}
	return nil
}

// sift takes out of a batch what this node cannot read, and tells the senders.
func (n *Node) sift(batch *remote.MessageBatch) {
	if batch == nil {
		return
	}
	unknown := -1
	for i, name := range batch.GetTypeNames() {
		if _, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name)); err != nil {
			n.cfg.Logger.Error("another member sends what this version does not know", "type", name)
			unknown = i
		}
	}
	readable := batch.Envelopes[:0]
	for _, envelope := range batch.GetEnvelopes() {
		if problem := n.unreadable(batch, envelope, unknown >= 0); problem != nil {
			n.refuse(batch, envelope, problem)
			continue
		}
		readable = append(readable, envelope)
	}
	clear(batch.Envelopes[len(readable):])
	batch.Envelopes = readable
}

// unreadable tells why an envelope cannot be read, if so.
func (n *Node) unreadable(batch *remote.MessageBatch, e *remote.MessageEnvelope, look bool) error {
	types, targets, senders := batch.GetTypeNames(), batch.GetTargets(), batch.GetSenders()
	switch {
	case e.GetTypeId() < 0 || int(e.GetTypeId()) >= len(types):
		return fmt.Errorf("type %d of %d", e.GetTypeId(), len(types))
	case e.GetTarget() < 0 || int(e.GetTarget()) >= len(targets):
		return fmt.Errorf("target %d of %d", e.GetTarget(), len(targets))
	case e.GetSender() < 0 || int(e.GetSender()) > len(senders): // 0 is none
		return fmt.Errorf("sender %d of %d", e.GetSender(), len(senders))
	case e.GetSerializerId() != 0: // protobuf
		return fmt.Errorf("serializer %d", e.GetSerializerId())
	case look:
		_, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(types[e.GetTypeId()]))
		return err
	}
	return nil
}

// refuse answers an unreadable message with a dead letter, if its sender can be told.
func (n *Node) refuse(batch *remote.MessageBatch, e *remote.MessageEnvelope, problem error) {
	n.cfg.Logger.Debug("unreadable message from another member", "problem", problem)
	i := int(e.GetSender()) - 1
	if i < 0 || i >= len(batch.GetSenders()) {
		return
	}
	from := batch.GetSenders()[i]
	n.system.Root.Send(&actor.PID{Address: from.GetAddress(), Id: from.GetId(), RequestId: e.GetSenderRequestId()},
		&actor.DeadLetterResponse{})
}
