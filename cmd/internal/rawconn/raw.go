//go:build linux && !race

package rawconn

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// rawConn is a TCP connection with other ways to read and write. Like the one that it
// holds it is safe for concurrent use.
type rawConn struct {
	*net.TCPConn

	polled syscall.RawConn
	reads  transfers
	writes transfers
}

// raw tells whether connections are wrapped in this build.
const raw = true

func wrap(conn *net.TCPConn) net.Conn {
	polled, err := conn.SyscallConn()
	if err != nil { // it is closed already
		return conn
	}
	c := &rawConn{TCPConn: conn, polled: polled}
	c.reads.attempt = func(fd uintptr) bool { return c.reads.call(syscall.SYS_READ, fd) }
	c.writes.attempt = func(fd uintptr) bool { return c.writes.call(syscall.SYS_WRITE, fd) }
	return c
}

// Read implements net.Conn.
func (c *rawConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.reads.mu.Lock()
	defer c.reads.mu.Unlock()
	n, err := c.reads.some(c.polled.Read, p)
	switch {
	case err != nil:
		return 0, c.failure("read", err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write implements net.Conn.
func (c *rawConn) Write(p []byte) (int, error) {
	c.writes.mu.Lock()
	defer c.writes.mu.Unlock()
	written := 0
	for written < len(p) {
		n, err := c.writes.some(c.polled.Write, p[written:])
		if err != nil {
			return written, c.failure("write", err)
		}
		written += n
	}
	return written, nil
}

// failure gives an error the form that the net package's own have.
func (c *rawConn) failure(operation string, err error) error {
	if known, ok := errors.AsType[*net.OpError](err); ok {
		known.Op = operation
		return known
	}
	return &net.OpError{
		Op: operation, Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(),
		Err: os.NewSyscallError(operation, err),
	}
}

// transfers are the reads or the writes of a connection.
type transfers struct {
	mu      sync.Mutex                   // of one Read or Write, so that the bytes of a Write stay together
	attempt func(fd uintptr) (done bool) // made once: a closure for each call would be garbage
	// Of the call that goes on:
	bytes []byte
	n     int
	errno syscall.Errno
}

// some transfers as many bytes as one call takes, as soon as it takes any.
func (t *transfers) some(poll func(func(fd uintptr) bool) error, p []byte) (int, error) {
	t.bytes = p
	err := poll(t.attempt)
	t.bytes = nil
	switch {
	case err != nil:
		return 0, err
	case t.errno != 0:
		return 0, t.errno
	}
	return t.n, nil
}

// call is not done if the poller has to wait first.
func (t *transfers) call(number, fd uintptr) (done bool) {
	for {
		n, _, errno := syscall.RawSyscall(number, fd,
			uintptr(unsafe.Pointer(unsafe.SliceData(t.bytes))), //nolint:gosec // as package syscall does; it stays alive for the call
			uintptr(len(t.bytes)))
		switch errno {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		case 0:
			t.n, t.errno = int(n), 0
		default:
			t.n, t.errno = 0, errno
		}
		return true
	}
}
