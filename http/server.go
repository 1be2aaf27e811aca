package http

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of a connection. A client that is too slow for them is cut off within 10 s, and
// nobody else waits for it.
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

// NewServer makes a server of at most maxConnections at a time: further ones wait to be
// accepted.
func NewServer(handler http.Handler, maxConnections int, log *slog.Logger) *Server {
	return &Server{
		server: http.Server{
			Handler:                      handler,
			ReadHeaderTimeout:            readHeaderTimeout,
			ReadTimeout:                  readTimeout,
			WriteTimeout:                 writeTimeout,
			IdleTimeout:                  idleTimeout,
			MaxHeaderBytes:               maxHeaderBytes,
			DisableGeneralOptionsHandler: true,
			ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
		maxConnections: maxConnections,
	}
}

// Serve accepts connections until Shutdown, and closes the listener.
func (s *Server) Serve(listener net.Listener) error {
	err := s.server.Serve(newLimitedListener(listener, s.maxConnections, &s.open))
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Connections is how many connections are open.
func (s *Server) Connections() int { return int(s.open.Load()) }

// Shutdown stops accepting, waits until what was accepted is answered, and closes what
// is left when ctx is over.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		_ = s.server.Close() // Shutdown's error says all
	}
	return err
}

// limitedListener accepts a connection only while fewer than its limit are open.
type limitedListener struct {
	net.Listener

	slots     chan struct{} // one for each open connection, and for the next
	open      *atomic.Int64
	closed    chan struct{}
	closeOnce sync.Once
}

func newLimitedListener(listener net.Listener, limit int, open *atomic.Int64) *limitedListener {
	return &limitedListener{Listener: listener, slots: make(chan struct{}, limit), open: open, closed: make(chan struct{})}
}

// Accept waits for a slot, then for a connection.
func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	l.open.Add(1)
	return &limitedConn{Conn: conn, release: sync.OnceFunc(func() {
		l.open.Add(-1)
		<-l.slots
	})}, nil
}

// Close also ends an Accept that waits for a slot.
func (l *limitedListener) Close() error {
	l.closeOnce.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// limitedConn gives its slot back when it is closed.
type limitedConn struct {
	net.Conn

	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
