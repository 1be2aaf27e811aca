package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

func helpCommand() command {
	return command{
		name:    "help",
		usage:   "[command]",
		summary: "List the commands and every setting, or tell about one command",
		prepare: func(*flag.FlagSet) func(context.Context, program, []string) error {
			return func(_ context.Context, p program, args []string) error {
				switch len(args) {
				case 0:
					return writeHelp(p.stdout)
				case 1:
					return helpAbout(p.stdout, args[0])
				default:
					return noArguments("help", args[1:])
				}
			}
		},
	}
}

func helpAbout(w io.Writer, name string) error {
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == name })
	if i < 0 {
		return usagef("unknown command %q; boxoffice help lists them", name)
	}
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	all[i].prepare(flags)
	return all[i].help(w, flags)
}

func writeHelp(w io.Writer) error {
	var b strings.Builder
	b.WriteString("Boxoffice sells the seats of concerts: a waiting room, 50 seats per schedule, points.\n\n" +
		"Usage: boxoffice [command]\n\nCommands:\n")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(table, "  %s\t%s\n", c.name, c.summary)
	}
	_ = table.Flush() // to memory
	b.WriteString("\nboxoffice COMMAND -h tells about one. Without a command it serves.\n\n" +
		"Settings are environment variables; an empty one counts as unset:\n\n")
	for _, row := range settingsTable() {
		fmt.Fprintf(&b, "  %s", row.name)
		if row.fallback != "" {
			fmt.Fprintf(&b, "  (default %s)", row.fallback)
		}
		fmt.Fprintf(&b, "\n      %s\n", row.meaning)
	}
	b.WriteString("\nExit status: 0 stopped cleanly, 1 failed, 2 bad usage or settings.\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write help: %w", err)
	}
	return nil
}
