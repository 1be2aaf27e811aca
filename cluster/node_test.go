package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	protocluster "github.com/asynkron/protoactor-go/cluster"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"boxoffice"
	"boxoffice/internal/rig"
)

// freePort returns a port on which nobody listens at the moment.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func connect(t testing.TB, url string) *nats.Conn {
	t.Helper()
	conn, err := Connect(url, NATSOptions{Name: t.Name()})
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

// startNode starts a node that is alone, with grains of kind "grain".
func startNode(t testing.TB, cfg Config, receive actor.ReceiveFunc) *Node {
	t.Helper()
	if cfg.NATS == nil {
		cfg.NATS = connect(t, startNATS(t).URL)
	}
	cfg.ClusterName, cfg.Bind, cfg.Alone = "test", "127.0.0.1:0", true
	if cfg.Secrets == nil {
		cfg.Secrets = testSecrets()
	}
	n, err := New(cfg)
	require.NoError(t, err)
	require.False(t, n.Lease().Valid())
	require.NoError(t, n.Start(t.Context(), map[string]*actor.Props{"grain": actor.PropsFromFunc(receive)}))
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func TestNodeIsAMemberFromStartToClose(t *testing.T) {
	t.Parallel()
	n := startNode(t, Config{HTTPAddress: "127.0.0.1:8080"}, echo)
	require.True(t, n.Ready())
	require.True(t, n.Lease().Valid())
	reply, err := n.Call(t.Context(), "grain", 7, wrapperspb.Int64(3))
	require.NoError(t, err)
	require.EqualValues(t, 3, reply.(*wrapperspb.Int64Value).GetValue())

	members := n.Members()
	require.Len(t, members, 1)
	require.Equal(t, n.ID, members[0].ID)
	require.Equal(t, n.Address(), members[0].Address)
	require.Equal(t, "127.0.0.1:8080", members[0].HTTPAddress)
	require.True(t, members[0].Ready)
	require.WithinDuration(t, time.Now(), members[0].StartedAt, time.Minute)
	require.Equal(t, []GrainCount{{Kind: "grain", Member: n.ID, Count: 1}}, n.Grains())

	require.NoError(t, n.Leave(t.Context()), "nobody can take over")
	_, err = n.Call(t.Context(), "grain", 7, wrapperspb.Int64(3))
	require.NoError(t, err, "so it goes on")

	require.NoError(t, n.Close())
	require.Empty(t, n.Grains())
	_, err = n.Call(t.Context(), "grain", 7, wrapperspb.Int64(3))
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err))
	_, err = net.DialTimeout("tcp", n.Address(), time.Second)
	require.Error(t, err)
}

func TestCallIsTriedAgain(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	var asked atomic.Int64
	n := startNode(t, Config{
		Retry: isTestRetry,
		Observer: Observer{Called: func(_ string, n int, _ time.Duration, err error) {
			require.NoError(t, err)
			tries.Store(int64(n))
		}},
	}, func(ctx actor.Context) {
		switch ctx.Message().(type) {
		case *wrapperspb.Int64Value: // asks to be asked again three times
			if asked.Add(1) <= 3 {
				ctx.Respond(wrapperspb.Bool(false))
				return
			}
			echo(ctx)
		case *emptypb.Empty: // stops once, without an answer to whom it finds waiting
			if asked.Add(1) == 1 {
				ctx.Stop(ctx.Self())
				ctx.Send(ctx.Self(), &actor.MessageEnvelope{Message: &emptypb.Empty{}, Sender: ctx.Sender()})
				return
			}
			ctx.Respond(&emptypb.Empty{})
		}
	})
	_, err := n.Call(t.Context(), "grain", 1, wrapperspb.Int64(3))
	require.NoError(t, err)
	require.EqualValues(t, 4, tries.Load())

	asked.Store(0)
	_, err = n.Call(t.Context(), "grain", 2, &emptypb.Empty{})
	require.NoError(t, err)
	require.EqualValues(t, 2, tries.Load())
}

