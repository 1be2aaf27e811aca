package localpostgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldestMajor is the oldest PostgreSQL that the service runs on.
const oldestMajor = 14

// NoBinariesError says that there is no usable PostgreSQL on this machine and none
// could be downloaded.
type NoBinariesError struct {
	Major int      // of the data directory; 0: any from oldestMajor would do
	Found []string // what is installed and will not do
	Cause error    // why nothing was downloaded
}

func (e *NoBinariesError) Error() string {
	wanted := fmt.Sprintf("no PostgreSQL server of version %d or newer", oldestMajor)
	install := "install PostgreSQL (its server, for example the package postgresql)"
	if e.Major != 0 {
		wanted = fmt.Sprintf("no PostgreSQL server of version %d, which made the data directory", e.Major)
		install = fmt.Sprintf("install PostgreSQL %d, or move the data directory away", e.Major)
	}
	found := "none is installed"
	if len(e.Found) > 0 {
		found = "found only " + strings.Join(e.Found, ", ")
	}
	return fmt.Sprintf("%s: %s, and nothing was downloaded (%v); %s, "+
		"or set BOXOFFICE_DATABASE_URL to a server that runs, or use `docker compose up`",
		wanted, found, e.Cause, install)
}

// Unwrap gives why nothing was downloaded.
func (e *NoBinariesError) Unwrap() error { return e.Cause }

// binaries is one installation of the server.
type binaries struct {
	dir     string // of initdb and postgres
	version string // as postgres tells it, "17.2"
	major   int
}

func (b binaries) String() string { return fmt.Sprintf("PostgreSQL %s in %s", b.version, b.dir) }

// finder knows where server binaries may be.
type finder struct {
	path     string   // a PATH
	patterns []string // globs of directories
	download func(ctx context.Context) (dir string, err error)
}

func defaultFinder() finder {
	return finder{
		path: os.Getenv("PATH"),
		patterns: []string{
			"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
			"/usr/pgsql-*/bin",                                   // Fedora, RHEL: PGDG's packages
			"/usr/lib/postgresql*/bin",                           // openSUSE
			"/usr/libexec/postgresql*",                           // Alpine
			"/usr/lib64/postgresql-*/bin",                        // Gentoo
			"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew on Apple silicon
			"/usr/local/opt/postgresql*/bin",                     // Homebrew on Intel
			"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",     // Homebrew on Linux
			"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
			"/opt/local/lib/postgresql*/bin",                     // MacPorts
		},
		download: downloader{url: downloadURL}.fetch,
	}
}

// find gives the binaries to use: of the major version of an existing cluster, or,
// for major 0, those on PATH, else the newest.
func (f finder) find(ctx context.Context, major int) (binaries, error) {
	var rejected []string
	for _, candidate := range f.installed(ctx) {
		if candidate.major >= oldestMajor && (major == 0 || candidate.major == major) {
			return candidate, nil
		}
		rejected = append(rejected, candidate.String())
	}
	fail := func(cause error) (binaries, error) {
		return binaries{}, &NoBinariesError{Major: major, Found: rejected, Cause: cause}
	}
	if major != 0 && major != downloadMajor {
		return fail(fmt.Errorf("only version %d can be", downloadMajor))
	}
	dir, err := f.download(ctx)
	if err != nil {
		return fail(err)
	}
	downloaded, err := inspect(ctx, dir)
	if err != nil {
		return fail(err)
	}
	return downloaded, nil
}

// installed lists what is there: PATH's first, then the others, newest first.
func (f finder) installed(ctx context.Context) []binaries {
	var found []binaries
	seen := map[string]bool{}
	add := func(dir string) {
		// Links are followed: the two programs are to be of one installation.
		postgres, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
		if err != nil || seen[filepath.Dir(postgres)] {
			return
		}
		seen[filepath.Dir(postgres)] = true
		if b, err := inspect(ctx, filepath.Dir(postgres)); err == nil {
			found = append(found, b)
		}
	}
	for _, dir := range filepath.SplitList(f.path) {
		add(dir)
	}
	fromPath := len(found)
	for _, pattern := range f.patterns {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			panic(err) // the patterns are constants
		}
		for _, dir := range dirs {
			add(dir)
		}
	}
	slices.SortStableFunc(found[fromPath:], func(a, b binaries) int {
		return slices.Compare(versionNumbers(b.version), versionNumbers(a.version))
	})
	return found
}

// inspect asks the binaries in dir what they are.
func inspect(ctx context.Context, dir string) (binaries, error) {
	if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version")
	cmd.Env = serverEnvironment(os.Environ())
	output, err := cmd.Output()
	if err != nil {
		return binaries{}, fmt.Errorf("ask %s for its version: %w", cmd.Path, err)
	}
	// "postgres (PostgreSQL) 17.2 (Debian …)", "… 18beta1".
	match := regexp.MustCompile(`\(PostgreSQL\) ((\d+)\S*)`).FindSubmatch(output)
	if match == nil {
		return binaries{}, errors.New("unknown version: " + string(output))
	}
	major, err := strconv.Atoi(string(match[2]))
	if err != nil {
		return binaries{}, fmt.Errorf("unknown version: %w", err)
	}
	return binaries{dir: dir, version: string(match[1]), major: major}, nil
}

// versionNumbers gives the numbers in a version in order, for comparing.
func versionNumbers(version string) []int {
	var numbers []int
	for _, digits := range regexp.MustCompile(`\d+`).FindAllString(version, -1) {
		n, err := strconv.Atoi(digits)
		if err != nil {
			return numbers // longer than any version is
		}
		numbers = append(numbers, n)
	}
	return numbers
}
