package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// Migrate brings the database at a URL up to date.
type Migrate func(ctx context.Context, url string) error

// current is what Main made for this process. It is package state because the testing
// package runs one TestMain per process and gives it no way to hand anything to tests.
//
//nolint:gochecknoglobals // see above
var current struct {
	sync.Mutex
	*environment
}

// Main runs the tests of a package, ends what they used, reports leaked goroutines and
// exits. migrate is run once, on the template that databases are copied from; nil
// leaves them empty. ignored are goroutines that may stay.
func Main(m *testing.M, migrate Migrate, ignored ...goleak.Option) {
	for _, variable := range os.Environ() { // libpq's, which pgx reads whatever a URL says
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name) // which fails for no name that exists
		}
	}
	env := &environment{migrate: migrate}
	current.Lock()
	current.environment = env
	current.Unlock()

	code := m.Run()
	err := env.close(context.Background())
	// After a failure goroutines of the failed test are no news.
	if code == 0 && err == nil {
		err = goleak.Find(ignored...)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "after the tests:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func environmentOf(t testing.TB) *environment {
	t.Helper()
	current.Lock()
	defer current.Unlock()
	if current.environment == nil {
		t.Fatal(errors.New("TestMain of this package does not call postgrestest.Main"))
	}
	return current.environment
}
