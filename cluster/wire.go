package cluster

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"
)

// What members say to each other. A connection carries the messages of the member that
// dialed it; answers come over the other one's own. Who dials begins with a hello:
//
//	"boxoffice/1\n", the id that is meant, the id that speaks
//
// and whoever is meant answers with the byte welcome. Anybody else closes the connection:
// the dialer thinks of a process that had this port before. Then come frames: four
// bytes with the size of the rest, most significant first, and
//
//	the message's protobuf name
//	target: id, request id
//	sender: address (empty: whoever speaks), id (empty: there is no sender), request id
//	the message, up to the frame's end
//
// A text is its length and its bytes; lengths and request ids are varints. An empty frame is
// a ping, which is answered with the byte pong. Frames refer to nothing that came before
// them, so a connection can be lost between any two.
const (
	greeting = "boxoffice/1\n"
	welcome  = 'w'
	pong     = 'p'

	sizeBytes = 4
	// maxFrameBytes is what a message may take; a longer one ends the connection.
	maxFrameBytes = 64 << 20
	// maxTextBytes bounds ids and names.
	maxTextBytes = 1024
)

var (
	errStrange = errors.New("it does not speak as a member does")
	errMeant   = errors.New("it means another member")
	errTooLong = errors.New("longer than a frame may be")
)

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func hello(to, from string) []byte {
	return appendText(appendText([]byte(greeting), to), from)
}

// readHello reads who speaks to the member with an id.
func readHello(r *bufio.Reader, id string) (from string, err error) {
	start := make([]byte, len(greeting))
	if _, err := io.ReadFull(r, start); err != nil {
		return "", err
	}
	if string(start) != greeting {
		return "", errStrange
	}
	to, err := readText(r)
	if err != nil {
		return "", err
	}
	if to != id {
		return "", errMeant
	}
	return readText(r)
}

func readText(r *bufio.Reader) (string, error) {
	length, err := binary.ReadUvarint(r)
	if err != nil {
		return "", err
	}
	if length > maxTextBytes {
		return "", errStrange
	}
	text := make([]byte, length)
	_, err = io.ReadFull(r, text)
	return string(text), err
}

// appendPing appends an empty frame.
func appendPing(b []byte) []byte { return append(b, make([]byte, sizeBytes)...) }

// appendFrame appends a message of the member with an id; if it cannot, b is unchanged.
// The sender is nil if nobody waits for an answer.
func appendFrame(b []byte, self string, target, sender *actor.PID, message proto.Message) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, sizeBytes)...)
	b = appendText(b, string(message.ProtoReflect().Descriptor().FullName()))
	b = appendText(b, target.Id)
	b = binary.AppendUvarint(b, uint64(target.RequestId))
	address := sender.GetAddress()
	if address == self {
		address = ""
	}
	b = appendText(b, address)
	b = appendText(b, sender.GetId())
	b = binary.AppendUvarint(b, uint64(sender.GetRequestId()))
	b, err := proto.MarshalOptions{}.MarshalAppend(b, message)
	if err == nil && len(b)-start-sizeBytes > maxFrameBytes {
		err = errTooLong
	}
	if err != nil {
		return b[:start], fmt.Errorf("encode %T: %w", message, err)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-sizeBytes))
	return b, nil
}

// frame is what a member says, as it came. Its parts are good until the next one is read.
type frame struct {
	name          []byte
	target        []byte
	targetRequest uint32
	senderAddress []byte
	sender        []byte
	senderRequest uint32
	message       []byte
}

// readFrame reads the next frame into a buffer that it may replace. An empty one is a ping.
func readFrame(r *bufio.Reader, buffer []byte) (content, used []byte, err error) {
	head, err := r.Peek(sizeBytes)
	if err != nil {
		return nil, buffer, err
	}
	size := int(binary.BigEndian.Uint32(head))
	if size > maxFrameBytes {
		return nil, buffer, errTooLong
	}
	_, _ = r.Discard(sizeBytes) // they are there
	// Memory is taken as the bytes come, not as they are announced.
	buffer = buffer[:0]
	for len(buffer) < size {
		const step = 64 << 10
		have := len(buffer)
		buffer = append(buffer, make([]byte, min(step, size-have))...)
		if _, err := io.ReadFull(r, buffer[have:]); err != nil {
			return nil, buffer, err
		}
	}
	return buffer, buffer, nil
}

// parseFrame takes a frame that is no ping apart.
func parseFrame(content []byte) (f frame, err error) {
	p := parser{left: content}
	f.name = p.text()
	f.target, f.targetRequest = p.text(), p.request()
	f.senderAddress, f.sender, f.senderRequest = p.text(), p.text(), p.request()
	f.message = p.left
	if p.failed || len(f.name) == 0 || len(f.target) == 0 {
		return frame{}, errStrange
	}
	return f, nil
}

// parser takes parts off a frame until one of them is not there.
type parser struct {
	left   []byte
	failed bool
}

func (p *parser) number() uint64 {
	value, length := binary.Uvarint(p.left)
	if length <= 0 {
		p.failed, p.left = true, nil
		return 0
	}
	p.left = p.left[length:]
	return value
}

func (p *parser) request() uint32 {
	value := p.number()
	if value > 1<<32-1 {
		p.failed = true
	}
	return uint32(value)
}

func (p *parser) text() []byte {
	length := p.number()
	if length > min(maxTextBytes, uint64(len(p.left))) {
		p.failed, p.left = true, nil
		return nil
	}
	text := p.left[:length]
	p.left = p.left[length:]
	return text
}
