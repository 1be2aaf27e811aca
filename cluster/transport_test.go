package cluster

import (
	"bufio"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// addressBook is what members know of each other, as membership would tell them.
type addressBook struct {
	mu        sync.Mutex
	addresses map[string]string
	ended     map[string]bool
}

func (b *addressBook) addressOf(id string) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.addresses[id], b.ended[id]
}

func (b *addressBook) end(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended[id] = true
}

// speaker is a transport with an actor that counts, and one that keeps what it is told.
type speaker struct {
	*transport
	counted atomic.Int64
	told    chan any
	dropped atomic.Int64
}

const (
	counterName  = "counter"
	listenerName = "listener"
)

func (m *speaker) listener() *actor.PID { return actor.NewPID(m.id, listenerName) }

// startMembers starts transports that know each other.
func startMembers(t *testing.T, ids ...string) (*addressBook, []*speaker) {
	t.Helper()
	book := &addressBook{addresses: map[string]string{}, ended: map[string]bool{}}
	var members []*speaker
	for _, id := range ids {
		m := &speaker{told: make(chan any, 1000)}
		system := actor.NewActorSystem(actor.WithLoggerFactory(silent))
		m.transport = &transport{
			id: id, system: system, replies: newReplies(system), logger: slog.New(slog.DiscardHandler),
			dropped: func(string) { m.dropped.Add(1) }, addressOf: book.addressOf, closed: make(chan struct{}),
			out: map[string]*outbound{}, in: map[net.Conn]struct{}{},
		}
		address, err := m.start("127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, m.close()) })
		book.addresses[id] = address
		_, err = m.system.Root.SpawnNamed(actor.PropsFromFunc(func(ctx actor.Context) {
			if n, ok := ctx.Message().(*wrapperspb.Int64Value); ok {
				sum := m.counted.Add(n.GetValue())
				if ctx.Sender() != nil {
					ctx.Respond(wrapperspb.Int64(sum))
				}
			}
		}), counterName)
		require.NoError(t, err)
		_, err = m.system.Root.SpawnNamed(actor.PropsFromFunc(func(ctx actor.Context) {
			switch told := ctx.Message().(type) {
			case *wrapperspb.Int64Value, *actor.DeadLetterResponse:
				m.told <- told
			}
		}), listenerName)
		require.NoError(t, err)
		members = append(members, m)
	}
	return book, members
}

// ask adds to the counter of another member; the answer comes to the listener.
func (m *speaker) ask(other string, value int64) {
	m.system.Root.Send(actor.NewPID(other, counterName), &actor.MessageEnvelope{
		Message: wrapperspb.Int64(value), Sender: m.listener(),
	})
}

func (m *speaker) hears(t *testing.T) any {
	t.Helper()
	return answer(t, m.told)
}

func TestMessagesBetweenMembers(t *testing.T) {
	t.Parallel()
	_, members := startMembers(t, "a", "b")
	a, b := members[0], members[1]
	for i := range int64(100) {
		a.ask("b", 1)
		require.Equal(t, i+1, a.hears(t).(*wrapperspb.Int64Value).GetValue())
	}
	b.ask("a", 7)
	require.EqualValues(t, 7, b.hears(t).(*wrapperspb.Int64Value).GetValue())
	// Many at a time keep their order.
	for range 500 {
		a.ask("b", 1)
	}
	for i := range int64(500) {
		require.Equal(t, 101+i, a.hears(t).(*wrapperspb.Int64Value).GetValue())
	}

	a.system.Root.Send(actor.NewPID("b", "nobody"), &actor.MessageEnvelope{Message: wrapperspb.Int64(1), Sender: a.listener()})
	require.IsType(t, &actor.DeadLetterResponse{}, a.hears(t), "of an actor that is not there")
	a.system.Root.Send(actor.NewPID("b", counterName), &actor.MessageEnvelope{Message: "no protobuf", Sender: a.listener()})
	require.IsType(t, &actor.DeadLetterResponse{}, a.hears(t), "of a message that cannot be sent")
}

func TestConnectionsThatBreakAreMadeAnew(t *testing.T) {
	t.Parallel()
	_, members := startMembers(t, "a", "b")
	a, b := members[0], members[1]
	connections := func() []net.Conn {
		b.mu.Lock()
		defer b.mu.Unlock()
		return slices.Collect(maps.Keys(b.in))
	}
	a.ask("b", 1)
	a.hears(t)
	for range 3 {
		broken := connections()
		require.Len(t, broken, 1)
		require.NoError(t, broken[0].Close())
		require.Eventually(t, func() bool { return !slices.Contains(connections(), broken[0]) }, eventually, time.Millisecond)
		before := b.counted.Load()
		// What is sent before the end of the connection is noticed may be lost.
		require.Eventually(t, func() bool {
			a.ask("b", 1)
			return b.counted.Load() > before
		}, eventually, 10*time.Millisecond)
	}
}

func TestMembersThatAreGone(t *testing.T) {
	t.Parallel()
	book, members := startMembers(t, "a", "b")
	a := members[0]
	a.ask("b", 1)
	require.EqualValues(t, 1, a.hears(t).(*wrapperspb.Int64Value).GetValue())
	book.end("b")
	a.disconnect("b")
	a.ask("b", 1)
	require.IsType(t, &actor.DeadLetterResponse{}, a.hears(t))
	a.mu.Lock()
	require.Empty(t, a.out)
	a.mu.Unlock()

	// One that nobody has heard of yet may come. What waits for it is not kept for ever.
	a.ask("c", 1)
	a.mu.Lock()
	waiting := a.out["c"]
	a.mu.Unlock()
	select {
	case <-waiting.ctx.Done():
	case <-time.After(eventually):
		require.Fail(t, "it still tries")
	}
	require.Eventually(t, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return len(a.out) == 0
	}, eventually, time.Millisecond)
	waiting.SendUserMessage(actor.NewPID("c", counterName), &actor.MessageEnvelope{Message: wrapperspb.Int64(1), Sender: a.listener()})
	require.IsType(t, &actor.DeadLetterResponse{}, a.hears(t), "of who remembers the way that has ended")
}

