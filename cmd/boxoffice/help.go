package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

func prepareHelp(flags *flag.FlagSet) action {
	return func(_ context.Context, p program, _ settings) error {
		if flags.NArg() == 0 {
			return writeHelp(p.stdout)
		}
		c, err := findCommand(flags.Arg(0))
		if err != nil {
			return err
		}
		return c.help(p.stdout)
	}
}

// help prints the help of one command.
func (c command) help(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "Usage: %s\n\n%s.\n", strings.TrimSpace("boxoffice "+c.name+" "+c.usage), c.summary); err != nil {
		return fmt.Errorf("write the help of %s: %w", c.name, err)
	}
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(w)
	c.prepare(flags)
	flags.PrintDefaults()
	return nil
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
	for _, row := range new(settings).table() {
		b.WriteString("  " + row.name)
		if row.fallback != "" {
			b.WriteString("  (default " + row.fallback + ")")
		}
		b.WriteString("\n      " + row.meaning() + "\n")
	}
	b.WriteString("\nExit status: 0 stopped cleanly, 1 failed, 2 bad usage or settings.\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write help: %w", err)
	}
	return nil
}
