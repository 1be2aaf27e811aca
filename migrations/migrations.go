package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// FS holds the numbered files, 0001_<what>.sql and so on.
//
//go:embed *.sql
var FS embed.FS

// Bounds of waiting for another process that migrates: it is asked for every
// lockPeriodSeconds, lockAttempts times.
const (
	lockPeriodSeconds = 1
	lockAttempts      = 120
)

// ErrBehind means that the database lacks migrations of this program.
var ErrBehind = errors.New("the database is older than this program: run `boxoffice migrate`")

// ErrAhead means that a newer program has migrated the database.
var ErrAhead = errors.New("the database is newer than this program: run the program that migrated it, or a newer one")

// Up brings the database at url to the newest version. It is safe to run in several
// processes at once; the second finds nothing to do.
func Up(ctx context.Context, url string) (err error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockPeriodSeconds, lockAttempts))
	if err != nil {
		return fmt.Errorf("make the migration lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, FS, goose.WithSessionLocker(locker))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// Check reports whether the database at url is at the version of this program: nil, an
// error that wraps ErrBehind or ErrAhead, or the error that kept it from finding out. It
// changes nothing.
func Check(ctx context.Context, url string) (err error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	current, err := databaseVersion(ctx, db)
	if err != nil {
		return fmt.Errorf("read the database's version: %w", err)
	}
	switch newest, err := Version(); {
	case err != nil:
		return err
	case current < newest:
		return fmt.Errorf("version %d, needed %d: %w", current, newest, ErrBehind)
	case current > newest:
		return fmt.Errorf("version %d, known up to %d: %w", current, newest, ErrAhead)
	}
	return nil
}

// Version returns the number of this program's newest migration.
func Version() (int64, error) {
	names, err := fs.Glob(FS, "*.sql")
	if err != nil {
		return 0, fmt.Errorf("list the migrations: %w", err)
	}
	var newest int64
	for _, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("migration %s has no number: %w", name, err)
		}
		newest = max(newest, n)
	}
	return newest, nil
}

// databaseVersion returns the newest applied migration, 0 for an empty database. (goose's
// own answer would create its table.)
func databaseVersion(ctx context.Context, db *sql.DB) (int64, error) {
	var migrated bool
	err := db.QueryRowContext(ctx, "SELECT to_regclass($1) IS NOT NULL", goose.DefaultTablename).Scan(&migrated)
	if err != nil || !migrated {
		return 0, err
	}
	var version int64
	err = db.QueryRowContext(ctx,
		"SELECT coalesce(max(version_id), 0) FROM "+goose.DefaultTablename+" WHERE is_applied").Scan(&version)
	return version, err
}
