package cluster

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"boxoffice/cluster/nodes"
)

// testSecrets are what test nodes know.
func testSecrets() [][]byte { return [][]byte{secret(1)} }

func secret(n byte) []byte { return bytes.Repeat([]byte{n}, secretBytes) }

// stranger speaks to a node as another member that knows a secret would.
func stranger(t *testing.T, n *Node, secret []byte, member string) nodes.NodeClient {
	t.Helper()
	pair, err := tlsOf([][]byte{secret})
	require.NoError(t, err)
	return dialNode(t, n, member, credentials.NewTLS(pair.Client))
}

func dialNode(t *testing.T, n *Node, member string, as credentials.TransportCredentials) nodes.NodeClient {
	t.Helper()
	options := []grpc.DialOption{grpc.WithTransportCredentials(as)}
	if as.Info().SecurityProtocol == "tls" {
		options = append(options, grpc.WithPerRPCCredentials(meant{memberKey: member}))
	}
	conn, err := grpc.NewClient("passthrough:///"+n.Address(), options...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return nodes.NewNodeClient(conn)
}

func wrap(t *testing.T, message proto.Message) *anypb.Any {
	t.Helper()
	content, err := anypb.New(message)
	require.NoError(t, err)
	return content
}

func TestOnlyWhoKnowsASecretIsServed(t *testing.T) {
	t.Parallel()
	n := startNode(t, Config{Secrets: [][]byte{secret(1), secret(2)}}, echo) // as in a change of keys
	foreign := childConfig{Pair: newAuthority(t).issue(t, "127.0.0.1")}
	pair, err := foreign.tls()
	require.NoError(t, err)
	pair.Client.InsecureSkipVerify = true
	for name, test := range map[string]struct {
		as   credentials.TransportCredentials
		want codes.Code
	}{
		"the first secret":      {credentials.NewTLS(mustTLS(t, secret(1)).Client), codes.OK},
		"the second secret":     {credentials.NewTLS(clientOf(t, secret(2), secret(1))), codes.OK},
		"another secret":        {credentials.NewTLS(clientOf(t, secret(3), secret(1))), codes.Unavailable},
		"a foreign certificate": {credentials.NewTLS(pair.Client), codes.Unavailable},
		"no certificate": {credentials.NewTLS(&tls.Config{
			MinVersion: tls.VersionTLS13, InsecureSkipVerify: true,
		}), codes.Unavailable},
		"no TLS": {insecure.NewCredentials(), codes.Unavailable},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), eventually)
		_, err := dialNode(t, n, n.ID, test.as).Ping(ctx, &emptypb.Empty{})
		cancel()
		require.Equal(t, test.want, status.Code(err), "%s: %v", name, err)
	}
	_, err = stranger(t, n, secret(3), n.ID).Ping(t.Context(), &emptypb.Empty{})
	require.ErrorContains(t, err, errStranger.Error(), "clients verify servers as well")
}

func mustTLS(t *testing.T, secrets ...[]byte) *TLS {
	t.Helper()
	pair, err := tlsOf(secrets)
	require.NoError(t, err)
	return pair
}

// clientOf shows one secret and believes whoever knows another.
func clientOf(t *testing.T, shows, accepts []byte) *tls.Config {
	t.Helper()
	config := mustTLS(t, shows).Client
	config.VerifyConnection = mustTLS(t, accepts).Client.VerifyConnection
	return config
}

