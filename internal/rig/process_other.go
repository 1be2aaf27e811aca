//go:build !linux

package rig

import "syscall"

// attributes cannot tell a child here when its parent dies.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
