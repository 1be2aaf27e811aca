package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// Boxoffice is the package of the service.
const Boxoffice = "boxoffice/cmd/boxoffice"

// Build says how a program is built. What it does not say is as it was for this program
// itself: a test builds with the flags of go test, and finds most of it in the cache.
type Build struct {
	Package string // such as [Boxoffice]
	Dir     string // where the program goes
	Tags    string
	Race    bool
	Overlay string // path of a file for go build -overlay; empty: none
}

// Run builds the program and returns its path. It takes as long as it takes, minutes on a
// busy machine without a cache: no limit of a test may contain it.
func (b Build) Run(ctx context.Context) (string, error) {
	path := filepath.Join(b.Dir, filepath.Base(b.Package))
	args := []string{"build", "-o", path}
	environ := os.Environ()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "CGO_ENABLED":
				environ = append(environ, s.Key+"="+s.Value)
			case "-race":
				b.Race = b.Race || s.Value == "true"
			}
		}
	}
	if b.Tags != "" {
		args = append(args, "-tags", b.Tags)
	}
	if b.Race {
		args = append(args, "-race")
		environ = append(environ, "CGO_ENABLED=1")
	}
	if b.Overlay != "" {
		args = append(args, "-overlay", b.Overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, b.Package)...)
	cmd.Env = environ
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w: %s", b.Package, err, strings.TrimSpace(string(out)))
	}
	return path, nil
}