func TestWhatANodeCannotServeIsAnsweredForGood(t *testing.T) {
	t.Parallel()
	n := startNode(t, Config{}, func(ctx actor.Context) {
		switch ctx.Message().(type) {
		case *wrapperspb.StringValue:
			ctx.Respond("no message")
		case *wrapperspb.BoolValue:
			ctx.Respond((*unmarshalable)(nil))
		}
		echo(ctx)
	})
	other := stranger(t, n, secret(1), n.ID)
	good := wrap(t, wrapperspb.Int64(3))
	for name, test := range map[string]struct {
		request *nodes.CallRequest
		want    codes.Code
	}{
		"good":               {&nodes.CallRequest{Kind: "grain", Id: "7", Message: good}, codes.OK},
		"unknown kind":       {&nodes.CallRequest{Kind: "nobody", Id: "7", Message: good}, codes.Unimplemented},
		"unknown identity":   {&nodes.CallRequest{Kind: "grain", Id: "seven", Message: good}, codes.Unimplemented},
		"unknown message":    {&nodes.CallRequest{Kind: "grain", Id: "7", Message: &anypb.Any{TypeUrl: "t/of.the.Future"}}, codes.Unimplemented},
		"garbled":            {&nodes.CallRequest{Kind: "grain", Id: "7", Message: &anypb.Any{TypeUrl: good.GetTypeUrl(), Value: []byte{8, 255}}}, codes.InvalidArgument},
		"nothing":            {&nodes.CallRequest{Kind: "grain", Id: "7"}, codes.InvalidArgument},
		"no protobuf answer": {&nodes.CallRequest{Kind: "grain", Id: "7", Message: wrap(t, wrapperspb.String(""))}, codes.Internal},
		"a panic":            {&nodes.CallRequest{Kind: "grain", Id: "7", Message: wrap(t, wrapperspb.Bool(true))}, codes.Internal},
	} {
		response, err := other.Call(t.Context(), test.request)
		require.Equal(t, test.want, status.Code(err), "%s: %v", name, err)
		if err == nil {
			require.Equal(t, good.GetValue(), response.GetAnswer().GetValue())
		} else {
			require.True(t, isFinal(err), name)
		}
	}
	notifications, err := other.Notify(t.Context())
	require.NoError(t, err)
	for _, content := range []*anypb.Any{{TypeUrl: "t/of.the.Future"}, nil, good} {
		require.NoError(t, notifications.Send(&nodes.Notification{Kind: "grain", Id: "8", Message: content}))
	}
	_, err = notifications.CloseAndRecv()
	require.NoError(t, err)
	require.Equal(t, 2, n.placement.census()["grain"], "the last one arrived")
}

//nolint:paralleltest // takes so much memory and time that others would be disturbed
func TestMessagesThatAreTooLongAreRefused(t *testing.T) {
	n := startNode(t, Config{}, echo)
	other := stranger(t, n, secret(1), n.ID)
	_, err := other.Call(t.Context(), &nodes.CallRequest{Kind: "grain", Id: "7", Message: wrap(t, wrapperspb.Bytes(make([]byte, maxMessageBytes)))})
	require.Equal(t, codes.ResourceExhausted, status.Code(err))
	require.True(t, isFinal(err))
}

// unmarshalable is a message whose encoding panics.
type unmarshalable struct{ *wrapperspb.Int64Value }

func TestWhatIsMeantForAnotherMemberIsRefused(t *testing.T) {
	t.Parallel()
	n := startNode(t, Config{}, echo)
	other := stranger(t, n, secret(1), "who-had-this-port-before")
	_, err := other.Ping(t.Context(), &emptypb.Empty{})
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	_, err = other.Call(t.Context(), &nodes.CallRequest{Kind: "grain", Id: "7", Message: wrap(t, wrapperspb.Int64(3))})
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	stream, err := other.Notify(t.Context())
	require.NoError(t, err)
	_, err = stream.CloseAndRecv()
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
}

// pair is two nodes in this process, and grains that the second one owns.
type pair struct {
	first, second *Node
	theirs        []int64 // ids that the second one owns
	dropped       *atomic.Int64
}

// startPair starts two nodes that see each other. The first one reaches the second through
// a proxy, if there is one.
func startPair(t *testing.T, receive actor.ReceiveFunc, through *proxy) pair {
	t.Helper()
	url := startNATS(t).URL
	p := pair{dropped: new(atomic.Int64)}
	start := func(cfg Config) *Node {
		cfg.NATS, cfg.ClusterName, cfg.Secrets, cfg.Retry = connect(t, url), "test", testSecrets(), isTestRetry
		cfg.Bind = cmp.Or(cfg.Bind, "127.0.0.1:0")
		cfg.Alone = true // the bucket is new, but there is nobody who could come back
		n, err := New(cfg)
		require.NoError(t, err)
		require.NoError(t, n.Start(t.Context(), map[string]*actor.Props{"grain": actor.PropsFromFunc(receive)}))
		t.Cleanup(func() { require.NoError(t, n.Close()) })
		return n
	}
	p.first = start(Config{Observer: Observer{Dropped: func(string) { p.dropped.Add(1) }}})
	second := Config{}
	if through != nil {
		second.Bind, second.Advertise = through.to, through.listener.Addr().String()
	}
	p.second = start(second)
	for _, n := range []*Node{p.first, p.second} {
		require.NoError(t, n.membership.until(t.Context(), func(v *view) bool { return len(v.owners) == 2 && v.settled }))
	}
	for id := int64(0); len(p.theirs) < 100; id++ {
		if p.first.placement.view.Load().owner(id).id == p.second.ID {
			p.theirs = append(p.theirs, id)
		}
	}
	return p
}

