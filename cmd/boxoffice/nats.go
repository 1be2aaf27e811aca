package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/nats-io/nats.go"

	"boxoffice/cluster"
	"boxoffice/cluster/localnats"
)

// openNATS connects to the configured NATS, or to one that it starts in this process.
func openNATS(ctx context.Context, s settings, logger *slog.Logger) (*nats.Conn, func(context.Context) error, error) {
	secured, err := s.natsTLS()
	if err != nil {
		return nil, nil, fmt.Errorf("TLS to NATS: %w", err)
	}
	options := cluster.NATSOptions{Name: "boxoffice", Credentials: s.NATSCredentials, TLS: secured, Logger: logger}
	if s.NATSURL != "" {
		if s.JWTKey == nil {
			logger.Warn("other nodes need the signing key of this one's data directory: give all the same BOXOFFICE_JWT_KEY")
		}
		defer tellIfSlow(logger, "waiting for NATS")()
		var connection *nats.Conn
		err := await(ctx, func(context.Context) (again bool, err error) {
			connection, err = cluster.Connect(s.NATSURL, options)
			return !isRefused(err), err
		})
		if err != nil {
			return nil, nil, fmt.Errorf("the NATS of BOXOFFICE_NATS_URL: %w", err)
		}
		return connection, func(context.Context) error { connection.Close(); return nil }, nil
	}
	lock, err := clearStore(filepath.Join(s.DataDir, "nats"))
	if err != nil {
		return nil, nil, fmt.Errorf("start NATS in BOXOFFICE_DATA_DIR: %w", err)
	}
	server, err := localnats.Start(ctx, localnats.Config{StoreDir: lock.Name(), Logger: logger})
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	connection, err := cluster.Connect(server.URL, options)
	if err != nil {
		server.Stop()
		return nil, nil, errors.Join(err, lock.Close())
	}
	return connection, func(context.Context) error {
		connection.Close()
		server.Stop()
		return lock.Close()
	}, nil
}

// isRefused reports whether trying again would bring the same refusal: the server is there.
func isRefused(err error) bool {
	_, distrusted := errors.AsType[*tls.CertificateVerificationError](err)
	_, rejected := errors.AsType[tls.AlertError](err)
	return distrusted || rejected || errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) ||
		errors.Is(err, nats.ErrSecureConnWanted)
}

// clearStore makes an empty directory that is this process's alone until the lock is
// closed. What an earlier NATS server left there is of no use: the members that it knows
// are gone.
func clearStore(dir string) (lock *os.File, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err = os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another node uses %s: set BOXOFFICE_DATA_DIR to a directory of this node's own, "+
			"or BOXOFFICE_NATS_URL: %w", dir, err), lock.Close())
	}
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}
