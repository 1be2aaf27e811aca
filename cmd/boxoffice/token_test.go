package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

const someUser = "0198c0de-0000-7000-8000-000000000001"

func TestTokenNamesItsCaller(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	status, _, stderr := runProgram(t, []string{"token", "-role", "admin"}, "BOXOFFICE_DATA_DIR="+dir)
	require.Equal(t, exitStopped, status)
	require.Contains(t, stderr, "made "+filepath.Join(dir, keyFile), "which a node that runs elsewhere does not have")
	for name, test := range map[string]struct {
		args []string
		role string
		user string // empty: any
		ttl  time.Duration
	}{
		"admin":              {[]string{"-role", "admin"}, "admin", "", 24 * time.Hour},
		"admin who is known": {[]string{"-role", "admin", "-user", someUser}, "admin", someUser, 24 * time.Hour},
		"user":               {[]string{"-role", "user", "-user", someUser, "-ttl", "90s"}, "user", someUser, 90 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := runProgram(t, append([]string{"token"}, test.args...), "BOXOFFICE_DATA_DIR="+dir)
			require.Equal(t, exitStopped, status)
			require.Empty(t, stderr)
			require.Equal(t, 1, strings.Count(stdout, "\n"), "nothing but the token")

			key, _, err := nodeKey(settings{DataDir: dir})
			require.NoError(t, err)
			claims := jwt.MapClaims{}
			_, err = jwt.ParseWithClaims(strings.TrimSpace(stdout), claims, func(*jwt.Token) (any, error) { return key.Public(), nil })
			require.NoError(t, err)
			require.Equal(t, test.role, claims["role"])
			if test.user != "" {
				require.Equal(t, test.user, claims["sub"])
			}
			require.InDelta(t, test.ttl.Seconds(), claims["exp"].(float64)-claims["iat"].(float64), 0)
		})
	}
}

func TestTokenOfSeveralProcessesIsSignedWithOneKey(t *testing.T) {
	t.Parallel()
	const processes = 8
	dir := filepath.Join(t.TempDir(), "data")
	tokens := make([]string, processes)
	errs := make([]error, processes)
	var all sync.WaitGroup
	for i := range processes {
		all.Go(func() {
			cmd := programCommand(t, "token", "-role", "admin")
			cmd.Env = []string{asProgram + "=1", "BOXOFFICE_DATA_DIR=" + dir}
			var output []byte
			output, errs[i] = cmd.Output()
			tokens[i] = strings.TrimSpace(string(output))
		})
	}
	all.Wait()
	key, _, err := nodeKey(settings{DataDir: dir})
	require.NoError(t, err)
	for i := range processes {
		require.NoError(t, errs[i])
		_, err := jwt.Parse(tokens[i], func(*jwt.Token) (any, error) { return key.Public(), nil })
		require.NoError(t, err)
	}
}

func TestTokenWithoutAUsableDataDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	status, stdout, stderr := runProgram(t, []string{"token", "-role", "admin"}, "BOXOFFICE_DATA_DIR="+file)
	require.Equal(t, exitFailed, status)
	require.Empty(t, stdout)
	require.Contains(t, stderr, file)
}
