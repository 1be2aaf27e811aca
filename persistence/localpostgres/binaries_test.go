package localpostgres

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// install puts programs that look like PostgreSQL's into dir.
func install(t *testing.T, dir, version string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for program, script := range map[string]string{
		"postgres": fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s (Some Distribution)'\n", version),
		"initdb":   "#!/bin/sh\nexit 1\n",
	} {
		writeProgram(t, filepath.Join(dir, program), []byte(script))
	}
	return dir
}

func TestFindBinaries(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, version := range []string{"9.6.24", "13.4", "14.9", "16.10", "16.9", "19beta1"} {
		install(t, filepath.Join(root, version, "bin"), version)
	}
	onPath := install(t, filepath.Join(root, "path"), "15.2")
	onlyServer := filepath.Join(root, "only-server")
	require.NoError(t, os.MkdirAll(onlyServer, 0o755))
	require.NoError(t, os.Symlink(filepath.Join(onPath, "postgres"), filepath.Join(onlyServer, "postgres")))
	installed := []string{filepath.Join(root, "*", "bin")}

	for name, test := range map[string]struct {
		finder finder
		major  int
		want   string // version
	}{
		"PATH first":                     {finder{path: onPath, patterns: installed}, 0, "15.2"},
		"links are followed":             {finder{path: onlyServer}, 0, "15.2"},
		"newest of the others":           {finder{path: root, patterns: installed}, 0, "19beta1"},
		"the cluster's, newest of those": {finder{path: onPath, patterns: installed}, 16, "16.10"},
		"the cluster's on PATH":          {finder{path: onPath, patterns: installed}, 15, "15.2"},
		"too old on PATH":                {finder{path: filepath.Join(root, "13.4", "bin"), patterns: installed[:1]}, 14, "14.9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := test.finder.find(t.Context(), test.major)
			require.NoError(t, err)
			require.Equal(t, test.want, found.version)
		})
	}
}

func TestNoBinariesNamesTheWaysOut(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	old := install(t, filepath.Join(root, "old"), "12.1")
	_, err := start(t.Context(), Config{DataDir: filepath.Join(root, "data")}, finder{path: old})
	for _, part := range []string{
		"14 or newer", "PostgreSQL 12.1 in " + old,
		"install PostgreSQL", "BOXOFFICE_DATABASE_URL", "docker compose up",
	} {
		require.ErrorContains(t, err, part)
	}
}

func TestClusterOfAnotherVersion(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	binaries := install(t, filepath.Join(root, "bin"), "16.1")
	cluster := filepath.Join(root, "boxoffice", "data")
	require.NoError(t, os.MkdirAll(cluster, 0o700))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(cluster, 65534, 65534))
	}
	require.NoError(t, os.WriteFile(filepath.Join(cluster, "PG_VERSION"), []byte("15\n"), 0o600))
	_, err := start(t.Context(), Config{DataDir: filepath.Dir(cluster)}, finder{path: binaries})
	require.ErrorContains(t, err, "server of version 15, which made the data directory")
	require.ErrorContains(t, err, "found only PostgreSQL 16.1")
	require.ErrorContains(t, err, "move the data directory away")
}

func TestServerGetsNothingOfOurEnvironment(t *testing.T) {
	t.Setenv("PGDATA", "/does/not/exist")
	t.Setenv("PGOPTIONS", "--work_mem=much")
	t.Setenv("LC_ALL", "none")
	t.Setenv("BOXOFFICE_JWT_KEY", "secret")
	server := startServer(t, Config{DataDir: t.TempDir()})
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", server.process.Pid))
	if errors.Is(err, os.ErrNotExist) {
		return // no Linux
	}
	require.NoError(t, err)
	require.NotContains(t, string(environ), "PGOPTIONS")
	require.NotContains(t, string(environ), "secret")
}
