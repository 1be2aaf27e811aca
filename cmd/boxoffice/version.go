package main

import (
	"context"
	"flag"
	"fmt"
	"runtime/debug"
)

func versionCommand() command {
	return command{
		name:    "version",
		summary: "Print the version, the commit and the Go release that it was built with",
		prepare: func(*flag.FlagSet) func(context.Context, program, []string) error {
			return func(_ context.Context, p program, args []string) error {
				if err := noArguments("version", args); err != nil {
					return err
				}
				_, err := fmt.Fprintln(p.stdout, "boxoffice "+readBuild().String())
				return err
			}
		},
	}
}

// build is what the toolchain wrote into the binary.
type build struct {
	version   string // "(devel)" outside of a release
	revision  string // "unknown" where it was not built from a repository
	modified  bool   // built from changed files
	goVersion string
}

func (b build) String() string {
	revision := b.revision
	if b.modified {
		revision += "+changes"
	}
	return fmt.Sprintf("%s (commit %s, %s)", b.version, revision, b.goVersion)
}

func readBuild() build {
	b := build{version: "(devel)", revision: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.goVersion = info.GoVersion
	if info.Main.Version != "" {
		b.version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.revision = s.Value
		case "vcs.modified":
			b.modified = s.Value == "true"
		}
	}
	return b
}
