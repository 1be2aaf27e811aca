package http

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
)

// Limits of a connection. A client that is too slow for them is cut off within 10 s, and no
// other client waits for it.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 8 * time.Second  // header and body together
	writeTimeout      = 10 * time.Second // from the end of the header to the end of the answer
	idleTimeout       = 90 * time.Second
	maxHeaderBytes    = 16 << 10
)

// Server serves a handler within limits.
type Server struct {
	server         http.Server
	maxConnections int
	open           atomic.Int64 // connections
}

// NewServer returns a server with at most maxConnections open at a time: further ones wait
// to be accepted.
func NewServer(handler http.Handler, maxConnections int, log *slog.Logger) *Server {
	s := &Server{maxConnections: maxConnections}
	s.server = http.Server{
		Handler:                      handler,
		ReadHeaderTimeout:            readHeaderTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeaderBytes,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnState:                    s.count,
	}
	return s
}

func (s *Server) count(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.open.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// Serve accepts connections until Shutdown, and closes the listener.
func (s *Server) Serve(listener net.Listener) error {
	err := s.server.Serve(netutil.LimitListener(listener, s.maxConnections))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Connections returns how many connections are open.
func (s *Server) Connections() int { return int(s.open.Load()) }

// Shutdown stops accepting, waits until accepted requests are answered, and closes what is
// left when ctx is done.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		_ = s.server.Close() // Shutdown's error is enough
	}
	return err
}
