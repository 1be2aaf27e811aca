package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDurationsAreLoggedWithTheirUnit(t *testing.T) {
	t.Parallel()
	for format, want := range map[string]string{logAuto: `"took":"1.5s"`, logJSON: `"took":"1.5s"`, logText: "took=1.5s"} {
		var log bytes.Buffer
		newLogger(&log, settings{LogFormat: format}).Info("done", "took", 1500*time.Millisecond)
		require.Contains(t, log.String(), want)
	}
}
