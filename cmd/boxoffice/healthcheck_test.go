package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]int{
		http.StatusOK:                 exitStopped,
		http.StatusServiceUnavailable: exitFailed,
		http.StatusNotFound:           exitFailed,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				status = http.StatusNotFound
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"detail":"NATS cannot be reached"}`))
		}))
		t.Cleanup(server.Close)
		_, port, err := net.SplitHostPort(server.Listener.Addr().String())
		require.NoError(t, err)

		for _, address := range []string{"127.0.0.1:" + port, ":" + port, "0.0.0.0:" + port} {
			got, stdout, stderr := runProgram(t, []string{"healthcheck"}, "BOXOFFICE_LISTEN="+address)
			require.Equal(t, want, got)
			require.Equal(t, want != exitStopped, strings.Contains(stderr, "NATS cannot be reached"), stderr)
			require.Empty(t, stdout)
			got, _, _ = runProgram(t, []string{"healthcheck", "-address", address})
			require.Equal(t, want, got)
		}
	}
}

func TestHealthcheckOfNobody(t *testing.T) {
	t.Parallel()
	status, _, stderr := runProgram(t, []string{"healthcheck"}, "BOXOFFICE_LISTEN="+nobody(t))
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, "not reachable")
}
