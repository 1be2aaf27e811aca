package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A member that leaves is told once, by membership. A connection that fails to one that is
// there is told too, and what is in messages never is.
func TestGoodbyesAreNotLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := slog.New(quiet{slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo})})
	logger.Error("lost connection", "error", status.Error(codes.Canceled, "the client connection is closing"))
	logger.Error("failed to connect", "error", status.Error(codes.Unavailable, fmt.Errorf("dial member x: %w", errNoMember).Error()))
	logger.Info("started")
	require.Empty(t, log.String())
	logger.Error("failed to connect", "error", errors.New("bad certificate"), "message", "secret")
	require.Contains(t, log.String(), `level=INFO msg="failed to connect" error="bad certificate"`)
	require.NotContains(t, log.String(), "secret")
}
