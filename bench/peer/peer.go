// Package peer is the main of the servers that the benchmarks measure boxoffice beside: they
// listen, say that they are ready as a node does, and stop on SIGTERM.
package peer

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	headerTimeout = 10 * time.Second
	stopTimeout   = 5 * time.Second
)

// Main serves until SIGTERM what open makes once the flags, to which it may have added, are
// parsed, and closes it.
func Main(name string, flags *flag.FlagSet, open func(context.Context) (handler http.Handler, end func(), err error)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, name, flags, open)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, name string, flags *flag.FlagSet, open func(context.Context) (http.Handler, func(), error)) error {
	listen := flags.String("listen", "127.0.0.1:0", "HTTP address")
	if err := flags.Parse(os.Args[1:]); err != nil {
		return err
	}
	handler, end, err := open(ctx)
	if err != nil {
		return err
	}
	defer end()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout}
	fmt.Fprintf(os.Stderr, "%s is ready at http://%s\n", name, listener.Addr())
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }() // received below
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err = server.Shutdown(ctx)
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
