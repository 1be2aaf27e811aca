// Package lab provides benchmarks with the programs that they compare, freshly built, and a
// Postgres that these share, all of it private and gone afterwards.
package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"boxoffice/cluster/localnats"
	"boxoffice/internal/rig"
	"boxoffice/persistence/localpostgres"
)

// The programs.
const (
	Boxoffice = "boxoffice"
	Rowlock   = "rowlock"
	Bare      = "bare"
	Boxload   = "boxload" // the client
)

const (
	// connectionsPerNode is more than a node opens to Postgres with its default settings.
	connectionsPerNode = 60
	clusterSize        = 3 // that run at a time
)

// Lab is a directory with the programs, and a Postgres that the servers share.
type Lab struct {
	Postgres *localpostgres.Server

	dir    string
	stderr io.Writer
	gogc   string
	nats   *localnats.Server // of a cluster; nil until there is one
}

// New builds programs ([Boxoffice], [Boxload], …) and starts Postgres. All servers get the
// same GOGC.
func New(ctx context.Context, stderr io.Writer, gogc string, programs ...string) (*Lab, error) {
	dir, err := os.MkdirTemp("", "boxoffice-bench-")
	if err != nil {
		return nil, err
	}
	l := &Lab{dir: dir, stderr: stderr, gogc: gogc}
	for _, name := range programs {
		path := "boxoffice/bench/" + name
		if name == Boxoffice || name == Boxload {
			path = "boxoffice/cmd/" + name
		}
		if _, err := (rig.Build{Package: path, Dir: dir}).Run(ctx); err != nil {
			l.Close()
			return nil, err
		}
	}
	l.Postgres, err = localpostgres.Start(ctx, localpostgres.Config{
		DataDir: filepath.Join(dir, "postgres"),
		Settings: map[string]string{
			"max_connections": strconv.Itoa((clusterSize + 1) * connectionsPerNode),
			// What a sellout of 1 000 schedules writes and reads again; with less the servers
			// would measure how fast pages go in and out.
			"shared_buffers": "1GB",
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	if err := l.touchBuffers(ctx); err != nil {
		l.Close()
		return nil, fmt.Errorf("use Postgres's buffers: %w", err)
	}
	return l, nil
}

// Renew gives the servers that are started from now on an empty database, and a cluster an
// empty NATS server: a run is not measured with what the runs before it have left behind. No
// server may be running.
func (l *Lab) Renew(ctx context.Context) error {
	config, err := pgx.ParseConfig(l.Postgres.URL)
	if err != nil {
		return err
	}
	name := pgx.Identifier{config.Database}.Sanitize()
	config.Database = "postgres" // nobody can be connected to what is dropped
	if err := execute(ctx, config, "DROP DATABASE "+name+" WITH (FORCE)", "CREATE DATABASE "+name); err != nil {
		return fmt.Errorf("renew the database: %w", err)
	}
	if l.nats == nil {
		return nil
	}
	l.nats.Stop()
	l.nats = nil
	return os.RemoveAll(l.natsDir())
}

func (l *Lab) natsDir() string { return filepath.Join(l.dir, "nats") }

// touchBuffers uses every buffer of Postgres once, as a server has that did not start just
// now: the first use of each costs pages of the machine's memory, and the server that is
// measured first would pay for all.
func (l *Lab) touchBuffers(ctx context.Context) error {
	return l.execute(ctx,
		"CREATE UNLOGGED TABLE buffers (filling text) WITH (fillfactor = 10)",
		// One row a page: a second one would go beyond the fill factor.
		"INSERT INTO buffers SELECT repeat('x', 600) FROM generate_series(1, (SELECT setting::int FROM pg_settings WHERE name = 'shared_buffers'))",
		"DROP TABLE buffers",
	)
}

// keepHouse does between loads what Postgres would do by itself during some of them: what
// is left of one load is not to be swept at the expense of another, and where a round
// takes a minute, which is how often Postgres looks, of the same one each time. From then
// on Postgres does not sweep by itself.
func (l *Lab) keepHouse(ctx context.Context) error {
	err := l.execute(ctx, "ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()", "VACUUM (ANALYZE)", "CHECKPOINT")
	if err != nil {
		return fmt.Errorf("keep house: %w", err)
	}
	return nil
}

// execute runs statements in the servers' database, one after the other.
func (l *Lab) execute(ctx context.Context, statements ...string) error {
	config, err := pgx.ParseConfig(l.Postgres.URL)
	if err != nil {
		return err
	}
	return execute(ctx, config, statements...)
}

func execute(ctx context.Context, config *pgx.ConnConfig, statements ...string) error {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// Close stops Postgres and removes everything. What went wrong is only said.
func (l *Lab) Close() {
	if l.nats != nil {
		l.nats.Stop()
	}
	if l.Postgres != nil {
		ctx, cancel := context.WithTimeout(context.Background(), rig.StopLimit)
		defer cancel()
		if err := l.Postgres.Stop(ctx); err != nil {
			fmt.Fprintln(l.stderr, "bench: stop Postgres:", err)
		}
	}
	if err := os.RemoveAll(l.dir); err != nil {
		fmt.Fprintln(l.stderr, "bench:", err)
	}
}

// Load renews the database, starts a server, lets boxload loose on it, and stops it. Boxload's
// report goes into report.
func (l *Lab) Load(ctx context.Context, server string, settings, args []string, report any) (CPU, error) {
	if err := l.Renew(ctx); err != nil {
		return CPU{}, err
	}
	s, err := l.Start(ctx, server, settings...)
	if err != nil {
		return CPU{}, err
	}
	used, err := l.Measure(ctx, []*Server{s}, args, report)
	return used, errors.Join(err, s.Stop(rig.StopLimit))
}

// LoadCluster does as Load with the nodes of one service; buyers are spread over them.
func (l *Lab) LoadCluster(ctx context.Context, args []string, report any) (CPU, error) {
	if err := l.Renew(ctx); err != nil {
		return CPU{}, err
	}
	nodes, err := l.startCluster(ctx)
	if err != nil {
		return CPU{}, err
	}
	used, err := l.Measure(ctx, nodes, args, report)
	return used, errors.Join(err, stopAll(nodes))
}

// Measure lets boxload loose on servers that run, the nodes of one service. Boxload's
// report goes into report; the processor time is that of the time which it reports.
func (l *Lab) Measure(ctx context.Context, servers []*Server, args []string, report any) (CPU, error) {
	if err := l.keepHouse(ctx); err != nil {
		return CPU{}, err
	}
	addresses := make([]string, len(servers))
	for i, s := range servers {
		addresses[i] = strings.TrimPrefix(s.URL, "http://")
	}
	var out rig.Output
	cmd := rig.Command(os.Environ(), filepath.Join(l.dir, Boxload), append([]string{
		"-quiet", "-json", "-addr", strings.Join(addresses, ","), "-admin-token", servers[0].AdminToken,
	}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, l.stderr
	boxload, err := rig.Start(cmd)
	if err != nil {
		return CPU{}, err
	}
	samples := l.watchCPU(ctx, servers, boxload)
	if ctx.Err() != nil {
		boxload.Kill()
		return CPU{}, ctx.Err()
	}
	if state := boxload.State(); !state.Success() {
		return CPU{}, fmt.Errorf("boxload %s: %s", strings.Join(args, " "), state)
	}
	var when struct{ StartedAt, TimeOverAt time.Time }
	if err := errors.Join(json.Unmarshal([]byte(out.String()), report), json.Unmarshal([]byte(out.String()), &when)); err != nil {
		return CPU{}, fmt.Errorf("read boxload's report: %w", err)
	}
	return samples.between(when.StartedAt, when.TimeOverAt), nil
}

// Server is a server that was started.
type Server struct {
	*rig.Server

	AdminToken string
}

// Start starts a server and waits until it is ready. Settings are added to its environment.
func (l *Lab) Start(ctx context.Context, server string, settings ...string) (*Server, error) {
	p := rig.Program{Path: filepath.Join(l.dir, server), Environ: os.Environ()}
	p.Environ = append(p.Environ, "GOGC="+l.gogc)
	switch server {
	case Boxoffice:
		p.Environ = append(p.Environ, "BOXOFFICE_LISTEN=127.0.0.1:0", "BOXOFFICE_DEMO=false", "BOXOFFICE_LOG_LEVEL=warn",
			"BOXOFFICE_DATABASE_URL="+l.Postgres.URL, "BOXOFFICE_DATA_DIR="+filepath.Join(l.dir, "data"))
		p.Environ = append(p.Environ, settings...)
		if _, err := p.Run(ctx, "migrate"); err != nil {
			return nil, err
		}
		token, err := p.AdminToken(ctx)
		if err != nil {
			return nil, err
		}
		s, err := rig.Serve(ctx, p.Command(nil, "serve"), nil)
		return &Server{s, token}, err
	case Rowlock:
		s, err := rig.Serve(ctx, p.Command(settings, "-database", l.Postgres.URL), nil)
		return &Server{s, anyAdmin}, err
	default:
		s, err := rig.Serve(ctx, p.Command(settings), nil)
		return &Server{s, anyAdmin}, err
	}
}

// anyAdmin is a token for servers that do not look at it.
const anyAdmin = "01930000-0000-7000-8000-000000000000"

// StartProfiled starts a [Boxoffice] that serves profiles as well, and returns at which
// address.
func (l *Lab) StartProfiled(ctx context.Context, settings ...string) (server *Server, profiles string, err error) {
	if profiles, err = rig.FreeAddress("127.0.0.1"); err != nil {
		return nil, "", err
	}
	server, err = l.Start(ctx, Boxoffice, append(settings, "BOXOFFICE_DEBUG_LISTEN="+profiles)...)
	return server, profiles, err
}