func (p pair) call(t *testing.T, id int64) error {
	t.Helper()
	_, err := p.first.Call(t.Context(), "grain", id, wrapperspb.Int64(id))
	return err
}

// A call waits for its answer as long as its caller does, and is delivered once.
func TestSlowAnswersAreWaitedFor(t *testing.T) {
	t.Parallel()
	var heard sync.Map
	p := startPair(t, func(ctx actor.Context) {
		m, ok := ctx.Message().(*wrapperspb.DoubleValue)
		if !ok {
			return
		}
		count, _ := heard.LoadOrStore(m.GetValue(), new(atomic.Int64))
		count.(*atomic.Int64).Add(1)
		to, root := ctx.Sender(), ctx.ActorSystem().Root
		time.AfterFunc(time.Duration(m.GetValue()*float64(time.Second)), func() { root.Send(to, m) })
	}, nil)
	var calls sync.WaitGroup
	for i, seconds := range []float64{0, 0.45, 1.5, 3} {
		calls.Go(func() {
			reply, err := p.first.Call(t.Context(), "grain", p.theirs[i], wrapperspb.Double(seconds))
			if err != nil || reply.(*wrapperspb.DoubleValue).GetValue() != seconds {
				t.Errorf("after %g s: %v, %v", seconds, reply, err)
			}
		})
	}
	calls.Go(func() {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := p.first.Call(ctx, "grain", p.theirs[9], wrapperspb.Double(2))
		if err == nil {
			t.Error("the caller has given up")
		}
	})
	calls.Wait()
	heard.Range(func(seconds, count any) bool {
		require.EqualValues(t, 1, count.(*atomic.Int64).Load(), "%v s", seconds)
		return true
	})
}

// Pings and notifications do not wait behind calls, however many are under way.
func TestManyCallsAreUnderWayAtOnce(t *testing.T) {
	t.Parallel()
	var heard atomic.Int64
	notified, answers := make(chan struct{}), make(chan struct{})
	p := startPair(t, func(ctx actor.Context) {
		switch m := ctx.Message().(type) {
		case *wrapperspb.Int64Value:
			heard.Add(1)
			to, root := ctx.Sender(), ctx.ActorSystem().Root
			go func() {
				<-answers
				root.Send(to, m)
			}()
		case *wrapperspb.BoolValue:
			close(notified)
		}
	}, nil)
	second := p.first.peers.get(p.second.ID).service // Node.Call would give up after 5 s
	request := &nodes.CallRequest{Kind: "grain", Id: fmt.Sprint(p.theirs[0]), Message: wrap(t, wrapperspb.Int64(1))}
	ctx, cancel := context.WithTimeout(t.Context(), 3*eventually)
	defer cancel()
	var calls sync.WaitGroup
	var failed atomic.Int64
	for range manyCalls {
		calls.Go(func() {
			if _, err := second.Call(ctx, request); err != nil {
				failed.Add(1)
			}
		})
	}
	require.Eventually(t, func() bool { return heard.Load() == manyCalls }, eventually, pingEvery/10, "all are under way: %v", &heard)
	_, err := second.Ping(ctx, &emptypb.Empty{})
	require.NoError(t, err)
	p.first.Notify("grain", p.theirs[1], wrapperspb.Bool(true))
	answer(t, notified)
	close(answers)
	calls.Wait()
	require.Zero(t, failed.Load())
	require.EqualValues(t, manyCalls, heard.Load())
}

func TestNotificationsArriveInOrder(t *testing.T) {
	t.Parallel()
	const many = 2000
	heard := make(chan int64, many)
	p := startPair(t, func(ctx actor.Context) {
		if m, ok := ctx.Message().(*wrapperspb.Int64Value); ok {
			heard <- m.GetValue()
		}
	}, nil)
	for i := range int64(many) {
		p.first.Notify("grain", p.theirs[0], wrapperspb.Int64(i))
	}
	for i := range int64(many) {
		require.Equal(t, i, answer(t, heard))
	}
	require.Zero(t, p.dropped.Load())
}

// proxy passes bytes on, until it does not any more.
type proxy struct {
	listener net.Listener
	to       string
	tasks    sync.WaitGroup
	mu       sync.Mutex
	hung     chan struct{} // closed while nothing passes; a new one each time
	conns    []net.Conn
}

