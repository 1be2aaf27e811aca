package main

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"boxoffice/migrations"
	"boxoffice/persistence/postgrestest"
)

// asProgram in the environment makes the test binary be the program: tests that need a
// process of its own start that, so the race detector and coverage watch it too.
const asProgram = "RUN_AS_BOXOFFICE"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	postgrestest.Main(m, migrations.Up)
}

// runProgram runs a command to its end in this process, with nothing but environ set.
func runProgram(t *testing.T, args []string, environ ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out bytes.Buffer
	var err syncBuffer
	status = run(t.Context(), args, environ, &out, &err)
	return status, out.String(), err.String()
}

// syncBuffer may be written to by many at once, as a process's standard error may.
type syncBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"unknown command":            {[]string{"sell"}, `unknown command "sell"`},
		"empty command":              {[]string{""}, `unknown command ""`},
		"unknown flag":               {[]string{"serve", "-port", "1"}, "-port"},
		"unknown flag, no command":   {[]string{"--port=1"}, "-port"},
		"argument of serve":          {[]string{"serve", "now"}, `"now"`},
		"argument of migrate":        {[]string{"migrate", "up"}, `"up"`},
		"argument of version":        {[]string{"version", "x"}, `"x"`},
		"help about nothing known":   {[]string{"help", "sell"}, `unknown command "sell"`},
		"help about several":         {[]string{"help", "serve", "token"}, `"token"`},
		"token without a role":       {[]string{"token"}, "-role"},
		"token of an unknown role":   {[]string{"token", "-role", "root"}, "-role"},
		"token of a user, no id":     {[]string{"token", "-role", "user"}, "-user"},
		"token of a user, bad id":    {[]string{"token", "-role", "user", "-user", "7"}, "-user"},
		"token of an admin, bad id":  {[]string{"token", "-role", "admin", "-user", "7"}, "-user"},
		"token for no time":          {[]string{"token", "-role", "admin", "-ttl", "0s"}, "-ttl"},
		"token for a bad time":       {[]string{"token", "-role", "admin", "-ttl", "long"}, "-ttl"},
		"argument of token":          {[]string{"token", "-role", "admin", "x"}, `"x"`},
		"healthcheck of port 0":      {[]string{"healthcheck", "-address", "127.0.0.1:0"}, "-address"},
		"healthcheck of no address":  {[]string{"healthcheck", "-address", "here"}, "-address"},
		"line breaks in an argument": {[]string{"a\nb"}, "unknown command"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := runProgram(t, test.args)
			require.Equal(t, exitUsage, status)
			require.Empty(t, stdout)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			require.True(t, strings.HasPrefix(stderr, "boxoffice: "), stderr)
			require.Contains(t, stderr, test.want)
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"help"}, {"-h"}, {"--help"}, {"-help"}} {
		status, stdout, stderr := runProgram(t, args)
		require.Equal(t, exitStopped, status)
		require.Empty(t, stderr)
		for _, c := range commands() {
			require.Contains(t, stdout, "  "+c.name+" ")
			require.Contains(t, stdout, c.summary)
		}
	}
	for _, c := range commands() {
		status, stdout, stderr := runProgram(t, []string{c.name, "-h"})
		require.Equal(t, exitStopped, status)
		require.Empty(t, stderr)
		require.Contains(t, stdout, "Usage: boxoffice "+c.name)
		require.Contains(t, stdout, c.summary)

		_, about, _ := runProgram(t, []string{"help", c.name})
		require.Equal(t, stdout, about)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := runProgram(t, []string{"version"})
	require.Equal(t, exitStopped, status)
	require.Empty(t, stderr)
	require.Regexp(t, `^boxoffice \S+ \(commit \S+, go1\.\S+\)\n$`, stdout)
}
