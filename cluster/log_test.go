package cluster

import (
	"bytes"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProtoactorIsQuiet(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	logger := slog.New(quiet{slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo})})
	logger.Info("started")
	require.Empty(t, log.String())
	logger.Error("something failed", "error", errors.New("its cause"), "message", "secret")
	require.Contains(t, log.String(), `level=INFO msg="something failed" error="its cause"`)
	require.NotContains(t, log.String(), "secret")
}
