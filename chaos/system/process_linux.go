package system

import "syscall"

// diesWithParent makes a child that terminal signals do not reach and that the kernel
// kills when this process dies, however it dies.
func diesWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
