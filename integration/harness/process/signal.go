//go:build unix

package process

import (
	"fmt"
	"syscall"
	"time"
)

// Kill9 ends the child and everything it started with SIGKILL, as a power cut would, and waits
// until it is gone. It does nothing to a child that has ended.
func (p *Process) Kill9() {
	_ = p.signal(syscall.SIGKILL) // the only error is that it is gone already
	<-p.done
}

// Stop asks the child to end with SIGTERM, thaws it in case it is frozen, and waits for the
// given time. A child that is still there then is killed, and Stop says so.
func (p *Process) Stop(limit time.Duration) error {
	_ = p.signal(syscall.SIGTERM)
	_ = p.signal(syscall.SIGCONT) // a frozen process takes no SIGTERM
	if _, err := p.Wait(limit); err != nil {
		p.Kill9()
		return fmt.Errorf("stop, killed instead: %w", err)
	}
	return nil
}

// Pause freezes the child with SIGSTOP: its connections stay open and nothing answers.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume thaws a frozen child with SIGCONT.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

// signal sends a signal to the child's process group.
func (p *Process) signal(sig syscall.Signal) error {
	if !p.Running() {
		return fmt.Errorf("send %v to %s (pid %d): it has ended", sig, p.name, p.pid)
	}
	if err := syscall.Kill(-p.pid, sig); err != nil {
		return fmt.Errorf("send %v to %s (pid %d): %w", sig, p.name, p.pid, err)
	}
	return nil
}
