package localnats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Limits of the server.
const (
	maxMemory  = 64 << 20  // of JetStream, bytes
	maxStore   = 256 << 20 // of JetStream, bytes
	startLimit = 10 * time.Second
	startPoll  = 50 * time.Millisecond
)

const (
	host       = "127.0.0.1"
	serverName = "boxoffice-local" // of a cluster as well
)

// Config is what a server needs.
type Config struct {
	// StoreDir is where JetStream keeps its files. One server at a time may use it.
	StoreDir string
	// Port to listen on; zero: any that is free.
	Port int
	// Cluster are the ports on which the servers of a cluster, all on this machine, listen for
	// each other, this one's first; empty: it is alone. Clients are not told of the others.
	Cluster []int
	// Logger; nil: nothing is logged.
	Logger *slog.Logger `json:"-"`
}

// Server is a running NATS server.
type Server struct {
	// URL is where clients connect.
	URL string

	server *server.Server
}

// Start starts a server and returns when it accepts connections.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.StoreDir == "" {
		return nil, errors.New("start NATS: no store directory")
	}
	port := cfg.Port
	if port == 0 {
		port = server.RANDOM_PORT
	}
	options := &server.Options{
		ServerName:             serverName,
		Host:                   host,
		Port:                   port,
		JetStream:              true,
		StoreDir:               cfg.StoreDir,
		JetStreamMaxMemory:     maxMemory,
		JetStreamMaxStore:      maxStore,
		DisableJetStreamBanner: true,
		NoSigs:                 true,
	}
	if len(cfg.Cluster) > 0 {
		cfg.join(options)
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("start NATS: %w", err)
	}
	log := logger{log: cfg.Logger, fatal: make(chan string, 1)}
	if log.log == nil {
		log.log = slog.New(slog.DiscardHandler)
	}
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	running := &Server{server: s}
	if err := ready(ctx, s, log.fatal); err != nil {
		running.Stop()
		return nil, fmt.Errorf("start NATS in %s: %w", cfg.StoreDir, err)
	}
	running.URL = s.ClientURL()
	return running, nil
}

// join makes a server one of a cluster. Its name is the same at each start, because JetStream
// knows it by that.
func (c Config) join(o *server.Options) {
	o.ServerName = fmt.Sprintf("%s-%d", serverName, c.Cluster[0])
	o.Cluster = server.ClusterOpts{Name: serverName, Host: host, Port: c.Cluster[0], NoAdvertise: true}
	for _, other := range c.Cluster[1:] {
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats", Host: net.JoinHostPort(host, strconv.Itoa(other))})
	}
}

// ready waits until a server accepts connections.
func ready(ctx context.Context, s *server.Server, fatal <-chan string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		select {
		case problem := <-fatal:
			return errors.New(problem)
		case <-ctx.Done():
			return fmt.Errorf("it does not take connections: %w", ctx.Err())
		default:
		}
		if s.ReadyForConnections(startPoll) {
			return nil
		}
	}
}

// Stop stops the server and returns when nothing of it runs any more.
func (s *Server) Stop() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}

// logger turns the server's log into a structured one. NATS' notices are about its own
// start and stop, so they are logged at the debug level.
type logger struct {
	log   *slog.Logger
	fatal chan string // holds the first problem that ended the server
}

func (l logger) Noticef(format string, v ...any) { l.write(slog.LevelDebug, format, v) }
func (l logger) Warnf(format string, v ...any)   { l.write(slog.LevelWarn, format, v) }
func (l logger) Errorf(format string, v ...any)  { l.write(slog.LevelError, format, v) }
func (l logger) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
	l.write(slog.LevelError, format, v)
}
func (l logger) Debugf(format string, v ...any) { l.write(slog.LevelDebug, format, v) }
func (l logger) Tracef(format string, v ...any) { l.write(slog.LevelDebug, format, v) }

func (l logger) write(level slog.Level, format string, v []any) {
	if l.log.Enabled(context.Background(), level) {
		l.log.Log(context.Background(), level, "NATS server", "says", strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
}
