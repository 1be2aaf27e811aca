//go:build !linux

package persistence

import "syscall"

// limitSilence does nothing: keep-alives and deadlines notice a dead connection.
func limitSilence(_, _ string, _ syscall.RawConn) error { return nil }
