package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"
)

// debugHeaderTimeout bounds how long a client of the debug listener may take to ask. The
// answers may take as long as a profile does.
const debugHeaderTimeout = 5 * time.Second

// startDebug serves Go profiles on a loopback address, and returns what stops that.
func startDebug(ctx context.Context, address string, logger *slog.Logger) (func(context.Context) error, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for profiles: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: debugHeaderTimeout}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // it only ends with Close
	logger.Info("serving profiles under /debug/pprof/", "address", listener.Addr().String())
	return func(context.Context) error {
		err := server.Close()
		serving.Wait()
		return err
	}, nil
}
