package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
)

func printVersion(_ context.Context, p program, _ settings) error {
	b := readBuild()
	_, err := fmt.Fprintf(p.stdout, "boxoffice %s (commit %s, %s)\n", b.version, b.revision, runtime.Version())
	return err
}

// build is what the toolchain wrote into the binary.
type build struct {
	version  string // "(devel)" outside of a release
	revision string // "unknown" where it was not built from a repository; "+changes" if those were in
}

func readBuild() build {
	b := build{version: "(devel)", revision: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.version = info.Main.Version
	}
	changes := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changes = "+changes"
		}
	}
	b.revision += changes
	return b
}
