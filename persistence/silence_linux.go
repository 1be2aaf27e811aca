package persistence

import "syscall"

// tcpUserTimeoutOption is TCP_USER_TIMEOUT, which package syscall does not name.
const tcpUserTimeoutOption = 0x12

// limitSilence has the system break a connection whose other end acknowledges nothing for
// silenceTimeout. A socket that has no such option does without.
func limitSilence(_, _ string, conn syscall.RawConn) error {
	return conn.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeoutOption, int(silenceTimeout.Milliseconds()))
	})
}
