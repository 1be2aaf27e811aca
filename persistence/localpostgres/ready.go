package localpostgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	prepareTimeout = 10 * time.Second
	logTailLength  = 2048 // bytes of the log shown in an error
)

// errPortTaken says that somebody else listens on the chosen port.
var errPortTaken = errors.New("the port is taken")

// waitReady returns when the server answers and has its database.
func (s *Server) waitReady(ctx context.Context) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		// The server's own word, not whether its port answers: somebody else's server may
		// have taken the port.
		if file := readPIDFile(s.cluster.dataDir()); file.ready && file.pid == s.process.pid() {
			if err := s.prepare(ctx); err != nil {
				return fmt.Errorf("prepare the server: %w", err)
			}
			return nil
		}
		select {
		case <-s.process.done:
			return s.exitError()
		case <-ctx.Done():
			return fmt.Errorf("the server was not ready in time: %w; its log ends: %s", ctx.Err(), s.logTail())
		case <-ticker.C:
		}
	}
}

// prepare makes the database if it is not there.
func (s *Server) prepare(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	config, err := pgx.ParseConfig(s.URL)
	if err != nil {
		return err
	}
	config.Database = "postgres"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var exists bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database).Scan(&exists)
	if err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize())
	return err
}

// exitError tells why a server ended before it was ready.
func (s *Server) exitError() error {
	tail := s.logTail()
	err := fmt.Errorf("the server ended (%s); its log ends: %s", s.process.cmd.ProcessState, tail)
	if strings.Contains(tail, "Address already in use") {
		return fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return err
}

func (s *Server) logTail() string {
	file, err := os.Open(filepath.Join(s.cluster.dir, "server.log"))
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err.Error()
	}
	tail, err := io.ReadAll(io.NewSectionReader(file, max(0, info.Size()-logTailLength), logTailLength))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(tail))
}
