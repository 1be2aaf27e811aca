package cluster

import (
	"bufio"
	"errors"
	"io"
	"net"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

const (
	readBufferBytes = 64 << 10
	// maxTypes bounds the names of messages that are remembered for a connection.
	maxTypes = 256
)

// inbound hands what comes over a connection of another member to the actors here. It
// trusts nothing that it reads.
type inbound struct {
	transport *transport
	conn      net.Conn
	buffered  *bufio.Reader
	from      string                              // who speaks
	types     map[string]protoreflect.MessageType // by name; nil: this version has none
}

func newInbound(t *transport, conn net.Conn) *inbound {
	return &inbound{transport: t, conn: conn, types: map[string]protoreflect.MessageType{}}
}

// run reads until the connection ends. What cannot be read at all ends it; the member
// dials anew.
func (i *inbound) run() {
	t := i.transport
	defer func() {
		if cause := recover(); cause != nil {
			t.logger.Error("panic while reading from another member", "member", i.from, "cause", cause)
		}
	}()
	if err := i.greet(); err != nil {
		t.logger.Debug("connection refused", "address", i.conn.RemoteAddr(), "error", err)
		return
	}
	switch err := i.read(); {
	case errors.Is(err, errStrange), errors.Is(err, errTooLong):
		t.logger.Error("another member does not make sense", "member", i.from, "error", err)
	case !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed): // the member, or this node, has not ended it
		t.logger.Debug("connection of another member lost", "member", i.from, "error", err)
	}
}

// greet finds out who speaks, and whether they mean this node.
func (i *inbound) greet() error {
	if err := i.conn.SetDeadline(within(helloTimeout)); err != nil {
		return err
	}
	conn, err := i.transport.secured(i.conn)
	if err != nil {
		return err
	}
	i.conn = conn
	i.buffered = bufio.NewReaderSize(conn, readBufferBytes)
	if i.from, err = readHello(i.buffered, i.transport.id); err != nil {
		return err
	}
	_, err = i.conn.Write([]byte{welcome})
	return err
}

func (i *inbound) read() error {
	if err := i.conn.SetDeadline(within(silentFor)); err != nil {
		return err
	}
	var content, buffer []byte
	var err error
	for {
		if content, buffer, err = readFrame(i.buffered, buffer); err != nil {
			return err
		}
		if len(content) > 0 {
			if err := i.deliver(content); err != nil {
				return err
			}
			if cap(buffer) > maxSpareBytes {
				buffer = nil
			}
			continue
		}
		if err := i.conn.SetDeadline(within(silentFor)); err != nil {
			return err
		}
		if _, err := i.conn.Write([]byte{pong}); err != nil {
			return err
		}
	}
}

// deliver hands a message to its actor. Who sends one that this version cannot read is
// told so with a dead letter.
func (i *inbound) deliver(content []byte) error {
	f, err := parseFrame(content)
	if err != nil {
		return err
	}
	t := i.transport
	kind := i.typeOf(f.name)
	if kind == nil {
		t.deadLetter(i.target(f), i.sender(f))
		return nil
	}
	message := kind.New().Interface()
	if err := proto.Unmarshal(f.message, message); err != nil {
		return errors.Join(errStrange, err)
	}
	if string(f.target) == repliesName { // half of what comes: no process need be looked for
		t.replies.arrive(f.targetRequest, message)
		return nil
	}
	target, sender := i.target(f), i.sender(f)
	if sender == nil {
		t.system.Root.Send(target, message)
	} else {
		t.system.Root.Send(target, &actor.MessageEnvelope{Message: message, Sender: sender})
	}
	return nil
}

func (i *inbound) target(f frame) *actor.PID {
	return &actor.PID{Address: i.transport.id, Id: string(f.target), RequestId: f.targetRequest}
}

// sender is nil if nobody waits for an answer.
func (i *inbound) sender(f frame) *actor.PID {
	if len(f.sender) == 0 {
		return nil
	}
	sender := &actor.PID{Address: i.from, Id: string(f.sender), RequestId: f.senderRequest}
	if len(f.senderAddress) > 0 {
		sender.Address = string(f.senderAddress)
	}
	return sender
}

// typeOf gives the type of messages with a name; nil if there is none.
func (i *inbound) typeOf(name []byte) protoreflect.MessageType {
	if found, known := i.types[string(name)]; known {
		return found
	}
	found, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name))
	if err != nil {
		i.transport.logger.Error("another member sends what this version does not know", "type", string(name), "member", i.from)
		found = nil
	}
	if len(i.types) < maxTypes {
		i.types[string(name)] = found
	}
	return found
}
