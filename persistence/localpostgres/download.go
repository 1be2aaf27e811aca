package localpostgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// What is downloaded where no PostgreSQL is installed.
const (
	downloadURL     = "https://repo1.maven.org/maven2"
	downloadVersion = embeddedpostgres.V18
	downloadMajor   = 18
	// downloadTimeout bounds a download of some 30 MB; reachTimeout the question whether
	// its source can be reached at all.
	downloadTimeout = 5 * time.Minute
	reachTimeout    = 10 * time.Second
)

// downloader fetches the server binaries of the embedded-postgres project and keeps
// them for the next time.
type downloader struct {
	url string // of a Maven repository
	dir string // where binaries are kept; empty: the usual place
}

// fetch gives the directory of the downloaded programs.
func (d downloader) fetch(ctx context.Context) (string, error) {
	base := d.dir
	if base == "" {
		var err error
		if base, err = downloadDir(); err != nil {
			return "", err
		}
	}
	home := filepath.Join(base, "postgresql-"+string(downloadVersion))
	bin := filepath.Join(home, "bin")
	if _, err := os.Stat(filepath.Join(home, "complete")); err == nil {
		return bin, nil
	}
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	if err := reach(ctx, d.url); err != nil {
		return "", err
	}
	if err := d.extract(ctx, base, home); err != nil {
		return "", fmt.Errorf("download PostgreSQL %s: %w", downloadVersion, err)
	}
	if _, err := inspect(ctx, bin); err != nil {
		return "", fmt.Errorf("the downloaded PostgreSQL does not run here: %w", err)
	}
	if err := os.WriteFile(filepath.Join(home, "complete"), nil, 0o600); err != nil {
		return "", fmt.Errorf("keep the downloaded PostgreSQL: %w", err)
	}
	return bin, nil
}

// extract has the library download the archive, check its SHA-256 and unpack it into
// home. The library offers that only as the first half of starting a server, and its
// server would not do (it refuses root, and outlives its parent). So its start is
// given a data directory that nothing can start on: it fails, always, after the half
// that is wanted, and the programs being there is what counts.
func (d downloader) extract(ctx context.Context, base, home string) error {
	scratch, err := os.MkdirTemp("", "boxoffice-download-")
	if err != nil {
		return err
	}
	data := filepath.Join(scratch, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	version := strconv.Itoa(downloadMajor)
	if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(version+"\n"), 0o600); err != nil {
		return err
	}
	port, err := FreePort("127.0.0.1")
	if err != nil {
		return err
	}
	server := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().
		Version(downloadVersion).
		BinaryRepositoryURL(d.url).
		CachePath(filepath.Join(base, "archives")).
		BinariesPath(home).
		RuntimePath(filepath.Join(scratch, "runtime")).
		DataPath(data).
		Port(uint32(port)).
		Logger(io.Discard))
	ended := make(chan error, 1)
	// The library takes no context. Where this one ends first the caller gives up and the
	// program ends; the goroutine can start nothing and removes only its own files.
	go func() {
		err := server.Start()
		ended <- errors.Join(err, os.RemoveAll(scratch))
	}()
	select {
	case err = <-ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	if _, statErr := os.Stat(filepath.Join(home, "bin", "postgres")); statErr != nil {
		return errors.Join(err, statErr)
	}
	return nil
}

// reach tells early that there is no way to the source: the library waits longer.
func reach(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("reach the source of PostgreSQL downloads: %w", err)
	}
	return response.Body.Close()
}

// downloadDir is where binaries are kept: in the user's cache directory, or, for
// root, where the unprivileged user that runs them can read them.
func downloadDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/cache/boxoffice", nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for downloaded binaries: %w", err)
	}
	return filepath.Join(cache, "boxoffice"), nil
}
