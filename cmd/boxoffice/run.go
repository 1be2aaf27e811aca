package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"boxoffice/migrations"
)

// Exit statuses.
const (
	exitStopped = 0 // done, or stopped cleanly
	exitFailed  = 1
	exitUsage   = 2 // starting again cannot help: bad usage, bad settings, an older program than the database's
)

// usageError is a mistake of the program's caller: exit status 2.
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

// action is what a command does. The settings are those of environ, valid as far as can be
// checked without using them.
type action func(context.Context, program, settings) error

// command is one word that the program understands.
type command struct {
	name     string
	usage    string // what follows the name, in brackets where optional
	summary  string // one line
	args     int    // most arguments, after the flags
	settings bool   // whether bad settings are a reason not to run
	// prepare declares the command's flags and returns what it does once they are parsed.
	prepare func(*flag.FlagSet) action
}

// commands lists what the program understands, in the order that help shows.
func commands() []command {
	return []command{
		{name: "serve", settings: true, summary: "Run a node until it is told to stop", prepare: noFlags(serve)},
		{
			name: "migrate", settings: true, prepare: noFlags(migrate),
			summary: "Bring the database of BOXOFFICE_DATABASE_URL, or the private one, up to date",
		},
		{
			name: "token", settings: true, usage: "-role admin|user [-user ID] [-ttl 24h]", prepare: prepareToken,
			summary: "Print an access token signed with the node's key",
		},
		{
			name: "healthcheck", settings: true, usage: "[-address host:port]", prepare: prepareHealthcheck,
			summary: "Ask the node of this machine whether it is ready: exit status 0 if it is, else 1",
		},
		{name: "version", summary: "Print the version, the commit and the Go release that it was built with", prepare: noFlags(printVersion)},
		{
			name: "help", usage: "[command]", args: 1, prepare: prepareHelp,
			summary: "List the commands and every setting, or tell about one command",
		},
	}
}

func noFlags(do action) func(*flag.FlagSet) action {
	return func(*flag.FlagSet) action { return do }
}

// run interprets the arguments (without the program's name) and returns the exit status. The
// first terminating signal ends ctx; a second one has no handler any more and ends the
// process at once. SIGHUP, of a closed terminal, is one of these signals unless the program
// was started with it ignored, as by nohup.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(ctx, signals...)
	defer stop()
	defer context.AfterFunc(ctx, stop)()

	err := dispatch(ctx, args, program{environ: environ, stdout: stdout, stderr: stderr})
	if err == nil {
		return exitStopped
	}
	// What supervisors show of a failure stays in one piece.
	fmt.Fprintln(stderr, "boxoffice: "+strings.Join(strings.Fields(err.Error()), " "))
	if _, ok := errors.AsType[usageError](err); ok || errors.Is(err, migrations.ErrAhead) {
		return exitUsage
	}
	return exitFailed
}

func dispatch(ctx context.Context, args []string, p program) error {
	name := "serve"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	} else if len(args) > 0 && slices.Contains([]string{"-h", "--h", "-help", "--help"}, args[0]) {
		name, args = "help", args[1:]
	}
	c, err := findCommand(name)
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet(c.name, flag.ContinueOnError)
	flags.SetOutput(io.Discard) // one line of ours instead
	do := c.prepare(flags)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return c.help(p.stdout)
	} else if err != nil {
		return usagef("%s: %v; boxoffice %s -h lists its flags", c.name, err, c.name)
	}
	if flags.NArg() > c.args {
		return usagef("%s takes no argument %q; boxoffice %s -h lists its flags", c.name, flags.Arg(c.args), c.name)
	}
	var s settings
	if c.settings {
		if s, err = loadSettings(p.environ); err != nil {
			return err
		}
	}
	return do(ctx, p, s)
}

func findCommand(name string) (command, error) {
	for _, c := range commands() {
		if c.name == name {
			return c, nil
		}
	}
	return command{}, usagef("unknown command %q; boxoffice help lists them", name)
}
