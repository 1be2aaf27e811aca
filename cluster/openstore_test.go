package cluster

import (
	"testing"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// A bucket that does not answer, as where its server is away, is waited for: one request that
// nobody answered is not the end.
func TestStartWaitsForTheBucket(t *testing.T) {
	t.Parallel()
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoLog: true, NoSigs: true, StoreDir: t.TempDir(),
	})
	require.NoError(t, err)
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	require.True(t, s.ReadyForConnections(eventually))
	silent := connect(t, s.ClientURL())
	requests := make(chan *nats.Msg, 16)
	_, err = silent.ChanSubscribe("$JS.API.>", requests)
	require.NoError(t, err)
	require.NoError(t, silent.Flush())

	n, err := New(Config{NATS: connect(t, s.ClientURL()), ClusterName: "test", Bind: "127.0.0.1:0"})
	require.NoError(t, err)
	started := make(chan error, 1)
	go func() { started <- n.Start(t.Context(), nil) }()
	<-requests // lost
	silent.Close()
	require.NoError(t, s.EnableJetStream(nil))
	require.NoError(t, <-started)
	require.True(t, n.Ready())
	require.NoError(t, n.Close())
}
