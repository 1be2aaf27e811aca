package system

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"boxoffice/internal/rig"
	"boxoffice/persistence/localpostgres"
)

// Times of a system.
const (
	postgresLimit = time.Minute           // until Postgres is back
	pollEvery     = 20 * time.Millisecond // looking whether something has happened
)

// Connections to Postgres: of a node at most, and of all. They are few, so that all of them can
// be taken away quickly.
const (
	nodeConnections     = 8
	databaseConnections = 60
)

// Config is what a system is made of.
type Config struct {
	// Dir is the run's directory: logs, data, files of failpoints.
	Dir string
	// Binary is the program. The harness's own program, which runs this, must be a NATS server
	// when its first argument is [rig.NATSCommand].
	Binary string
	Nodes  int
	// NATS is how many servers NATS has, which are one cluster; zero: one.
	NATS int
	// LimitDisk gives Postgres a small file system of its own, which can be filled.
	LimitDisk bool
	// Settings are the nodes', besides those that connect them; name to value.
	Settings map[string]string
	Logger   *slog.Logger
}

// System is the running service.
type System struct {
	cfg      Config
	key      string // PEM
	postgres *localpostgres.Server
	mounted  bool // the file system of Postgres, which Close unmounts
	nats     []*natsServer
	nodes    []*Node
	// spare is the node that joins and leaves; nil if there is only one node.
	spare *Node
	// damaged are the snapshots that were poisoned.
	damaged []snapshot
}

// Start starts everything and returns when every node is ready. What was started is
// stopped by Close, also when Start fails.
func Start(ctx context.Context, cfg Config) (*System, error) {
	s := &System{cfg: cfg}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start the system: %w", err), s.Close())
	}
	return s, nil
}

func (s *System) start(ctx context.Context) (err error) {
	if s.key, err = makeKey(); err != nil {
		return err
	}
	if s.cfg.LimitDisk {
		if err := os.MkdirAll(s.postgresDir(), 0o700); err != nil {
			return fmt.Errorf("make the directory of postgres: %w", err)
		}
		if err := mountDisk(s.postgresDir()); err != nil {
			return err
		}
		s.mounted = true
	}
	if err := s.startPostgres(ctx, 0); err != nil {
		return err
	}
	if err := s.startNATS(ctx); err != nil {
		return err
	}
	if _, err := s.Run(ctx, "migrate"); err != nil {
		return err
	}
	for i := range s.cfg.Nodes {
		n, err := s.newNode(i)
		if err != nil {
			return err
		}
		s.nodes = append(s.nodes, n)
		n.Up()
	}
	if s.cfg.Nodes > 1 {
		if s.spare, err = s.newNode(s.cfg.Nodes); err != nil {
			return err
		}
	}
	return s.AwaitReady(ctx)
}

// startPostgres starts Postgres. A run is to survive whatever is done to processes, so it
// must be durable; a standby that is not there is one of the faults, which needs a
// server that would have one.
func (s *System) startPostgres(ctx context.Context, port int) error {
	settings := map[string]string{
		"wal_level": "replica", "max_wal_senders": "2", "max_connections": strconv.Itoa(databaseConnections),
	}
	if s.cfg.LimitDisk {
		settings["min_wal_size"], settings["max_wal_size"] = "32MB", "96MB"
	}
	server, err := localpostgres.Start(ctx, localpostgres.Config{
		DataDir: s.postgresDir(), Port: port, Settings: settings, Logger: s.cfg.Logger,
	})
	if err != nil {
		return err
	}
	s.postgres = server
	return nil
}

// Close ends every process. Logs stay, and data, but for those on a limited disk.
func (s *System) Close() error {
	var errs []error
	for _, n := range s.all() {
		errs = append(errs, n.close())
	}
	for _, server := range s.nats {
		server.Close()
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.StopImmediate(context.Background()))
	}
	if s.mounted {
		errs = append(errs, unmountDisk(s.postgresDir()))
	}
	return errors.Join(errs...)
}

// all returns every node, the spare one included.
func (s *System) all() []*Node {
	if s.spare == nil {
		return s.nodes
	}
	return append(slices.Clip(s.nodes), s.spare)
}

// URLs returns where clients reach the nodes, except the one that joins and leaves.
func (s *System) URLs() []string {
	urls := make([]string, len(s.nodes))
	for i, n := range s.nodes {
		urls[i] = n.URL
	}
	return urls
}

// Exits returns each end of a node or of a NATS server.
func (s *System) Exits() []rig.Exit {
	var exits []rig.Exit
	for _, server := range s.nats {
		exits = append(exits, server.Exits()...)
	}
	for _, n := range s.all() {
		exits = append(exits, n.Exits()...)
	}
	return exits
}

// Connect opens a session of the superuser, past the proxies.
func (s *System) Connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, s.postgres.URL)
	if err != nil {
		return nil, fmt.Errorf("connect to postgres: %w", err)
	}
	return conn, nil
}

// DatabaseURL is the superuser's, past the proxies.
func (s *System) DatabaseURL() string { return s.postgres.URL }

// Exec runs one statement as the superuser.
func (s *System) Exec(ctx context.Context, sql string, args ...any) error {
	conn, err := s.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("run %.60q: %w", sql, err)
	}
	return nil
}

// Run runs one command of the program to its end and returns what it wrote to stdout.
func (s *System) Run(ctx context.Context, args ...string) (string, error) {
	return rig.Program{Path: s.cfg.Binary, Environ: []string{
		"PATH=" + os.Getenv("PATH"),
		"BOXOFFICE_DATABASE_URL=" + s.postgres.URL,
		"BOXOFFICE_JWT_KEY=" + s.key,
	}}.Run(ctx, args...)
}

// AwaitReady waits until every node that is up is ready.
func (s *System) AwaitReady(ctx context.Context) error {
	for _, n := range s.nodes {
		if err := n.AwaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// makeKey makes the key that the nodes sign tokens with.
func makeKey() (string, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make a signing key: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", fmt.Errorf("make a signing key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})), nil
}
