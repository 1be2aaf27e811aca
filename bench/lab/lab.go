// Package lab gives benchmarks the programs that they compare, freshly built, and a
// Postgres that these share, all of it private and gone afterwards.
package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"boxoffice/cluster/localnats"
	"boxoffice/persistence/localpostgres"
)

// The programs.
const (
	Boxoffice = "boxoffice"
	Rowlock   = "rowlock"
	Bare      = "bare"
	Boxload   = "boxload" // the client
	Idle      = "idle"    // measures the memory of idle schedules
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 15 * time.Second
	// connectionsPerNode is more than a node opens to Postgres with its default settings.
	connectionsPerNode = 60
	clusterSize        = 3 // that run at a time
)

// Lab is a directory with the programs, and a Postgres that the servers share.
type Lab struct {
	Postgres *localpostgres.Server

	dir    string
	stderr io.Writer
	nats   *localnats.Server // of a cluster; nil until there is one
}

// New builds programs ([Boxoffice], "boxload", …) and starts Postgres.
func New(ctx context.Context, stderr io.Writer, programs ...string) (*Lab, error) {
	dir, err := os.MkdirTemp("", "boxoffice-bench-")
	if err != nil {
		return nil, err
	}
	l := &Lab{dir: dir, stderr: stderr}
	for _, name := range programs {
		path := "boxoffice/bench/" + name
		if name == Boxoffice || name == Boxload {
			path = "boxoffice/cmd/" + name
		}
		build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, name), path)
		build.Stderr = stderr
		if err := build.Run(); err != nil {
			l.Close()
			return nil, fmt.Errorf("build %s: %w", name, err)
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
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err := l.Postgres.Stop(ctx); err != nil {
			fmt.Fprintln(l.stderr, "bench: stop Postgres:", err)
		}
	}
	if err := os.RemoveAll(l.dir); err != nil {
		fmt.Fprintln(l.stderr, "bench:", err)
	}
}

// Load starts a server, lets boxload loose on it, and stops it. Boxload's report goes
// into report.
func (l *Lab) Load(ctx context.Context, server string, args []string, report any) (CPU, error) {
	s, err := l.Start(ctx, server)
	if err != nil {
		return CPU{}, err
	}
	used, err := l.Measure(ctx, []*Server{s}, args, report)
	return used, errors.Join(err, s.Stop())
}

// Measure lets boxload loose on servers that run, the nodes of one service. Boxload's
// report goes into report; the processor time is that of the time which it reports.
func (l *Lab) Measure(ctx context.Context, servers []*Server, args []string, report any) (CPU, error) {
	if err := l.keepHouse(ctx); err != nil {
		return CPU{}, err
	}
	addresses := make([]string, len(servers))
	for i, s := range servers {
		addresses[i] = s.Address
	}
	arguments := append([]string{
		"-quiet", "-json", "-addr", strings.Join(addresses, ","), "-admin-token", servers[0].AdminToken,
	}, args...)
	boxload := exec.CommandContext(ctx, filepath.Join(l.dir, Boxload), arguments...)
	boxload.Stderr = l.stderr
	var out bytes.Buffer
	boxload.Stdout = &out
	if err := boxload.Start(); err != nil {
		return CPU{}, err
	}
	watch := l.watchCPU(servers, boxload.Process.Pid)
	err := boxload.Wait()
	samples := watch.end()
	if err != nil {
		return CPU{}, fmt.Errorf("boxload %s: %w", strings.Join(args, " "), err)
	}
	var when struct{ StartedAt, TimeOverAt time.Time }
	if err := errors.Join(json.Unmarshal(out.Bytes(), report), json.Unmarshal(out.Bytes(), &when)); err != nil {
		return CPU{}, fmt.Errorf("read boxload's report: %w", err)
	}
	return samples.between(when.StartedAt, when.TimeOverAt), nil
}

// Run runs a program to its end and gives what it wrote.
func (l *Lab) Run(ctx context.Context, program string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, filepath.Join(l.dir, program), args...)
	command.Stderr = l.stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
	}
	return out, nil
}

