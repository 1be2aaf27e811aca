package postgrestest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"boxoffice/persistence/localpostgres"
)

// urlVariable names a server to use instead of a private one.
const urlVariable = "BOXOFFICE_TEST_DATABASE_URL"

// environment is what the tests of one process share; all of it is made when it is
// first asked for.
type environment struct {
	migrate Migrate

	mu        sync.Mutex
	directory *directory            // of the private servers
	server    *localpostgres.Server // the shared private server
	source    *source
	err       error // why the shared server could not be started
	servers   int   // how many were started, for their directories' names
}

// Database returns the connection string of a migrated database that is t's alone.
func Database(t testing.TB) string {
	t.Helper()
	env := environmentOf(t)
	source, err := env.shared(t.Context())
	if err != nil {
		t.Fatalf("no database for the test: %v", err)
	}
	name, err := source.create(t.Context())
	if err != nil {
		t.Fatalf("no database for the test: %v", err)
	}
	t.Cleanup(func() {
		if err := source.drop(context.Background(), name); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return source.url(name)
}

// Server starts a durable server that is t's alone, with a migrated database.
func Server(t testing.TB) *localpostgres.Server {
	t.Helper()
	env := environmentOf(t)
	server, err := env.startDurable(t.Context())
	if err != nil {
		t.Fatalf("no database for the test: %v", err)
	}
	t.Cleanup(func() {
		if err := server.StopImmediate(context.Background()); err != nil {
			t.Errorf("stop the test's database server: %v", err)
		}
	})
	if env.migrate != nil {
		if err := env.migrate(t.Context(), server.URL); err != nil {
			t.Fatalf("migrate the test's database: %v", err)
		}
	}
	return server
}

// shared returns the source of databases, made at the first call. A failure is final: it is
// not tried again for every test of the process.
func (e *environment) shared(ctx context.Context) (*source, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.source != nil || e.err != nil {
		return e.source, e.err
	}
	e.source, e.err = e.openSource(context.WithoutCancel(ctx))
	return e.source, e.err
}

func (e *environment) openSource(ctx context.Context) (*source, error) {
	base := os.Getenv(urlVariable)
	if base == "" {
		if err := e.makeDirectory(); err != nil {
			return nil, err
		}
		server, err := e.startIn(ctx, e.directory.memory, map[string]string{
			"fsync":              "off",
			"synchronous_commit": "off",
			"full_page_writes":   "off",
			"shared_buffers":     "64MB",
			"min_wal_size":       "32MB",
			"max_wal_size":       "256MB",
		})
		if err != nil {
			return nil, err
		}
		e.server = server
		base = server.URL
	}
	return openSource(ctx, base, e.migrate)
}

func (e *environment) startDurable(ctx context.Context) (*localpostgres.Server, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.makeDirectory(); err != nil {
		return nil, err
	}
	return e.startIn(ctx, e.directory.disk, nil)
}

// makeDirectory makes the directory if there is none yet. The caller holds mu, here
// and below.
func (e *environment) makeDirectory() (err error) {
	if e.directory == nil {
		e.directory, err = newDirectory()
	}
	return err
}

func (e *environment) startIn(ctx context.Context, dir string, settings map[string]string) (*localpostgres.Server, error) {
	e.servers++
	return localpostgres.Start(ctx, localpostgres.Config{
		DataDir:  filepath.Join(dir, strconv.Itoa(e.servers)),
		Settings: settings,
	})
}

// close ends everything.
func (e *environment) close(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	if e.source != nil {
		errs = append(errs, e.source.close(ctx))
	}
	if e.server != nil {
		errs = append(errs, e.server.StopImmediate(ctx))
	}
	if e.directory != nil {
		errs = append(errs, e.directory.remove())
	}
	return errors.Join(errs...)
}
