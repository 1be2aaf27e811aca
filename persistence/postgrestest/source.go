package postgrestest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// prefix begins the name of every database that is made here; the id of the run and
// "_" and a number, or "_template", follow.
const prefix = "boxoffice_test_"

// source makes copies of a migrated template on one server.
type source struct {
	base   *url.URL
	run    string // names this run's databases
	copy   string // the options of CREATE DATABASE
	number atomic.Int64

	mu   sync.Mutex
	conn *pgx.Conn // its session holds the lock that says that the run is alive
}

// openSource makes the template, after dropping what runs that died have left.
func openSource(ctx context.Context, base string, migrate Migrate) (_ *source, err error) {
	s := &source{run: strings.ToLower(rand.Text()[:12])}
	if s.base, err = url.Parse(base); err != nil {
		return nil, fmt.Errorf("the server's URL: %w", err)
	}
	if s.conn, err = pgx.Connect(ctx, base); err != nil {
		return nil, fmt.Errorf("connect to the server: %w", err)
	}
	if err := s.prepare(ctx, migrate); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

func (s *source) prepare(ctx context.Context, migrate Migrate) error {
	if _, err := s.conn.Exec(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0))", prefix+s.run); err != nil {
		return fmt.Errorf("mark the run as alive: %w", err)
	}
	if err := s.sweep(ctx); err != nil {
		return fmt.Errorf("drop what earlier runs left: %w", err)
	}
	// Copying files is five times as fast as copying through the log where its two
	// checkpoints do not wait for a disk.
	err := s.conn.QueryRow(ctx, `
		SELECT CASE WHEN current_setting('fsync') = 'off' AND current_setting('server_version_num')::int >= 150000
			THEN ' STRATEGY file_copy' ELSE '' END`).Scan(&s.copy)
	if err != nil {
		return fmt.Errorf("ask for the server's settings: %w", err)
	}
	if _, err := s.conn.Exec(ctx, "CREATE DATABASE "+quote(s.template())+" TEMPLATE template0"); err != nil {
		return fmt.Errorf("make the template: %w", err)
	}
	if migrate == nil {
		return nil
	}
	if err := migrate(ctx, s.url(s.template())); err != nil {
		return fmt.Errorf("migrate the template: %w", err)
	}
	return nil
}

func (s *source) template() string { return prefix + s.run + "_template" }

// url returns the connection string of one of the server's databases.
func (s *source) url(name string) string {
	u := *s.base
	u.Path, u.RawPath = "/"+name, ""
	return u.String()
}

// create copies the template.
func (s *source) create(ctx context.Context) (string, error) {
	name := prefix + s.run + "_" + strconv.FormatInt(s.number.Add(1), 10)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.conn.Exec(ctx, "CREATE DATABASE "+quote(name)+" TEMPLATE "+quote(s.template())+s.copy)
	return name, err
}

// drop removes a database, whoever is connected to it.
func (s *source) drop(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.conn.Exec(ctx, "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)")
	return err
}

// sweep drops the databases of runs that are not alive: their lock is free.
func (s *source) sweep(ctx context.Context) error {
	rows, err := s.conn.Query(ctx, `
		SELECT datname FROM pg_database
		WHERE datname LIKE $1 || '%' AND split_part(datname, '_', 3) <> $2`, prefix, s.run)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		run := prefix + strings.Split(name, "_")[2]
		var dead bool
		if err := s.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", run).Scan(&dead); err != nil {
			return err
		}
		if !dead {
			continue
		}
		if err := s.drop(ctx, name); err != nil {
			return err
		}
		if _, err := s.conn.Exec(ctx, "SELECT pg_advisory_unlock(hashtextextended($1, 0))", run); err != nil {
			return err
		}
	}
	return nil
}

// close drops the template; the databases of tests went with them.
func (s *source) close(ctx context.Context) error {
	err := s.drop(ctx, s.template())
	return errors.Join(err, s.conn.Close(ctx))
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
