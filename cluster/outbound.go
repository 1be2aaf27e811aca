package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"
)

const (
	// gatherFor is how long whatever is sent to a member waits at most for more to go with it.
	// It is little beside the commit that most messages ask for.
	gatherFor = time.Millisecond
	// maxUnsent bounds the bytes that wait to be written to a member; what comes then is
	// dropped.
	maxUnsent = maxFrameBytes
	// maxSpareBytes is how large a buffer may be to be used again.
	maxSpareBytes = 1 << 20
)

var errFull = errors.New("too much waits to be sent to the member")

// outbound is the way to another member: the process behind all PIDs that have its address.
// It connects when there is something to send, and again when the connection was lost.
type outbound struct {
	transport *transport
	peer      string
	ctx       context.Context // ends when the member is gone
	end       context.CancelFunc
	kick      chan struct{} // there is something to send

	mu     sync.Mutex
	unsent []byte // frames
	spare  []byte // empty, to be used next
}

func newOutbound(t *transport, peer string) *outbound {
	o := &outbound{transport: t, peer: peer, kick: make(chan struct{}, 1)}
	o.ctx, o.end = context.WithCancel(context.Background())
	return o
}

// SendUserMessage implements actor.Process. It encodes the message and waits for nothing.
func (o *outbound) SendUserMessage(target *actor.PID, message any) {
	_, content, sender := actor.UnwrapEnvelope(message)
	m, ok := content.(proto.Message)
	if !ok {
		o.transport.logger.Error("only protobuf messages can be sent to other members", "message", fmt.Sprintf("%T", content))
		o.transport.deadLetter(target, sender)
		return
	}
	if err := o.send(target, sender, m); err != nil {
		level := slog.LevelError // it can never be sent
		if o.ctx.Err() != nil || errors.Is(err, errFull) {
			level = slog.LevelDebug
		}
		o.transport.logger.Log(o.ctx, level, "message to another member cannot be sent", "member", o.peer, "error", err)
		o.transport.deadLetter(target, sender)
	}
}

// SendSystemMessage implements actor.Process. Nobody watches or stops the actors of other
// members.
func (o *outbound) SendSystemMessage(target *actor.PID, message any) {
	o.transport.logger.Error("system messages cannot be sent to other members",
		"actor", target.GetId(), "message", fmt.Sprintf("%T", message))
}

// Stop implements actor.Process; it ends with its member.
func (*outbound) Stop(*actor.PID) {}

func (o *outbound) send(target, sender *actor.PID, m proto.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.ctx.Err(); err != nil {
		return err
	}
	first := len(o.unsent) == 0
	frames, err := appendFrame(o.unsent, o.transport.id, target, sender, m)
	if err != nil {
		return err
	}
	if !first && len(frames) > maxUnsent {
		o.transport.dropped("messages")
		return errFull
	}
	o.unsent = frames
	if first {
		poke(o.kick)
	}
	return nil
}

// take gives what is to be sent now; the buffer comes back with the next call.
func (o *outbound) take(sent []byte) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if cap(sent) <= maxSpareBytes {
		o.spare = sent[:0]
	}
	frames := o.unsent
	o.unsent, o.spare = o.spare, nil
	return frames
}

// run connects and sends until the member is gone, or could not be reached for a while:
// nobody waits any more for what was to be sent then.
func (o *outbound) run() {
	defer o.transport.forget(o)
	defer o.end()
	for {
		select {
		case <-o.ctx.Done():
			return
		case <-o.kick:
		}
		ctx, cancel := context.WithTimeout(o.ctx, connectTimeout)
		conn, err := o.transport.dial(ctx, o.peer)
		cancel()
		if err != nil {
			if o.ctx.Err() == nil {
				o.transport.logger.Info("another member cannot be reached", "member", o.peer, "error", err)
			}
			return
		}
		poke(o.kick) // it was for the first message
		err = o.write(conn)
		if o.ctx.Err() == nil {
			o.transport.logger.Info("connection to another member lost", "member", o.peer, "error", err)
		}
	}
}

// write writes what there is to a connection until that is lost or the member is gone, and
// closes it. A message that comes after a while goes at once; those that come within a
// moment of the last batch go together: a batch costs each side system calls and wake-ups, a
// message in it next to nothing. For the same reason nobody is woken to end
// that moment when nothing has come.
func (o *outbound) write(conn net.Conn) error {
	lost := make(chan error, 1)
	var listening sync.WaitGroup
	listening.Go(func() { lost <- hearPongs(conn) })
	defer listening.Wait()
	defer conn.Close()
	defer context.AfterFunc(o.ctx, func() { _ = conn.Close() })() // and whoever is being written to may not read
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	var batch []byte
	var next time.Time // nothing goes before
	for {
		select {
		case <-o.ctx.Done():
			return o.ctx.Err()
		case err := <-lost:
			return err
		case <-ping.C:
			batch = appendPing(o.take(batch))
		case <-o.kick:
			// Whoever has something for the same member now, as after a commit, comes before.
			runtime.Gosched()
			if left := time.Until(next); left > 0 { //nolint:forbidigo // as within
				pause.Reset(left)
				<-pause.C
			}
			batch = o.take(batch)
		}
		if len(batch) == 0 {
			continue
		}
		if err := conn.SetWriteDeadline(within(lostAfter)); err != nil {
			return err
		}
		if _, err := conn.Write(batch); err != nil {
			return err
		}
		next = within(gatherFor)
	}
}

// hearPongs returns when none comes any more: the connection is lost.
func hearPongs(conn net.Conn) error {
	pongs := make([]byte, 16)
	for {
		if err := conn.SetReadDeadline(within(lostAfter)); err != nil {
			return err
		}
		n, err := conn.Read(pongs)
		if err != nil {
			return err
		}
		for _, b := range pongs[:n] {
			if b != pong {
				return errStrange
			}
		}
	}
}

// within is a deadline of a connection. The kernel counts by the machine's clock, whatever
// the node's says.
func within(d time.Duration) time.Time { return time.Now().Add(d) } //nolint:forbidigo // see above
