package cluster

import (
	"context"
	"time"

	"google.golang.org/grpc"
)

// gatherFor is how long whatever is sent to a member waits at most for more to go with it.
// It is little beside the commit that most messages ask for.
const gatherFor = time.Millisecond

// gather makes protoactor's writer wait a moment after each batch of messages. A message
// that comes after a while goes at once; those that come meanwhile go together: a batch
// costs each side system calls and wake-ups, a message in it next to nothing.
func gather(
	ctx context.Context, description *grpc.StreamDesc, conn *grpc.ClientConn, method string,
	streamer grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	stream, err := streamer(ctx, description, conn, method, options...)
	if err != nil {
		return nil, err
	}
	return &gatheringStream{ClientStream: stream, pause: time.NewTimer(0)}, nil
}

// gatheringStream takes a batch, and returns when it is time for the next one.
type gatheringStream struct {
	grpc.ClientStream
	pause *time.Timer // of SendMsg, which is called by one goroutine at a time
}

// SendMsg implements grpc.ClientStream.
func (s *gatheringStream) SendMsg(message any) error {
	if err := s.ClientStream.SendMsg(message); err != nil {
		return err
	}
	s.pause.Reset(gatherFor)
	<-s.pause.C // not the stream's context too: asking for it early would cost gRPC's own retry
	return nil
}
