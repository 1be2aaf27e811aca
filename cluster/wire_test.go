package cluster

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"
)

func TestFramesCarryMessages(t *testing.T) {
	t.Parallel()
	text := rapid.StringN(1, 40, maxTextBytes)
	pids := rapid.Custom(func(t *rapid.T) *actor.PID {
		return &actor.PID{
			Address:   rapid.SampledFrom([]string{"self", "another"}).Draw(t, "address"),
			Id:        text.Draw(t, "id"),
			RequestId: rapid.Uint32().Draw(t, "request"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		type sent struct {
			target, sender *actor.PID
			message        *wrapperspb.BytesValue
		}
		var all []sent
		for range rapid.IntRange(1, 5).Draw(t, "messages") {
			s := sent{target: pids.Draw(t, "target"), message: wrapperspb.Bytes(rapid.SliceOfN(rapid.Byte(), 0, 200_000).Draw(t, "message"))}
			if rapid.Bool().Draw(t, "asks") {
				s.sender = pids.Draw(t, "sender")
			}
			all = append(all, s)
			var err error
			stream, err = appendFrame(stream, "self", s.target, s.sender, s.message)
			require.NoError(t, err)
			stream = appendPing(stream)
		}
		r := bufio.NewReaderSize(bytes.NewReader(stream), rapid.IntRange(16, 100_000).Draw(t, "buffer"))
		var content, buffer []byte
		var err error
		for _, s := range all {
			content, buffer, err = readFrame(r, buffer)
			require.NoError(t, err)
			f, err := parseFrame(content)
			require.NoError(t, err)
			require.Equal(t, "google.protobuf.BytesValue", string(f.name))
			require.Equal(t, s.target.Id, string(f.target))
			require.Equal(t, s.target.RequestId, f.targetRequest)
			require.Equal(t, s.sender.GetId(), string(f.sender))
			require.Equal(t, s.sender.GetRequestId(), f.senderRequest)
			require.Equal(t, s.sender.GetAddress() == "another", string(f.senderAddress) == "another")
			got := new(wrapperspb.BytesValue)
			require.NoError(t, proto.Unmarshal(f.message, got))
			require.True(t, proto.Equal(s.message, got))
			content, buffer, err = readFrame(r, buffer)
			require.NoError(t, err)
			require.Empty(t, content, "a ping")
		}
		_, _, err = readFrame(r, buffer)
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestHello(t *testing.T) {
	t.Parallel()
	read := func(said []byte) (string, error) { return readHello(bufio.NewReader(bytes.NewReader(said)), "me") }
	from, err := read(hello("me", "you"))
	require.NoError(t, err)
	require.Equal(t, "you", from)
	_, err = read(hello("who was here before", "you"))
	require.ErrorIs(t, err, errMeant)
	_, err = read([]byte("GET / HTTP/1.1\r\n"))
	require.ErrorIs(t, err, errStrange)
	_, err = read(hello(strings.Repeat("x", maxTextBytes+1), "you"))
	require.ErrorIs(t, err, errStrange)
	for length := range len(hello("me", "you")) {
		_, err = read(hello("me", "you")[:length])
		require.Error(t, err, length)
	}
}

func TestMessagesThatAreTooLong(t *testing.T) {
	t.Parallel()
	before := []byte("before")
	after, err := appendFrame(before, "self", actor.NewPID("you", "somebody"), nil, wrapperspb.Bytes(make([]byte, maxFrameBytes)))
	require.ErrorIs(t, err, errTooLong)
	require.Equal(t, "before", string(after))
	_, _, err = readFrame(bufio.NewReader(bytes.NewReader(binary.BigEndian.AppendUint32(nil, maxFrameBytes+1))), nil)
	require.ErrorIs(t, err, errTooLong)
}

func FuzzFrames(f *testing.F) {
	frame, err := appendFrame(nil, "self", actor.NewPID("you", "somebody"), actor.NewPID("me", "replies"), wrapperspb.Int64(1))
	require.NoError(f, err)
	f.Add(frame)
	f.Add(appendPing(frame))
	f.Add([]byte{0, 0, 0, 1, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bufio.NewReader(bytes.NewReader(stream))
		var buffer []byte
		for {
			var content []byte
			var err error
			if content, buffer, err = readFrame(r, buffer); err != nil {
				return
			}
			parts, err := parseFrame(content)
			if err != nil {
				continue
			}
			// What was understood is part of what came.
			total := len(parts.name) + len(parts.target) + len(parts.senderAddress) + len(parts.sender) + len(parts.message)
			require.Less(t, total, len(content))
			require.NotEmpty(t, parts.name)
			require.NotEmpty(t, parts.target)
		}
	})
}
