package rig_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"boxoffice/internal/rig"
)

func TestAServerIsReadyWhenItSaysSo(t *testing.T) {
	t.Parallel()
	s, err := rig.Serve(t.Context(), rig.Command(nil, "/bin/sh", "-c",
		`echo starting >&2; echo "it is ready at http://127.0.0.1:1 - try it" >&2; exec sleep 60`), nil)
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:1", s.URL)
	require.Contains(t, s.Log.String(), "starting\n")
	require.Equal(t, "signal: killed", s.Kill().String())

	_, err = rig.Serve(t.Context(), rig.Command(nil, "/bin/sh", "-c", "echo no port >&2; exit 1"), nil)
	require.ErrorContains(t, err, "no port")
}

func TestCommandsOfAProgram(t *testing.T) {
	t.Parallel()
	p := rig.Program{Path: "/bin/sh", Environ: []string{"WHO=it"}}
	out, err := p.Run(t.Context(), "-c", "echo $WHO")
	require.NoError(t, err)
	require.Equal(t, "it", out)
	_, err = p.Run(t.Context(), "-c", "echo broken >&2; exit 4")
	require.ErrorContains(t, err, "exit status 4: broken")
}

func TestOutputIsAwaited(t *testing.T) {
	t.Parallel()
	var to strings.Builder
	o := rig.Output{To: &to}
	ended := make(chan struct{})
	go func() {
		_, _ = o.Write([]byte("one "))
		_, _ = o.Write([]byte("two\n"))
		close(ended)
	}()
	found, err := o.Await(t.Context(), regexp.MustCompile("one (t.o)"), ended)
	require.NoError(t, err)
	require.Equal(t, "two", found[1])
	_, err = o.Await(t.Context(), regexp.MustCompile("three"), ended)
	require.ErrorContains(t, err, "has ended")
	require.Equal(t, "one two\n", to.String())
}

func TestFreeAddressesDiffer(t *testing.T) {
	t.Parallel()
	all, err := rig.FreeAddresses("127.0.0.1", 4)
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, address := range all {
		require.False(t, seen[address])
		seen[address] = true
	}
}

func TestProcessorTime(t *testing.T) {
	t.Parallel()
	machine, err := rig.MachineCPU()
	if err != nil {
		require.Zero(t, rig.TreeCPU(os.Getpid()), "another system")
		return
	}
	before := rig.ProcessCPU(os.Getpid())
	eventually(t, func() bool { // which takes some itself
		now, err := rig.MachineCPU()
		return err == nil && now > machine && rig.ProcessCPU(os.Getpid()) > before && rig.TreeCPU(os.Getpid()) > before
	})
}

func TestABuildIsAsThisProgram(t *testing.T) {
	t.Parallel()
	path, err := rig.Build{Package: "boxoffice/internal/rig/testdata/hello", Dir: t.TempDir()}.Run(t.Context())
	require.NoError(t, err)
	s, err := rig.Serve(t.Context(), rig.Command(nil, path), nil)
	require.NoError(t, err)
	require.NoError(t, s.Stop(time.Minute))
	_, err = rig.Build{Package: "boxoffice/nothing", Dir: t.TempDir()}.Run(t.Context())
	require.ErrorContains(t, err, "build boxoffice/nothing")
}
