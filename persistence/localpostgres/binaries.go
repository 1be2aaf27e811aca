package localpostgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// oldestMajor is the oldest PostgreSQL that the service runs on.
const oldestMajor = 14

// binaries is one installation of the server.
type binaries struct {
	dir          string // of initdb and postgres
	version      string // as postgres prints it, "17.2"
	major, minor int
}

// finder knows where server binaries may be.
type finder struct {
	path     string   // a PATH
	patterns []string // globs of directories
}

// installed looks where systems keep the server's programs.
func installed() finder {
	return finder{path: os.Getenv("PATH"), patterns: []string{
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
	}}
}

// find returns the binaries to use: of the major version of an existing cluster, or,
// for major 0, the first on PATH that is not too old, else the newest.
func (f finder) find(ctx context.Context, major int) (binaries, error) {
	dirs := filepath.SplitList(f.path)
	onPath := len(dirs)
	for _, pattern := range f.patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			panic(err) // the patterns are constants
		}
		dirs = append(dirs, found...)
	}
	var newest binaries
	var rejected []string
	for i, dir := range dirs {
		b, err := inspect(ctx, dir)
		switch {
		case err != nil:
		case b.major < oldestMajor || major != 0 && b.major != major:
			rejected = append(rejected, fmt.Sprintf("PostgreSQL %s in %s", b.version, b.dir))
		case i < onPath:
			return b, nil
		case cmp.Or(cmp.Compare(b.major, newest.major), cmp.Compare(b.minor, newest.minor)) > 0:
			newest = b
		}
	}
	if newest.major != 0 {
		return newest, nil
	}
	return binaries{}, noBinariesError(major, rejected)
}

func noBinariesError(major int, rejected []string) error {
	wanted := fmt.Sprintf("no PostgreSQL server of version %d or newer", oldestMajor)
	install := "install PostgreSQL (its server, for example the package postgresql)"
	if major != 0 {
		wanted = fmt.Sprintf("no PostgreSQL server of version %d, which made the data directory", major)
		install = fmt.Sprintf("install PostgreSQL %d, or move the data directory away", major)
	}
	found := "none is installed"
	if len(rejected) > 0 {
		found = "found only " + strings.Join(rejected, ", ")
	}
	return fmt.Errorf("%s: %s; %s, or set BOXOFFICE_DATABASE_URL to a server that runs, or use `docker compose up`",
		wanted, found, install)
}

// inspect asks the binaries in dir what they are. Links are followed: the two programs
// are to be of one installation.
func inspect(ctx context.Context, dir string) (binaries, error) {
	postgres, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return binaries{}, err
	}
	dir = filepath.Dir(postgres)
	if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, err
	}
	cmd := exec.CommandContext(ctx, postgres, "--version")
	cmd.Env = serverEnvironment()
	output, err := cmd.Output()
	if err != nil {
		return binaries{}, err
	}
	// "postgres (PostgreSQL) 17.2 (Debian …)", "… 18beta1".
	match := regexp.MustCompile(`\(PostgreSQL\) ((\d+)(?:\.(\d+))?\S*)`).FindStringSubmatch(string(output))
	if match == nil {
		return binaries{}, errors.New("unknown version: " + string(output))
	}
	major, err := strconv.Atoi(match[2])
	minor, _ := strconv.Atoi(match[3]) // 0 before the first release
	return binaries{dir: dir, version: match[1], major: major, minor: minor}, err
}