// Server is a server that was started.
type Server struct {
	Address    string // host and port
	AdminToken string
	PID        int

	command *exec.Cmd
	drained chan struct{} // closed when its stderr has ended
}

// Stop stops a server as its operator would, and waits for it.
func (s *Server) Stop() error {
	_ = s.command.Process.Signal(syscall.SIGTERM) // it may be gone; Wait tells
	<-s.drained
	return s.command.Wait()
}

// Kill ends a server without giving it a chance, and waits until it is gone.
func (s *Server) Kill() {
	_ = s.command.Process.Kill() // it may be gone, which is as good
	<-s.drained
	_ = s.command.Wait() // it was killed
}

// Start starts a server and waits until it says where it listens. Settings are added to
// the environment of a [Boxoffice]; others take them as arguments.
func (l *Lab) Start(ctx context.Context, server string, settings ...string) (*Server, error) {
	path := filepath.Join(l.dir, server)
	switch server {
	case Boxoffice:
		environment := slices.Concat(os.Environ(), []string{
			"BOXOFFICE_LISTEN=127.0.0.1:0", "BOXOFFICE_DEMO=false", "BOXOFFICE_LOG_LEVEL=warn",
			"BOXOFFICE_DATABASE_URL=" + l.Postgres.URL, "BOXOFFICE_DATA_DIR=" + filepath.Join(l.dir, "data"),
		}, settings)
		if err := l.once(ctx, environment, path, "migrate"); err != nil {
			return nil, err
		}
		var out bytes.Buffer
		token := exec.CommandContext(ctx, path, "token", "-role", "admin")
		token.Env, token.Stdout, token.Stderr = environment, &out, l.stderr
		if err := token.Run(); err != nil {
			return nil, fmt.Errorf("make an admin token: %w", err)
		}
		command := exec.CommandContext(ctx, path, "serve")
		command.Env = environment
		return l.await(command, strings.TrimSpace(out.String()))
	case Rowlock:
		settings = append(settings, "-database", l.Postgres.URL)
	}
	return l.await(exec.CommandContext(ctx, path, append(settings, "-listen", "127.0.0.1:0")...), anyAdmin)
}

// anyAdmin is a token for servers that do not look at it.
const anyAdmin = "01930000-0000-7000-8000-000000000000"

func (l *Lab) once(ctx context.Context, environment []string, path string, args ...string) error {
	command := exec.CommandContext(ctx, path, args...)
	command.Env, command.Stderr = environment, l.stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// StartProfiled starts a [Boxoffice] that serves profiles as well, and tells at which
// address.
func (l *Lab) StartProfiled(ctx context.Context, settings ...string) (server *Server, profiles string, err error) {
	port, err := localpostgres.FreePort("127.0.0.1")
	if err != nil {
		return nil, "", err
	}
	profiles = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	server, err = l.Start(ctx, Boxoffice, append(settings, "BOXOFFICE_DEBUG_LISTEN="+profiles)...)
	return server, profiles, err
}

var listening = regexp.MustCompile(`http://(127\.0\.0\.1:\d+)`)

// await starts a command and reads on its stderr where it listens.
func (l *Lab) await(command *exec.Cmd, adminToken string) (*Server, error) {
	output, err := command.StderrPipe()
	if err != nil {
		return nil, err
	}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = stopTimeout
	if err := command.Start(); err != nil {
		return nil, err
	}
	s := &Server{AdminToken: adminToken, PID: command.Process.Pid, command: command, drained: make(chan struct{})}
	found := make(chan string, 1)
	go func() {
		defer close(s.drained)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if m := listening.FindStringSubmatch(lines.Text()); m != nil && len(found) == 0 {
				found <- m[1]
			} else {
				fmt.Fprintln(l.stderr, lines.Text())
			}
		}
	}()
	select {
	case s.Address = <-found:
		return s, nil
	case <-s.drained:
		return nil, fmt.Errorf("it ended at once: %w", command.Wait())
	case <-time.After(startTimeout):
		return nil, errors.Join(errors.New("it did not start in time"), s.Stop())
	}
}
