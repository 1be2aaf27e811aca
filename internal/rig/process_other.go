//go:build !linux

package rig

import "syscall"

// attributes cannot signal a child here when its parent dies.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