func TestWhatWaitsToBeSentIsBounded(t *testing.T) {
	t.Parallel()
	_, members := startMembers(t, "a")
	a := members[0]
	large := &actor.MessageEnvelope{Message: wrapperspb.Bytes(make([]byte, maxUnsent/2)), Sender: a.listener()}
	target := actor.NewPID("not heard of yet", counterName)
	a.system.Root.Send(target, large)
	require.Zero(t, a.dropped.Load())
	a.system.Root.Send(target, large)
	require.EqualValues(t, 1, a.dropped.Load())
	require.IsType(t, &actor.DeadLetterResponse{}, a.hears(t))
}

// pipe runs an outbound over a connection whose other end is given.
func pipe(t *testing.T) (o *outbound, theirs net.Conn, ended <-chan error) {
	t.Helper()
	ours, theirs := net.Pipe()
	o = newOutbound(&transport{id: "a", logger: slog.New(slog.DiscardHandler)}, "b")
	done := make(chan error, 1)
	go func() { done <- o.write(ours) }()
	return o, theirs, done
}

func TestMessagesGatherForAMoment(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, theirs, ended := pipe(t)
		began := time.Now()
		frames := make(chan time.Duration, 100)
		go func() {
			r := bufio.NewReader(theirs)
			var content, buffer []byte
			var err error
			for {
				if content, buffer, err = readFrame(r, buffer); err != nil {
					return
				}
				if len(content) == 0 {
					_, _ = theirs.Write([]byte{pong})
					continue
				}
				frames <- time.Since(began)
			}
		}()
		send := func() { o.SendUserMessage(actor.NewPID("b", counterName), wrapperspb.Int64(1)) }
		send()
		synctest.Wait()
		require.Zero(t, <-frames, "the first goes at once")
		for range 3 {
			time.Sleep(gatherFor / 4) //nolint:forbidigo // the time of a synctest bubble
			send()
		}
		for range 3 {
			require.Equal(t, gatherFor, <-frames, "those of a moment go together")
		}
		time.Sleep(10 * gatherFor) //nolint:forbidigo // the time of a synctest bubble
		send()
		require.Equal(t, 11*gatherFor, <-frames, "after a while it goes at once")

		time.Sleep(10 * lostAfter) //nolint:forbidigo // the time of a synctest bubble
		require.Empty(t, ended, "pings are answered")
		o.end()
		require.Error(t, <-ended)
		_, err := theirs.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	})
}

func TestConnectionsWithoutPongsAreLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, theirs, ended := pipe(t)
		began := time.Now()
		go func() { _, _ = io.Copy(io.Discard, theirs) }() // it reads, and says nothing
		require.Error(t, <-ended)
		require.Equal(t, lostAfter, time.Since(began))
		_ = theirs.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		o, theirs, ended := pipe(t)
		began := time.Now()
		o.SendUserMessage(actor.NewPID("b", counterName), wrapperspb.Int64(1)) // nobody takes it
		require.Error(t, <-ended)
		require.Equal(t, lostAfter, time.Since(began))
		_ = theirs.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		o, theirs, ended := pipe(t)
		began := time.Now()
		o.SendUserMessage(actor.NewPID("b", counterName), wrapperspb.Int64(1)) // nobody takes it
		synctest.Wait()
		require.Empty(t, ended)
		o.end()
		require.Error(t, <-ended)
		require.Zero(t, time.Since(began), "the end of a member does not wait for who does not read")
		_ = theirs.Close()
	})
}
