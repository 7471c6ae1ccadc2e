package process

import "syscall"

// attributes puts the child in a process group of its own and has the kernel kill it when the
// thread that started it ends. Start keeps that thread for as long as the child lives.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