func startProxy(t *testing.T) *proxy {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: listener, to: fmt.Sprintf("127.0.0.1:%d", freePort(t)), hung: make(chan struct{})}
	p.tasks.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.tasks.Go(func() { p.pass(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.breakAll()
		p.tasks.Wait()
	})
	return p
}

// pass passes a connection's bytes both ways. One that hangs stays open and silent.
func (p *proxy) pass(from net.Conn) {
	p.mu.Lock()
	hung := p.hung
	p.mu.Unlock()
	there, err := new(net.Dialer).Dial("tcp", p.to)
	if err != nil {
		_ = from.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, from, there)
	p.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, there}, {there, from}} {
		both.Go(func() {
			defer way[0].Close()
			defer way[1].Close()
			buffer := make([]byte, 32<<10)
			for {
				n, err := way[0].Read(buffer)
				select {
				case <-hung: // what was read is lost, and nothing is read any more
					_, _ = io.Copy(io.Discard, way[0])
					return
				default:
				}
				if err != nil {
					return
				}
				if _, err := way[1].Write(buffer[:n]); err != nil {
					return
				}
			}
		})
	}
	both.Wait()
}

// hang makes all connections half open: they stay, and nothing passes. New ones work.
func (p *proxy) hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.hung)
	p.hung = make(chan struct{})
}

func (p *proxy) breakAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	p.conns = nil
}

// A connection on which nothing passes is found, whether or not calls wait on it.
func TestHalfOpenConnectionsAreLeft(t *testing.T) {
	t.Parallel()
	way := startProxy(t)
	p := startPair(t, echo, way)
	require.NoError(t, p.call(t, p.theirs[0]))
	for range 2 {
		way.hang()
		began := time.Now()
		require.NoError(t, p.call(t, p.theirs[0]))
		require.Less(t, time.Since(began), lostAfter+2*pingEvery)
	}
	require.Len(t, p.first.Members(), 2, "both are members all along")
}

func TestBrokenConnectionsAreMadeAnew(t *testing.T) {
	t.Parallel()
	way := startProxy(t)
	var calls atomic.Int64
	p := startPair(t, func(ctx actor.Context) {
		if _, ok := ctx.Message().(*wrapperspb.StringValue); ok && calls.Add(1) == 1 {
			way.breakAll() // the first time there is no answer
			return
		} else if ok {
			ctx.Respond(wrapperspb.String("again"))
		}
		echo(ctx)
	}, way)
	began := time.Now()
	reply, err := p.first.Call(t.Context(), "grain", p.theirs[0], wrapperspb.String(""))
	require.NoError(t, err)
	require.Equal(t, "again", reply.(*wrapperspb.StringValue).GetValue())
	require.Less(t, time.Since(began), lostAfter, "that needs no ping")
	require.EqualValues(t, 2, calls.Load())
}

// A peer that does not read stops nobody: what is too much is dropped and counted.
func TestAPeerThatStopsReadingStopsNobody(t *testing.T) {
	t.Parallel()
	way := startProxy(t)
	p := startPair(t, echo, way)
	require.NoError(t, p.call(t, p.theirs[0]))
	way.hang()
	large := wrapperspb.Bytes(make([]byte, 1<<10))
	began := time.Now()
	for range 2 * maxNotifications {
		p.first.Notify("grain", p.theirs[0], large)
	}
	require.Less(t, time.Since(began), callTimeout)
	require.Positive(t, p.dropped.Load())
	require.Eventually(t, func() bool { return p.call(t, p.theirs[0]) == nil }, eventually, time.Millisecond)
}

// Calls end with their member, not with their own time.
func TestCallsToAMemberThatIsGoneGoElsewhere(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	p := startPair(t, func(ctx actor.Context) {
		if _, ok := ctx.Message().(*emptypb.Empty); ok && asked.Add(1) > 1 {
			ctx.Respond(&emptypb.Empty{})
		}
		echo(ctx)
	}, nil)
	called := make(chan error, 1)
	go func() {
		_, err := p.first.Call(t.Context(), "grain", p.theirs[0], &emptypb.Empty{})
		called <- err
	}()
	require.Eventually(t, func() bool { return asked.Load() == 1 }, eventually, time.Millisecond)
	gone := time.Now()
	p.second.membership.stop() // it falls silent
	require.NoError(t, answer(t, called))
	require.Less(t, time.Since(gone), 2*defaultExpiry)
	require.EqualValues(t, 2, asked.Load())
	require.Nil(t, p.first.peers.get(p.second.ID))
}