func TestCallGivesUp(t *testing.T) {
	t.Parallel()
	n := startNode(t, Config{Retry: isTestRetry}, func(ctx actor.Context) {
		switch ctx.Message().(type) {
		case *wrapperspb.Int64Value:
			ctx.Respond(wrapperspb.Bool(false))
		case *wrapperspb.StringValue:
			ctx.Respond("no message")
		}
	})
	deadline := errors.New("the client has gone")
	for _, message := range []proto.Message{wrapperspb.Int64(1), &emptypb.Empty{}} { // refused; never answered
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, deadline)
		_, err := n.Call(ctx, "grain", 1, message)
		cancel()
		require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err))
		require.ErrorIs(t, err, deadline)
	}

	began := time.Now()
	_, err := n.Call(t.Context(), "grain", 1, wrapperspb.String(""))
	require.ErrorIs(t, err, errAnswer)
	require.Less(t, time.Since(began), callTimeout)

	_, err = n.Call(t.Context(), "nobody", 1, &emptypb.Empty{})
	require.ErrorContains(t, err, `unknown kind "nobody"`)
	require.Equal(t, boxoffice.CodeInternal, boxoffice.CodeOf(err))
}

func TestNotifyReachesGrainsAndNeverBlocks(t *testing.T) {
	t.Parallel()
	var heard, dropped atomic.Int64
	n := startNode(t, Config{Observer: Observer{Dropped: func(string) { dropped.Add(1) }}}, func(ctx actor.Context) {
		if _, ok := ctx.Message().(*wrapperspb.Int64Value); ok {
			heard.Add(1)
		}
	})
	n.Notify("nobody", 1, wrapperspb.Int64(1))
	for id := range int64(1000) {
		n.Notify("grain", id, wrapperspb.Int64(id))
	}
	require.Eventually(t, func() bool { return heard.Load() == 1000 }, eventually, time.Millisecond)
	require.EqualValues(t, 1, dropped.Load(), "that to nobody")
	require.NoError(t, n.Close())
	n.Notify("grain", 1, wrapperspb.Int64(1))
	require.EqualValues(t, 2, dropped.Load())
	require.EqualValues(t, 1000, heard.Load())
}

