//go:build unix

package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Spec says what to start.
type Spec struct {
	Name string   // what messages call the child; zero means the base name of Path
	Path string   // the program
	Args []string // its arguments, without the program's name
	Env  []string // added to the parent's environment, later entries win
	Dir  string   // working directory; zero means the parent's
	Log  string   // file that standard output and error are appended to; required
}

// Process is a child that was started. Its methods may be called by several goroutines at once.
type Process struct {
	name string
	log  string
	pid  int
	done chan struct{}    // closed when the child has ended and was reaped
	end  *os.ProcessState // set before done is closed
}

// Start starts the child that spec describes. It keeps an operating system thread until the
// child ends.
func Start(spec Spec) (*Process, error) {
	if spec.Name == "" {
		spec.Name = filepath.Base(spec.Path)
	}
	if spec.Log == "" {
		return nil, fmt.Errorf("start %s: no log file: set Spec.Log", spec.Name)
	}
	out, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: open its log: %w", spec.Name, err)
	}
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Dir, cmd.Env = spec.Dir, append(os.Environ(), spec.Env...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = out, out, attributes()

	p := &Process{name: spec.Name, log: spec.Log, done: make(chan struct{})}
	started := make(chan error)
	go p.run(cmd, out, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s as %s: %w", spec.Name, spec.Path, err)
	}
	return p, nil
}

// run starts the child, reports on started, and reaps the child when it ends. It holds its
// thread meanwhile: Linux takes the end of the starting thread for the death of the parent.
func (p *Process) run(cmd *exec.Cmd, out *os.File, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	out.Close() // the child has its own handle
	if err != nil {
		started <- err
		return
	}
	p.pid = cmd.Process.Pid
	started <- nil
	_ = cmd.Wait() // a bad exit is told by ExitCode
	p.end = cmd.ProcessState
	_ = syscall.Kill(-p.pid, syscall.SIGKILL) // what it left behind in its group, if anything
	close(p.done)
}

// Name is what messages call the child.
func (p *Process) Name() string { return p.name }

// PID is the child's process id, which the system may reuse once Done is closed.
func (p *Process) PID() int { return p.pid }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running tells whether the child has not ended yet; a frozen child is running.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// ErrRunning says that a child did not end in the time it was given.
var ErrRunning = errors.New("still running")

// Wait waits until the child has ended by itself, at most for the given time, and returns its
// exit code. It is -1 for a child that a signal ended, and while it runs.
func (p *Process) Wait(limit time.Duration) (int, error) {
	select {
	case <-p.done:
		return p.ExitCode(), nil
	case <-time.After(limit):
		return -1, fmt.Errorf("wait for %s (pid %d): %w after %v", p.name, p.pid, ErrRunning, limit)
	}
}

// ExitCode is the child's exit code, -1 while it runs or when a signal ended it.
func (p *Process) ExitCode() int {
	if p.Running() {
		return -1
	}
	return p.end.ExitCode()
}
