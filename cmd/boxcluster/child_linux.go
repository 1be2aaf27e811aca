package main

import "syscall"

// childAttributes make a child that Ctrl-C does not reach, because it is this process
// that tells it to stop, and that the kernel kills when this process dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
