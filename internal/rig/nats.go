package rig

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"

	"boxoffice/cluster/localnats"
)

// NATSCommand is the argument that makes a program of the laboratory, or the binary of its
// tests, a NATS server: its main calls [RunNATS] with the arguments after it.
const NATSCommand = "nats"

// NATS prepares this program as a NATS server, with a store and a port of its own. It writes
// its ready line to stderr.
func NATS(storeDir string, port int) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	return Command(os.Environ(), self, NATSCommand, "-store", storeDir, "-port", fmt.Sprint(port)), nil
}

// RunNATS is a NATS server until ctx ends.
func RunNATS(ctx context.Context, args []string) error {
	var cfg localnats.Config
	flags := flag.NewFlagSet(NATSCommand, flag.ContinueOnError)
	flags.StringVar(&cfg.StoreDir, "store", "", "directory of the store")
	flags.IntVar(&cfg.Port, "port", 0, "port to listen on; 0: any")
	if err := flags.Parse(args); err != nil {
		return err
	}
	cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	server, err := localnats.Start(ctx, cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "NATS is ready at %s\n", server.URL)
	<-ctx.Done()
	server.Stop()
	return nil
}
