//go:build !linux

package main

import "syscall"

// childAttributes make a child that Ctrl-C does not reach, because it is this process
// that tells it to stop.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
