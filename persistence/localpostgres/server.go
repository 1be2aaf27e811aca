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

// Time limits.
const (
	startTimeout     = 2 * time.Minute // of the server, crash recovery included
	stopTimeout      = 10 * time.Second
	immediateTimeout = 5 * time.Second
	pollInterval     = 10 * time.Millisecond
)

// logTailLength is how much of the log is shown in an error, in bytes.
const logTailLength = 2048

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
	// Settings are PostgreSQL settings by name; they override this package's own.
	Settings map[string]string
	// Logger logs starts, stops and anything unusual; nil: nothing is logged.
	Logger *slog.Logger
}

// Server is a running server. It must be stopped.
type Server struct {
	// URL is the connection string of the superuser and the database "boxoffice".
	URL string
	// Port is what it listens on, on 127.0.0.1.
	Port int

	cluster cluster
	lock    *os.File
	process *os.Process
	done    chan struct{}
}

// Start starts the server of a data directory, which is made if it does not exist,
// and returns when it answers. It fails, with the other's pid, where another process
// uses the directory. ctx bounds the start only.
func Start(ctx context.Context, config Config) (*Server, error) {
	return start(ctx, config, installed())
}

func start(ctx context.Context, config Config, f finder) (*Server, error) {
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
	server, err := startLocked(ctx, dir, lock, config, f)
	if err != nil {
		unlock(lock) // again, where a server ran and has ended
		return nil, fmt.Errorf("start postgres in %s: %w", dir, err)
	}
	config.Logger.InfoContext(ctx, "postgres started",
		"dir", dir, "port", server.Port, "version", server.cluster.binaries.version, "pid", server.process.Pid)
	return server, nil
}

// startLocked does the work of Start under the directory's lock.
func startLocked(ctx context.Context, dir string, lock *os.File, config Config, f finder) (*Server, error) {
	c, err := openCluster(ctx, dir, f, config.Logger)
	if err != nil {
		return nil, err
	}
	if err := c.stopOrphans(ctx, c.dataDir(), syscall.SIGINT, syscall.SIGKILL); err != nil {
		return nil, err
	}
	if !c.exists {
		if err := c.initialise(ctx); err != nil {
			return nil, err
		}
	}
	password, err := os.ReadFile(c.passwordFile())
	if err != nil {
		return nil, fmt.Errorf("get the password: %w", err)
	}
	s := &Server{Port: config.Port, cluster: c, lock: lock, done: make(chan struct{})}
	if s.Port == 0 {
		if s.Port, err = FreePort("127.0.0.1"); err != nil {
			return nil, err
		}
	}
	s.URL = connectionURL(s.Port, string(password))
	if err := s.launch(ctx, config.Settings); err != nil {
		return nil, err
	}
	if err := s.waitReady(ctx); err != nil {
		return nil, errors.Join(err, s.StopImmediate(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// launch starts the server process, which has the lock from now on and outlives ctx.
func (s *Server) launch(ctx context.Context, settings map[string]string) error {
	log, err := s.cluster.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd, err := s.cluster.command(context.WithoutCancel(ctx), s.cluster.dataDir(), syscall.SIGINT,
		"postgres", serverArguments(s.Port, settings)...)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = log, log
	err = startPinned(cmd, func(error) { // how it ended is in its log
		unlock(s.lock)
		close(s.done)
	})
	s.process = cmd.Process
	return err
}

// waitReady returns when the server accepts connections. It goes by the server's own word,
// not by whether its port answers: somebody else's server may have taken the port.
func (s *Server) waitReady(ctx context.Context) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		if pid, ready := readPIDFile(s.cluster.dataDir()); ready && pid == s.process.Pid {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("the server ended; its log ends: %s", s.cluster.logTail())
		case <-ctx.Done():
			return fmt.Errorf("the server was not ready in time: %w; its log ends: %s", ctx.Err(), s.cluster.logTail())
		case <-ticker.C:
		}
	}
}

// Done is closed when the server process has ended, for whatever reason. The data
// directory can then be used again.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop shuts the server down fast: open transactions are rolled back, what was
// committed is flushed. If that takes longer than 10 seconds, or when ctx ends, it goes
// on as [Server.StopImmediate] does and says so in its error. Nothing committed is lost either way.
// Stopping a stopped server does nothing.
func (s *Server) Stop(ctx context.Context) error {
	if s.end(ctx, syscall.SIGINT, stopTimeout) {
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
	if s.end(ctx, syscall.SIGQUIT, immediateTimeout) {
		return nil
	}
	return s.Kill(context.WithoutCancel(ctx))
}

// Kill ends every process of the server with SIGKILL, as a machine that loses power
// does, and returns when they are gone.
func (s *Server) Kill(ctx context.Context) error {
	if !s.end(ctx, syscall.SIGKILL, immediateTimeout) {
		return fmt.Errorf("kill postgres (pid %d): it is still there", s.process.Pid)
	}
	return s.cluster.stopOrphans(ctx, s.cluster.dataDir(), syscall.SIGKILL)
}

// end reports whether the server has ended within limit of a signal.
func (s *Server) end(ctx context.Context, sig syscall.Signal, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	_ = s.process.Signal(sig) // it may have ended
	select {
	case <-s.done:
		return true
	case <-ctx.Done():
		return false
	}
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
