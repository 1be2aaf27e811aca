package http

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pipes is a listener of connections in memory, for tests with a clock of their own.
type pipes struct {
	conns     chan net.Conn
	closed    chan struct{}
	closeOnce sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.closeOnce.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial connects; the server has accepted when it returns.
func (p *pipes) dial() net.Conn {
	client, server := net.Pipe()
	p.conns <- server
	return client
}

// serve runs a server in a bubble of fake time until use is done. Call it in the bubble.
func serve(t *testing.T, handler http.HandlerFunc, maxConnections int, use func(server *Server, listener *pipes)) {
	t.Helper()
	server := NewServer(handler, maxConnections, slog.New(slog.DiscardHandler))
	listener := newPipes()
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	use(server, listener)
	require.NoError(t, server.Shutdown(t.Context()))
	require.NoError(t, <-done)
}

// later waits in fake time.
func later(d time.Duration) { <-time.After(d) }

func ok(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "ok")
}

const wholeRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

func send(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
}

func read(t *testing.T, conn net.Conn) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	return response
}

// closedAfter returns how long the server keeps a connection open.
func closedAfter(conn net.Conn, since time.Time) time.Duration {
	_, _ = io.Copy(io.Discard, conn)
	return time.Since(since)
}

func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]func(conn net.Conn){
		"says nothing": func(net.Conn) {},
		"header byte by byte": func(conn net.Conn) {
			for {
				if _, err := conn.Write([]byte("G")); err != nil {
					return
				}
				later(time.Second)
			}
		},
		"body byte by byte": func(conn net.Conn) {
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
			for {
				if _, err := conn.Write([]byte(" ")); err != nil {
					return
				}
				later(time.Second)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				serve(t, ok, 10, func(_ *Server, listener *pipes) {
					conn := listener.dial()
					begin := time.Now()
					finished := make(chan struct{})
					go func() { slow(conn); close(finished) }()
					require.LessOrEqual(t, closedAfter(conn, begin), 10*time.Second)
					require.NoError(t, conn.Close())
					<-finished
				})
			})
		})
	}
}

func TestSlowReadersAreCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failed := make(chan error, 1)
		serve(t, func(w http.ResponseWriter, _ *http.Request) {
			var err error
			for err == nil {
				_, err = w.Write(make([]byte, 64<<10))
			}
			failed <- err
		}, 10, func(_ *Server, listener *pipes) {
			conn := listener.dial()
			begin := time.Now()
			send(t, conn, wholeRequest)
			require.Error(t, <-failed) // nobody reads
			require.LessOrEqual(t, time.Since(begin), 10*time.Second)
			require.NoError(t, conn.Close())
		})
	})
}

func TestIdleConnectionsAreKeptForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		serve(t, ok, 10, func(_ *Server, listener *pipes) {
			conn := listener.dial()
			for range 3 {
				send(t, conn, wholeRequest)
				require.Equal(t, 200, read(t, conn).StatusCode)
				later(time.Minute)
			}
			begin := time.Now()
			require.InDelta(t, idleTimeout-time.Minute, closedAfter(conn, begin), float64(time.Second))
			require.NoError(t, conn.Close())
		})
	})
}

func TestHugeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		serve(t, ok, 10, func(_ *Server, listener *pipes) {
			conn := listener.dial()
			written := make(chan struct{})
			go func() {
				defer close(written)
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 2*maxHeaderBytes)+"\r\n\r\n")
			}()
			require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, read(t, conn).StatusCode)
			require.NoError(t, conn.Close())
			<-written
		})
	})
}

func TestConnectionsPastTheLimitWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		serve(t, ok, 2, func(_ *Server, listener *pipes) {
			first, second := listener.dial(), listener.dial()
			third := make(chan net.Conn)
			go func() { third <- listener.dial() }()
			synctest.Wait()
			select {
			case <-third:
				require.Fail(t, "a third connection was accepted")
			default:
			}
			for _, conn := range []net.Conn{first, second} { // which are not held up
				send(t, conn, wholeRequest)
				require.Equal(t, 200, read(t, conn).StatusCode)
			}
			require.NoError(t, first.Close())
			conn := <-third
			send(t, conn, wholeRequest)
			require.Equal(t, 200, read(t, conn).StatusCode)
			require.NoError(t, second.Close())
			require.NoError(t, conn.Close())
		})
	})
}

func TestShutdownAnswersWhatWasAccepted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		started, release := make(chan struct{}), make(chan struct{})
		serve(t, func(w http.ResponseWriter, r *http.Request) {
			close(started)
			<-release
			ok(w, r)
		}, 10, func(server *Server, listener *pipes) {
			conn := listener.dial()
			send(t, conn, wholeRequest)
			<-started
			stopped := make(chan error, 1)
			go func() { stopped <- server.Shutdown(t.Context()) }()
			synctest.Wait()
			close(release)
			require.Equal(t, 200, read(t, conn).StatusCode)
			require.NoError(t, <-stopped)
			require.NoError(t, conn.Close())
		})
	})
}

func TestShutdownEndsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		started := make(chan struct{})
		serve(t, func(_ http.ResponseWriter, r *http.Request) {
			close(started)
			<-r.Context().Done()
		}, 10, func(server *Server, listener *pipes) {
			conn := listener.dial()
			send(t, conn, wholeRequest)
			<-started
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, server.Shutdown(ctx), context.DeadlineExceeded)
			require.NoError(t, conn.Close())
		})
	})
}

// TestServerOverTCP runs once against the real network: what net/http refuses itself, and
// a connection that is closed while a listener waits for a slot.
func TestServerOverTCP(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := setup(t)
	server := NewServer(f.handler, 1, slog.New(slog.DiscardHandler))
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	send(t, conn, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
	require.Equal(t, 404, read(t, conn).StatusCode)
	require.Equal(t, 1, server.Connections())
	send(t, conn, "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n"+strings.Repeat(" ", 70000))
	response := read(t, conn)
	require.Equal(t, 413, response.StatusCode)
	require.True(t, response.Close)
	require.NoError(t, conn.Close())
	require.NoError(t, server.Shutdown(t.Context()))
	require.NoError(t, <-done)
	require.Zero(t, server.Connections())
}