func TestFanOut(t *testing.T) {
	t.Parallel()
	url := startNATS(t).URL
	n := startNode(t, Config{NATS: connect(t, url)}, echo)
	other, err := New(Config{NATS: connect(t, url), ClusterName: "test", Secrets: testSecrets(), Bind: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	first, second := make(chan string, 10), make(chan string, 10)
	into := func(heard chan string) func([]byte) { return func(data []byte) { heard <- string(data) } }
	cancel, err := other.Subscribe("rooms.*", into(first))
	require.NoError(t, err)
	require.NoError(t, other.cfg.NATS.Flush())
	n.Publish("seats.1", []byte("not for rooms"))
	n.Publish("rooms.1", []byte("one"))
	n.Publish("rooms.2", []byte("two"))
	require.Equal(t, "one", answer(t, first))
	require.Equal(t, "two", answer(t, first))

	cancel()
	require.NoError(t, other.cfg.NATS.Flush())
	_, err = n.cfg.NATS.Request(n.subject("rooms.1"), nil, eventually)
	require.ErrorIs(t, err, nats.ErrNoResponders, "nobody listens any more")

	own := make(chan string, 10)
	_, err = other.Subscribe("rooms.>", into(second))
	require.NoError(t, err)
	_, err = n.Subscribe("rooms.>", into(own))
	require.NoError(t, err)
	require.NoError(t, other.cfg.NATS.Flush())
	require.NoError(t, n.cfg.NATS.Flush())
	n.Publish("rooms.3", []byte("three"))
	require.Equal(t, "three", answer(t, second))
	// What others say comes in the order of the server, behind whatever came back.
	require.NoError(t, other.cfg.NATS.Publish(n.subject("rooms.4"), []byte("four")))
	require.Equal(t, "four", answer(t, own), "nobody is told what they said themselves")
	require.Empty(t, first)
	_, err = n.Subscribe("two words", nil)
	require.Error(t, err)
}

func TestProtoactorsClusterFindsGrainsHere(t *testing.T) {
	t.Parallel()
	n := startNode(t, Config{}, echo)
	cluster := protocluster.GetCluster(n.system)
	reply, err := cluster.Request("7", "grain", wrapperspb.Int64(3))
	require.NoError(t, err)
	require.EqualValues(t, 3, reply.(*wrapperspb.Int64Value).GetValue())
	require.NotNil(t, cluster.Get("7", "grain"))
	future, err := cluster.RequestFuture("7", "grain", wrapperspb.Int64(4))
	require.NoError(t, err)
	reply, err = future.Result()
	require.NoError(t, err)
	require.EqualValues(t, 4, reply.(*wrapperspb.Int64Value).GetValue())
	require.Nil(t, cluster.Get("seven", "grain"))
	require.Equal(t, n.ID, cluster.Get("7", "grain").GetAddress())
	_, err = cluster.Request("7", "grain", &emptypb.Empty{}, protocluster.WithTimeout(10*time.Millisecond))
	require.ErrorIs(t, err, errTimeout)
	_, err = cluster.Request("7", "grain", "no message")
	require.Error(t, err)
}

func TestStartSaysWhatIsWrongAndLeavesNothing(t *testing.T) {
	t.Parallel()
	url := startNATS(t).URL
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	n, err := New(Config{NATS: connect(t, url), ClusterName: "test", Secrets: testSecrets(), Bind: taken.Addr().String()})
	require.NoError(t, err)
	require.ErrorContains(t, n.Start(t.Context(), nil), "address already in use")

	plain, err := natsserver.NewServer(&natsserver.Options{Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoLog: true, NoSigs: true})
	require.NoError(t, err)
	plain.Start()
	defer plain.WaitForShutdown()
	defer plain.Shutdown()
	require.True(t, plain.ReadyForConnections(eventually))
	n, err = New(Config{NATS: connect(t, plain.ClientURL()), ClusterName: "test", Secrets: testSecrets(), Bind: "127.0.0.1:0"})
	require.NoError(t, err)
	require.ErrorContains(t, n.Start(t.Context(), nil), "does this NATS have JetStream?")
	require.Empty(t, n.Members())
	require.False(t, n.Ready())
	require.NoError(t, n.Leave(t.Context()))
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	good := Config{NATS: &nats.Conn{}, ClusterName: "test", Secrets: testSecrets(), Bind: "127.0.0.1:0"}
	_, err := good.withDefaults()
	require.NoError(t, err)
	for want, spoil := range map[string]func(*Config){
		"no NATS":       func(c *Config) { c.NATS = nil },
		"name":          func(c *Config) { c.ClusterName = "with.dot" },
		"bind address":  func(c *Config) { c.Bind = "127.0.0.1" },
		"advertise one": func(c *Config) { c.Bind = "0.0.0.0:7946" },
		"host:port":     func(c *Config) { c.Advertise = "node:0" },
		"well below":    func(c *Config) { c.HeartbeatInterval = time.Second },
		"TLS":           func(c *Config) { c.TLS = &TLS{} },
		"32 bytes":      func(c *Config) { c.Secrets = [][]byte{make([]byte, 16)} },
		"secrets":       func(c *Config) { c.Secrets = nil },
	} {
		bad := good
		spoil(&bad)
		_, err := bad.withDefaults()
		require.ErrorContains(t, err, want)
	}
	open := good
	open.Bind, open.Advertise = ":7946", "node:7946"
	_, err = open.withDefaults()
	require.NoError(t, err)
}

func TestOthersAreToldTheAdvertisedAddress(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	n, err := New(Config{
		NATS: connect(t, startNATS(t).URL), ClusterName: "test", Secrets: testSecrets(),
		Bind: fmt.Sprintf(":%d", port), Advertise: fmt.Sprintf("localhost:%d", port),
	})
	require.NoError(t, err)
	require.NoError(t, n.Start(t.Context(), nil))
	defer func() { require.NoError(t, n.Close()) }()
	require.Equal(t, fmt.Sprintf("localhost:%d", port), n.Members()[0].Address)
	_, err = stranger(t, n, testSecrets()[0], n.ID).Ping(t.Context(), &emptypb.Empty{})
	require.NoError(t, err, "it listens there")
}

func TestConnectOverTLS(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t)
	pair := childConfig{Pair: authority.issue(t, "127.0.0.1"), Roots: authority.roots}
	both, err := pair.tls()
	require.NoError(t, err)
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoLog: true, NoSigs: true, TLSConfig: both.Server,
	})
	require.NoError(t, err)
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	require.True(t, s.ReadyForConnections(eventually))
	conn, err := Connect(s.ClientURL(), NATSOptions{TLS: both.Client})
	require.NoError(t, err)
	conn.Close()
	_, err = Connect(s.ClientURL(), NATSOptions{})
	require.Error(t, err)
	_, err = Connect(s.ClientURL(), NATSOptions{Credentials: filepath.Join(t.TempDir(), "missing")})
	require.Error(t, err)
}

