package rawconn

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// setup gives both ends of a connection, wrapped.
func setup(t *testing.T) (client, server net.Conn) {
	t.Helper()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener := Listener{plain}
	defer listener.Close()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	client = Wrap(dialed)
	t.Cleanup(func() { _ = client.Close() })
	server, err = listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Close() })
	return client, server
}

func TestWrapsWhatItCan(t *testing.T) {
	t.Parallel()
	client, server := setup(t)
	for _, conn := range []net.Conn{client, server} {
		_, plain := conn.(*net.TCPConn)
		require.Equal(t, !raw, plain)
	}
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	require.Same(t, pipe, Wrap(pipe))
}

// More than the kernel's buffers hold, so both sides have to wait for each other.
func TestCarriesManyBytesBothWays(t *testing.T) {
	t.Parallel()
	client, server := setup(t)
	sent := make([]byte, 32<<20)
	_, err := rand.Read(sent)
	require.NoError(t, err)
	var echo sync.WaitGroup
	echo.Go(func() {
		_, err := io.Copy(struct{ io.Writer }{server}, struct{ io.Reader }{server})
		_ = server.(interface{ CloseWrite() error }).CloseWrite()
		if err != nil {
			t.Error(err)
		}
	})
	defer echo.Wait()
	var write sync.WaitGroup
	write.Go(func() {
		n, err := client.Write(sent)
		_ = client.(interface{ CloseWrite() error }).CloseWrite()
		if err != nil || n != len(sent) {
			t.Error(n, err)
		}
	})
	defer write.Wait()
	got, err := io.ReadAll(client)
	require.NoError(t, err)
	require.True(t, bytes.Equal(sent, got))
}

// Writers that share a connection do not mix their bytes.
func TestKeepsWritesTogether(t *testing.T) {
	t.Parallel()
	client, server := setup(t)
	const writers, length = 8, 1 << 20
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			if _, err := client.Write(bytes.Repeat([]byte{byte('a' + i)}, length)); err != nil {
				t.Error(err)
			}
		})
	}
	seen := map[byte]bool{}
	buffer := make([]byte, length)
	for range writers {
		_, err := io.ReadFull(server, buffer)
		require.NoError(t, err)
		require.Equal(t, length, bytes.Count(buffer, buffer[:1]))
		require.False(t, seen[buffer[0]])
		seen[buffer[0]] = true
	}
	all.Wait()
}

func TestReadsNothingIntoNothing(t *testing.T) {
	t.Parallel()
	client, server := setup(t)
	n, err := client.Read(nil) // would wait for ever otherwise
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = server.Write(nil)
	require.NoError(t, err)
	require.Zero(t, n)
}

// Errors are what those who use connections look for: net/http and pgx tell by them
// whether a client is gone, slow, or was closed.
func TestFailsAsTheNetPackageDoes(t *testing.T) {
	t.Parallel()
	buffer := make([]byte, 16)
	read := func(conn net.Conn) error { _, err := conn.Read(buffer); return err }
	fill := func(conn net.Conn) error { // until nobody takes it any more
		for {
			if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
				return err
			}
		}
	}
	operation := func(t *testing.T, name string, err error) {
		t.Helper()
		failed, ok := errors.AsType[*net.OpError](err)
		require.True(t, ok, err)
		require.Equal(t, name, failed.Op)
		require.Equal(t, "tcp", failed.Net)
		require.NotNil(t, failed.Source)
		require.NotNil(t, failed.Addr)
	}
	t.Run("closed by the other side", func(t *testing.T) {
		t.Parallel()
		client, server := setup(t)
		require.NoError(t, server.Close())
		require.Equal(t, io.EOF, read(client))
	})
	t.Run("reset by the other side", func(t *testing.T) {
		t.Parallel()
		client, server := setup(t)
		require.NoError(t, server.(interface{ SetLinger(seconds int) error }).SetLinger(0))
		require.NoError(t, server.Close())
		err := read(client)
		operation(t, "read", err)
		require.ErrorContains(t, err, "connection reset by peer")
		err = fill(client)
		operation(t, "write", err)
		require.ErrorContains(t, err, "broken pipe")
	})
	for _, late := range []struct {
		name, operation string
		try             func(net.Conn) error
	}{{"read", "read", read}, {"write", "write", fill}} {
		t.Run("deadline of a "+late.name, func(t *testing.T) {
			t.Parallel()
			client, _ := setup(t)
			require.NoError(t, client.SetDeadline(time.Now().Add(50*time.Millisecond)))
			err := late.try(client)
			operation(t, late.operation, err)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			timeout, ok := errors.AsType[net.Error](err)
			require.True(t, ok)
			require.True(t, timeout.Timeout())
		})
		t.Run("closed during a "+late.name, func(t *testing.T) {
			t.Parallel()
			client, _ := setup(t)
			failed := make(chan error, 1)
			go func() { failed <- late.try(client) }()
			require.NoError(t, client.Close())
			err := <-failed
			operation(t, late.operation, err)
			require.ErrorIs(t, err, net.ErrClosed)
		})
	}
}

func TestWrapsWhatIsClosed(t *testing.T) {
	t.Parallel()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer plain.Close()
	dialed, err := net.Dial("tcp", plain.Addr().String())
	require.NoError(t, err)
	require.NoError(t, dialed.Close())
	_, err = Wrap(dialed).Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestServesHTTP(t *testing.T) {
	t.Parallel()
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}), ReadHeaderTimeout: time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(Listener{plain}) }()
	sent := bytes.Repeat([]byte("seat"), 1<<18)
	client := http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Post("http://"+plain.Addr().String(), "text/plain", bytes.NewReader(sent))
	require.NoError(t, err)
	got, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.True(t, bytes.Equal(sent, got))
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-ended, http.ErrServerClosed)
}

// Nothing is allocated for a call.
func TestAllocatesNothing(t *testing.T) { //nolint:paralleltest // counts allocations
	client, server := setup(t)
	message := make([]byte, 64)
	buffer := make([]byte, 64)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if _, err := client.Write(message); err != nil {
			t.Error(err)
		}
		if _, err := server.Read(buffer); err != nil {
			t.Error(err)
		}
	}))
}
