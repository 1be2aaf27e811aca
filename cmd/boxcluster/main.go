package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"boxoffice/internal/rig"
)

// Exit statuses.
const (
	exitStopped = 0
	exitFailed  = 1
	exitUsage   = 2
)

// maxNodes is the most nodes on one machine.
const maxNodes = 9

// options are the command line's.
type options struct {
	nodes   int
	dir     string
	listen  string // of the first node; the others have the ports after it, or any for port 0
	binary  string // empty: it is built
	haproxy string // path of a configuration; empty: there is no balancer
	front   string // where the balancer listens
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run runs a cluster until ctx ends, and returns the exit status.
func run(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitStopped
	}
	if err != nil {
		fmt.Fprintln(stderr, "boxcluster:", err)
		return exitUsage
	}
	c := &cluster{options: o, environ: environ, stdout: stdout, stderr: newLines(stderr)}
	err = errors.Join(c.run(ctx), c.stop())
	if err != nil {
		fmt.Fprintln(stderr, "boxcluster:", err)
		return exitFailed
	}
	return exitStopped
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("boxcluster", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.nodes, "nodes", 3, "how many nodes")
	flags.StringVar(&o.dir, "dir", ".boxoffice/cluster", "directory that everything is kept in")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:8081", "HTTP address of the first node; the others get the ports after it; port 0 picks them")
	flags.StringVar(&o.binary, "binary", "", "the program; empty: it is built, which needs the source")
	flags.StringVar(&o.haproxy, "haproxy", "", "configuration of a HAProxy to run in front of the nodes, such as deploy/haproxy.cfg; empty: none")
	flags.StringVar(&o.front, "front", "127.0.0.1:8080", "HTTP address of that HAProxy; port 0 picks one")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("there are no arguments, but got %q", flags.Arg(0))
	case o.nodes < 1 || o.nodes > maxNodes:
		return o, fmt.Errorf("-nodes must be 1 to %d, not %d", maxNodes, o.nodes)
	}
	return o, nil
}

// addresses returns n HTTP addresses, the first of which was asked for.
func addresses(first string, n int) ([]string, error) {
	host, port, err := net.SplitHostPort(first)
	if err != nil {
		return nil, fmt.Errorf("-listen: %w", err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("-listen: %w", err)
	}
	if number == 0 {
		return rig.FreeAddresses(host, n)
	}
	all := make([]string, n)
	for i := range all {
		all[i] = net.JoinHostPort(host, strconv.FormatUint(number+uint64(i), 10))
	}
	return all, nil
}