func TestConnectSaysThatNobodyAnswers(t *testing.T) {
	t.Parallel()
	_, err := Connect("nats://127.0.0.1:1", NATSOptions{})
	require.ErrorContains(t, err, "connect to NATS")
}

// logTo is a log that a test reads.
func logTo(b *rig.Output) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func TestANodeThatCannotTalkWithAnOwnerIsNotReadyAndSaysWhy(t *testing.T) {
	t.Parallel()
	url := startNATS(t).URL
	firstLog, secondLog := new(rig.Output), new(rig.Output)
	first := startNode(t, Config{NATS: connect(t, url), Logger: logTo(firstLog)}, echo)
	second := startNode(t, Config{NATS: connect(t, url), Logger: logTo(secondLog), service: versions{Min: 2, Max: 2}}, echo)
	require.NoError(t, first.Health())
	_, err := first.Call(t.Context(), "grain", 1, wrapperspb.Int64(1))
	require.NoError(t, err, "whoever was there first goes on")

	require.False(t, second.Ready())
	require.ErrorContains(t, second.Health(), "of the service between nodes it has the versions 1 to 1, this node 2 to 2")
	began := time.Now()
	_, err = second.Call(t.Context(), "grain", 1, wrapperspb.Int64(1))
	require.ErrorIs(t, err, errNotSpoken)
	require.Equal(t, boxoffice.CodeUnavailable, boxoffice.CodeOf(err))
	require.Less(t, time.Since(began), callTimeout, "that would not help")
	require.Equal(t, 1, strings.Count(secondLog.String(), "level=ERROR"), secondLog.String())
	require.Contains(t, secondLog.String(), "is of another release")
	require.NotContains(t, firstLog.String(), "level=ERROR")

	require.NoError(t, first.Close())
	require.Eventually(t, second.Ready, eventually, time.Millisecond)
	require.Contains(t, secondLog.String(), "can talk with all members again")
	_, err = second.Call(t.Context(), "grain", 1, wrapperspb.Int64(1))
	require.NoError(t, err)
}

func TestOfNodesWithOtherSecretsOneIsReady(t *testing.T) {
	t.Parallel()
	url := startNATS(t).URL
	log := new(rig.Output)
	first := startNode(t, Config{NATS: connect(t, url)}, echo)
	second := startNode(t, Config{NATS: connect(t, url), Secrets: [][]byte{secret(2)}, Logger: logTo(log)}, echo)
	third := startNode(t, Config{NATS: connect(t, url), Secrets: [][]byte{secret(1), secret(2)}}, echo)
	require.NoError(t, first.Health())
	require.ErrorContains(t, second.Health(), "the same BOXOFFICE_JWT_KEY")
	require.NoError(t, third.Health(), "one secret in common is enough")
	require.Equal(t, 1, strings.Count(log.String(), "level=ERROR"), log.String())
	require.False(t, second.placement.view.Load().owns(second.ID))
}
