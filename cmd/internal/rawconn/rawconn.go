package rawconn

import "net"

// Wrap gives conn as a connection whose Read and Write are not announced to the scheduler.
// It is conn itself if that is not a TCP connection, on other systems than Linux, and with the
// race detector, which learns from the announced calls what happened before what.
func Wrap(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	return wrap(tcp)
}

// Listener accepts connections that are wrapped.
type Listener struct{ net.Listener }

// Accept waits for the next connection.
func (l Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return Wrap(conn), nil
}
