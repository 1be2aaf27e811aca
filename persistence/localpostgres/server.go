package localpostgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Limits of how long things may take.
const (
	startTimeout     = 2 * time.Minute // of the server, crash recovery included
	stopTimeout      = 10 * time.Second
	immediateTimeout = 5 * time.Second
	pollInterval     = 10 * time.Millisecond
	// portAttempts bounds how often a free port is chosen anew because somebody else
	// took it before the server did.
	portAttempts = 5
)

// Names inside the server.
const (
	superuser = "boxoffice"
	database  = "boxoffice"
)

// Config says where and how to run the server.
type Config struct {
	// DataDir is the directory of this server alone. It is made if it does not exist.
	DataDir string
	// Port to listen on; 0 chooses a free one at each start.
	Port int
	// Settings are PostgreSQL settings by name; they win over this package's own.
	Settings map[string]string
	// Logger hears of starts, stops and of what is odd; nil: nobody.
	Logger *slog.Logger
}

// Server is a running server. It must be stopped.
type Server struct {
	// URL is the connection string of the superuser and the database "boxoffice".
	URL string
	// Port is what it listens on, on 127.0.0.1.
	Port int

	cluster cluster
	process *process
	lock    *dirLock
}

// Start starts the server of a data directory, which is made if it does not exist,
// and returns when it answers. It fails with [InUseError] where another process uses
// the directory and with [NoBinariesError] where there is no PostgreSQL. ctx bounds the
// start only.
func Start(ctx context.Context, config Config) (*Server, error) {
	return start(ctx, config, defaultFinder())
}

func start(ctx context.Context, config Config, finder finder) (_ *Server, err error) {
	if config.DataDir == "" {
		return nil, errors.New("start postgres: no data directory given")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	dir, err := filepath.Abs(config.DataDir)
	if err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("start postgres: make its data directory: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	server, err := startLocked(ctx, dir, lock, config, finder)
	if err != nil {
		lock.release() // releasing twice is harmless
		return nil, fmt.Errorf("start postgres in %s: %w", dir, err)
	}
	return server, nil
}

// startLocked does the work of Start under the directory's lock, which belongs to the
// server process from the moment that it runs.
func startLocked(ctx context.Context, dir string, lock *dirLock, config Config, finder finder) (*Server, error) {
	cluster, err := openCluster(ctx, dir, finder)
	if err != nil {
		return nil, err
	}
	if err := stopOrphans(ctx, cluster.dataDir(), config.Logger); err != nil {
		return nil, err
	}
	if !cluster.exists {
		if err := cluster.initialise(ctx, config.Logger); err != nil {
			return nil, err
		}
	}
	for attempt := 1; ; attempt++ {
		server, err := launch(ctx, cluster, lock, config)
		if err == nil || config.Port != 0 || attempt == portAttempts || !errors.Is(err, errPortTaken) {
			return server, err
		}
	}
}

// launch starts the server process once and waits until it answers.
func launch(ctx context.Context, cluster cluster, lock *dirLock, config Config) (*Server, error) {
	port := config.Port
	if port == 0 {
		var err error
		if port, err = FreePort("127.0.0.1"); err != nil {
			return nil, err
		}
	}
	log, err := cluster.openLog()
	if err != nil {
		return nil, err
	}
	// The server outlives ctx.
	cmd, release, err := cluster.command(context.WithoutCancel(ctx), "postgres",
		[]pathArgument{{"-D", cluster.dataDir()}}, serverArguments(cluster, port, config.Settings)...)
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = processAttributes(cluster.credential, syscall.SIGINT)
	process, err := startProcess(cmd)
	release()
	if closeErr := log.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", cmd.Path, err)
	}
	server := &Server{
		URL:     connectionURL(port, cluster.password),
		Port:    port,
		cluster: cluster,
		process: process,
		lock:    lock,
	}
	if err := server.waitReady(ctx); err != nil {
		return nil, errors.Join(err, server.StopImmediate(context.WithoutCancel(ctx)))
	}
	process.onExit(lock.release)
	config.Logger.InfoContext(ctx, "postgres started",
		"dir", cluster.dir, "port", port, "version", cluster.binaries.version, "pid", process.pid())
	return server, nil
}

// Done is closed when the server process has ended, for whatever reason. The data
// directory can then be used again.
func (s *Server) Done() <-chan struct{} { return s.process.done }

// Stop shuts the server down fast: open transactions are rolled back, what was
// committed is flushed. If that takes longer than 10 seconds, or when ctx ends, it goes
// on as [Server.StopImmediate] does and tells so in its error. Nothing committed is lost either way.
// Stopping a stopped server does nothing.
func (s *Server) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	s.process.signal(syscall.SIGINT)
	if s.process.wait(ctx) == nil {
		return nil
	}
	if err := s.StopImmediate(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	return errors.New("stop postgres: it did not shut down in time and was stopped at once; its next start recovers")
}

// StopImmediate ends the server at once, without flushing: its next start goes
// through crash recovery. A server that does not obey within 5 seconds is killed.
func (s *Server) StopImmediate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, immediateTimeout)
	defer cancel()
	s.process.signal(syscall.SIGQUIT)
	if s.process.wait(ctx) == nil {
		return nil
	}
	return s.Kill(context.WithoutCancel(ctx))
}

// Kill ends every process of the server with SIGKILL, as a machine that loses power
// does, and returns when they are gone.
func (s *Server) Kill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, immediateTimeout)
	defer cancel()
	s.process.signal(syscall.SIGKILL)
	if err := s.process.wait(ctx); err != nil {
		return fmt.Errorf("kill postgres (pid %d): %w", s.process.pid(), err)
	}
	return killOrphans(ctx, s.cluster.dataDir())
}

func connectionURL(port int, password string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}
