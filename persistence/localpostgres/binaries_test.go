package localpostgres

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
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

func noDownload(context.Context) (string, error) { return "", errors.New("no network") }

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
			test.finder.download = noDownload
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
	_, err := start(t.Context(), Config{DataDir: filepath.Join(root, "data")}, finder{path: old, download: noDownload})
	none := new(NoBinariesError)
	require.ErrorAs(t, err, &none)
	for _, part := range []string{
		"14 or newer", "PostgreSQL 12.1 in " + old, "no network",
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
	_, err := start(t.Context(), Config{DataDir: filepath.Dir(cluster)}, finder{path: binaries, download: noDownload})
	require.ErrorContains(t, err, "server of version 15, which made the data directory")
	require.ErrorContains(t, err, "found only PostgreSQL 16.1")
	require.ErrorContains(t, err, "move the data directory away")
}

// repository serves an archive as Maven's does.
func repository(t *testing.T, checksum func(jar []byte) string) string {
	t.Helper()
	archive, err := os.ReadFile(filepath.Join("testdata", "postgres.txz"))
	require.NoError(t, err)
	var jar bytes.Buffer
	writer := zip.NewWriter(&jar)
	entry, err := writer.Create("postgres-linux-x86_64.txz")
	require.NoError(t, err)
	_, err = entry.Write(archive)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, ".jar"):
			_, _ = w.Write(jar.Bytes())
		case strings.HasSuffix(r.URL.Path, ".sha256"):
			_, _ = w.Write([]byte(checksum(jar.Bytes())))
		}
	}))
	t.Cleanup(func() {
		server.Close()
		http.DefaultClient.CloseIdleConnections() //nolint:forbidigo // it is what the library uses
	})
	return server.URL
}

func TestDownload(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // the library leaves a log there
	genuine := func(jar []byte) string {
		sum := sha256.Sum256(jar)
		return hex.EncodeToString(sum[:])
	}
	dir := t.TempDir()
	bin, err := downloader{url: repository(t, genuine), dir: dir}.fetch(t.Context())
	require.NoError(t, err)
	found, err := inspect(t.Context(), bin)
	require.NoError(t, err)
	require.Equal(t, downloadMajor, found.major)

	again, err := downloader{url: "http://127.0.0.1:1", dir: dir}.fetch(t.Context())
	require.NoError(t, err, "it is kept")
	require.Equal(t, bin, again)
}

func TestDownloadOfAForgedArchive(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // as above
	dir := t.TempDir()
	_, err := downloader{url: repository(t, func([]byte) string { return "0000" }), dir: dir}.fetch(t.Context())
	require.ErrorContains(t, err, "checksums do not match")
	require.NoFileExists(t, filepath.Join(dir, "postgresql-"+string(downloadVersion), "bin", "postgres"))
}

func TestDownloadWithoutNetwork(t *testing.T) {
	t.Parallel()
	_, err := downloader{url: "http://127.0.0.1:1", dir: t.TempDir()}.fetch(t.Context())
	require.ErrorContains(t, err, "reach the source of PostgreSQL downloads")
}

func TestServerEnvironment(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"PATH=/bin", "HOME=/", "LC_ALL=C"}, serverEnvironment([]string{
		"PATH=/bin", "PGDATA=/x", "LANG=de_DE", "LC_TIME=C", "HOME=/", "NOTIFY_SOCKET=/run/x", "BOXOFFICE_JWT_KEY=secret",
	}))
}

func TestClusterName(t *testing.T) {
	t.Parallel()
	require.Equal(t, "/data/konzerts?le", clusterName("/data/konzertsäle"))
	require.Len(t, clusterName(strings.Repeat("x", 100)), clusterNameLength)
}
