package cluster

import (
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// A bucket of an earlier release answers from any of its servers, until a node changes that
// while others have it open.
func TestReadAfterTheBucketsConfigurationHasChanged(t *testing.T) {
	t.Parallel()
	conn := connect(t, startNATS(t).URL)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	_, err = js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "members", Storage: jetstream.MemoryStorage})
	require.NoError(t, err)
	s, err := newNATSStore(conn, "members", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, err = s.await(t.Context())
	require.NoError(t, err)
	written, err := s.write(t.Context(), "key", []byte("value"), 0)
	require.NoError(t, err)

	stream, err := js.Stream(t.Context(), s.config(1).Name)
	require.NoError(t, err)
	cfg := stream.CachedInfo().Config
	require.True(t, cfg.AllowDirect)
	cfg.AllowDirect = false
	_, err = js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)

	value, revision, err := s.read(t.Context(), "key")
	require.NoError(t, err)
	require.Equal(t, "value", string(value))
	require.Equal(t, written, revision)
	_, _, err = s.read(t.Context(), "other")
	require.ErrorIs(t, err, errMissing)
}
