package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServeWarnsOfFewOpenFiles(t *testing.T) {
	t.Parallel()
	// A node that fails at once is enough: it warns first.
	const nowhere = "BOXOFFICE_LISTEN=192.0.2.1:1"
	const message = "fewer open files are allowed than BOXOFFICE_MAX_CONNECTIONS may take"
	dir := "BOXOFFICE_DATA_DIR=" + t.TempDir()

	limited := programCommand(t)
	limited.Args = []string{"sh", "-c", `ulimit -n 500 && exec "$0"`, limited.Path}
	limited.Path = "/bin/sh"
	n := startProcess(t, limited, nowhere, dir, "BOXOFFICE_MAX_CONNECTIONS=300", "BOXOFFICE_DATABASE_CONNECTIONS=4")
	require.Equal(t, exitFailed, n.wait(), n.logged())
	var warned struct {
		Level, Msg      string
		Allowed, Needed int
	}
	line, _, _ := strings.Cut(n.logged(), "\n")
	require.NoError(t, json.Unmarshal([]byte(line), &warned), n.logged())
	require.Equal(t, "WARN", warned.Level)
	require.Contains(t, warned.Msg, message)
	require.Equal(t, 500, warned.Allowed)
	require.Equal(t, 300+4+spareFiles, warned.Needed)

	for _, setting := range []string{"BOXOFFICE_MAX_CONNECTIONS=1", "BOXOFFICE_MAX_CONNECTIONS="} {
		limited := programCommand(t)
		limited.Args = []string{"sh", "-c", `ulimit -n 500 && exec "$0"`, limited.Path}
		limited.Path = "/bin/sh"
		n = startProcess(t, limited, nowhere, dir, setting)
		require.Equal(t, exitFailed, n.wait(), n.logged())
		require.NotContains(t, n.logged(), message)
	}
}
