package system

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"boxoffice/chaos/plan"
)

// diskBytes is the size of Postgres' file system where it is one of its own: room for a
// run's rows and the little write-ahead log that such a Postgres keeps.
const diskBytes = 384 << 20

// errNoDisk means that Postgres has no file system of its own.
var errNoDisk = errors.New("postgres has no file system of its own to fill")

// CanLimitDisk reports whether this process may give Postgres a file system of its own.
func CanLimitDisk() bool {
	dir, err := os.MkdirTemp("", "chaos-disk-")
	if err != nil {
		return false
	}
	defer os.Remove(dir) //nolint:errcheck // it is empty
	return mountDisk(dir) == nil && unmountDisk(dir) == nil
}

// fillDisk leaves Postgres no room to write for as long as the fault lasts: half of the
// time for its tables alone, which makes it refuse what needs a new page, and half of the
// time for its log too, which makes it crash. It is healed when Postgres answers.
func (s *System) fillDisk(ctx context.Context, f plan.Fault) error {
	if !s.cfg.LimitDisk {
		return errNoDisk
	}
	path := filepath.Join(s.postgresDir(), "ballast")
	ballast, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	err = fill(ballast)
	if err == nil && f.Length.Milliseconds()%2 == 0 {
		s.useUpLog(ctx)
	}
	err = errors.Join(err, pause(ctx, f.Length), ballast.Close(), os.Remove(path))
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	return s.revivePostgres(ctx)
}

// useUpLog has Postgres begin new files of its log until it has no more. It may crash.
func (s *System) useUpLog(ctx context.Context) {
	const files = 8 // more than it keeps
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	for range files {
		if err := s.Exec(ctx, "SELECT pg_logical_emit_message(true, 'chaos', 'fill'), pg_switch_wal()"); err != nil {
			return // there is no more
		}
	}
}

// revivePostgres waits until Postgres answers, and starts it if it has ended.
func (s *System) revivePostgres(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, postgresLimit)
	defer cancel()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("postgres does not come back: %w", ctx.Err())
		case <-s.postgres.Done():
			return s.startPostgres(ctx, s.postgres.Port)
		case <-ticker.C:
			if err := s.Exec(ctx, "SELECT 1"); err == nil {
				return nil
			}
		}
	}
}

// fill writes until there is no room.
func fill(file io.Writer) error {
	const chunk = 1 << 20
	for zeros := make([]byte, chunk); ; {
		if _, err := file.Write(zeros); errors.Is(err, syscall.ENOSPC) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (s *System) postgresDir() string { return filepath.Join(s.cfg.Dir, "postgres") }
