package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"

	"boxoffice/cluster/localnats"
)

// NATSCommand is the argument that makes a program of the laboratory, or the binary of its
// tests, a NATS server: its main calls [RunNATS] with the arguments after it.
const NATSCommand = "nats"

// NATS prepares this program as a NATS server. It writes its ready line and what NATS says to
// stderr; cfg has no logger of its own.
func NATS(cfg localnats.Config) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	encoded, err := json.Marshal(cfg)
	if err != nil {
		return nil, fmt.Errorf("encode the configuration of NATS: %w", err)
	}
	return Command(os.Environ(), self, NATSCommand, string(encoded)), nil
}

// RunNATS is a NATS server until ctx ends.
func RunNATS(ctx context.Context, args []string) error {
	var cfg localnats.Config
	if len(args) != 1 {
		return errors.New("a NATS server takes its configuration as its one argument")
	}
	if err := json.Unmarshal([]byte(args[0]), &cfg); err != nil {
		return fmt.Errorf("decode the configuration of NATS: %w", err)
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
