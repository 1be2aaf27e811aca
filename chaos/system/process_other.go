//go:build !linux

package system

import "syscall"

// diesWithParent makes a child that terminal signals do not reach. Only Linux can tell
// it when this process dies.
func diesWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
