package localnats_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"boxoffice/cluster/localnats"
	"boxoffice/internal/rig"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServerTakesConnectionsAndKeepsStreams(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	dir := t.TempDir()

	server, err := localnats.Start(ctx, localnats.Config{StoreDir: dir})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(server.URL, "nats://127.0.0.1:"), server.URL)
	put(ctx, t, server.URL, "value")
	server.Stop()
	_, err = nats.Connect(server.URL, nats.Timeout(100*time.Millisecond))
	require.Error(t, err)

	server, err = localnats.Start(ctx, localnats.Config{StoreDir: dir})
	require.NoError(t, err)
	defer server.Stop()
	conn, err := nats.Connect(server.URL)
	require.NoError(t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	kv, err := js.KeyValue(ctx, "test")
	require.NoError(t, err)
	entry, err := kv.Get(ctx, "key")
	require.NoError(t, err)
	require.Equal(t, "value", string(entry.Value()))
}

func put(ctx context.Context, t *testing.T, url, value string) {
	t.Helper()
	conn, err := nats.Connect(url)
	require.NoError(t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "test"})
	require.NoError(t, err)
	_, err = kv.PutString(ctx, "key", value)
	require.NoError(t, err)
}

func TestTwoServersOfOneProcessAreApart(t *testing.T) {
	t.Parallel()
	first, err := localnats.Start(t.Context(), localnats.Config{StoreDir: t.TempDir()})
	require.NoError(t, err)
	defer first.Stop()
	second, err := localnats.Start(t.Context(), localnats.Config{StoreDir: t.TempDir()})
	require.NoError(t, err)
	defer second.Stop()
	require.NotEqual(t, first.URL, second.URL)
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := localnats.Start(t.Context(), localnats.Config{})
	require.ErrorContains(t, err, "no store directory")

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = localnats.Start(ended, localnats.Config{StoreDir: t.TempDir()})
	require.ErrorIs(t, err, context.Canceled)

	var log bytes.Buffer
	_, err = localnats.Start(t.Context(), localnats.Config{
		StoreDir: "/dev/null", Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	require.ErrorContains(t, err, "storage directory is not a directory")
	require.Contains(t, log.String(), "storage directory is not a directory")
}

// Three servers are one cluster, whose clients only know of the servers that they are given.
func TestServersOfOneCluster(t *testing.T) {
	t.Parallel()
	ports, err := rig.FreePorts("127.0.0.1", 3)
	require.NoError(t, err)
	var servers []*localnats.Server
	for i := range ports {
		cluster := slices.Concat(ports[i:], ports[:i])
		s, err := localnats.Start(t.Context(), localnats.Config{StoreDir: t.TempDir(), Cluster: cluster})
		require.NoError(t, err)
		defer s.Stop()
		servers = append(servers, s)
	}
	conn, err := nats.Connect(servers[0].URL)
	require.NoError(t, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "test", Replicas: 3})
		return err == nil
	}, 30*time.Second, 50*time.Millisecond, "%v", &err)
	require.Empty(t, conn.DiscoveredServers())
}
