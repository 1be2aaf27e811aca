package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// Exit statuses.
const (
	exitStopped = 0 // done, or stopped cleanly
	exitFailed  = 1
	exitUsage   = 2 // bad usage or bad settings
)

// usageError is what the caller of the program did wrong: exit status 2.
type usageError struct{ message string }

func (e usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return usageError{message: fmt.Sprintf(format, args...)}
}

// program is what a command may use of the process it runs in.
type program struct {
	environ []string // "NAME=value"
	stdout  io.Writer
	stderr  io.Writer
}

// command is one word that the program understands.
type command struct {
	name    string
	usage   string // what follows the name, in brackets where optional
	summary string // one line
	// prepare declares the command's flags and gives what runs it with the arguments
	// that are left.
	prepare func(*flag.FlagSet) func(context.Context, program, []string) error
}

// commands lists what the program understands, in the order that help shows.
func commands() []command {
	return []command{
		serveCommand(),
		migrateCommand(),
		tokenCommand(),
		healthcheckCommand(),
		versionCommand(),
		helpCommand(),
	}
}

// run interprets the arguments (without the program's name) and gives the exit status.
// An interrupt or a termination signal ends ctx; the second one finds no handler any
// more and ends the process at once.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)()

	err := dispatch(ctx, args, program{environ: environ, stdout: stdout, stderr: stderr})
	if err == nil {
		return exitStopped
	}
	fmt.Fprintln(stderr, "boxoffice: "+oneLine(err.Error()))
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// oneLine keeps what supervisors show of a failure in one piece.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func dispatch(ctx context.Context, args []string, p program) error {
	name := "serve"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	} else if len(args) > 0 && asksForHelp(args[0]) {
		name, args = "help", args[1:]
	}
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == name })
	if i < 0 {
		return usagef("unknown command %q; boxoffice help lists them", name)
	}
	return all[i].run(ctx, p, args)
}

func asksForHelp(arg string) bool {
	return slices.Contains([]string{"-h", "--h", "-help", "--help"}, arg)
}

func (c command) run(ctx context.Context, p program, args []string) error {
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // one line of ours instead
	action := c.prepare(flags)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return c.help(p.stdout, flags)
		}
		return usagef("%s: %v; boxoffice %s -h lists its flags", c.name, err, c.name)
	}
	return action(ctx, p, flags.Args())
}

func (c command) help(w io.Writer, flags *flag.FlagSet) error {
	flags.SetOutput(w)
	_, err := fmt.Fprintf(w, "Usage: %s\n\n%s.\n", strings.TrimSpace("boxoffice "+c.name+" "+c.usage), c.summary)
	if err != nil {
		return fmt.Errorf("write the help of %s: %w", c.name, err)
	}
	flags.PrintDefaults()
	return nil
}

// noArguments refuses what is left after the flags.
func noArguments(name string, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no argument, but got %q; boxoffice %s -h lists its flags", name, args[0], name)
	}
	return nil
}
