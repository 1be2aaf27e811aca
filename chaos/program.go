package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"boxoffice/chaos/mutant"
	"boxoffice/internal/rig"
)

// program is what a run runs.
type program struct {
	path   string
	commit string
}

// build builds the program into a directory and finds out which one it is.
func build(ctx context.Context, o options, into string) (program, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return program{}, fmt.Errorf("find the module: %w", err)
	}
	dir := strings.TrimSpace(string(root))
	how := rig.Build{Package: rig.Boxoffice, Dir: into, Tags: o.tags, Race: o.race}
	if o.mutant != "" {
		m, err := mutant.Find(o.mutant)
		if err != nil {
			return program{}, err
		}
		if how.Overlay, err = m.Overlay(dir, into); err != nil {
			return program{}, err
		}
	}
	var p program
	if p.path, err = how.Run(ctx); err != nil {
		return program{}, err
	}
	p.commit = "unknown" // without a repository: the program is judged all the same
	describe := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty")
	describe.Dir = dir
	if out, err := describe.Output(); err == nil {
		p.commit = strings.TrimSpace(string(out))
	}
	return p, nil
}

// makeDirectory makes an output directory, which must be empty: what an earlier run left
// in it would be judged as if it were this one's. Without a path it makes one of a name of
// its own.
func makeDirectory(path, name string) (_ string, err error) {
	if path == "" {
		path, err = os.MkdirTemp("", name)
	} else if path, err = filepath.Abs(path); err == nil {
		err = os.MkdirAll(path, 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("make the output directory: %w", err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", fmt.Errorf("look into the output directory: %w", err)
	}
	if len(entries) > 0 {
		return "", fmt.Errorf("the output directory %s is not empty", path)
	}
	return path, nil
}
