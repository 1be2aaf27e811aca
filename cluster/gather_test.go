package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
)

// sink is a stream that takes everything, or nothing.
type sink struct {
	grpc.ClientStream
	refuses error
	sent    []any
}

func (s *sink) SendMsg(message any) error {
	if s.refuses == nil {
		s.sent = append(s.sent, message)
	}
	return s.refuses
}

func opens(stream grpc.ClientStream, err error) grpc.Streamer {
	return func(
		context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		return stream, err
	}
}

func TestWritersWaitForMoreAfterEachBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		below := &sink{}
		stream, err := gather(t.Context(), nil, nil, "", opens(below, nil))
		require.NoError(t, err)
		took := func(message string) time.Duration {
			began := time.Now()
			require.NoError(t, stream.SendMsg(message))
			return time.Since(began)
		}
		require.Equal(t, gatherFor, took("first"))
		require.Equal(t, gatherFor, took("second"))
		require.Equal(t, []any{"first", "second"}, below.sent)

		began := time.Now()
		below.refuses = errors.New("the connection is lost")
		require.ErrorIs(t, stream.SendMsg("third"), below.refuses)
		require.Zero(t, time.Since(began))
	})
}

func TestStreamsThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	lost := errors.New("the connection is lost")
	_, err := gather(t.Context(), nil, nil, "", opens(nil, lost))
	require.ErrorIs(t, err, lost)
}
