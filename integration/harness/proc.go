//go:build unix

package harness

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"pawl/integration/harness/process"
)

// stopLimit bounds how long a program may take to end after SIGTERM.
const stopLimit = 30 * time.Second

// ProcOptions says how to start a program.
type ProcOptions struct {
	Name string   // what messages call it; zero means the base name of its path
	Args []string // its arguments
	Env  []string // added to the test's environment
	Dir  string   // its working directory; zero means the test's
}

// Proc is a program that a test started. Its methods fail the test where those of the embedded
// Process return an error.
type Proc struct {
	*process.Process
	tb testing.TB
}

// Build compiles a main package into dir, with the race detector if the test has it and with the
// given flags of `go build`, and returns the program's path.
func Build(tb testing.TB, dir, pkg string, flags ...string) string {
	tb.Helper()
	path, err := build(dir, pkg, flags...)
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// build is Build without a test.
func build(dir, pkg string, flags ...string) (string, error) {
	path := filepath.Join(dir, filepath.Base(pkg))
	args := []string{"build", "-o", path}
	if raceEnabled {
		args = append(args, "-race")
	}
	args = append(append(args, flags...), pkg)
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

// Start starts a program, and kills it when the test ends. When the test has failed by then, it
// shows the last lines the program said.
func Start(tb testing.TB, path string, opts ProcOptions) *Proc {
	tb.Helper()
	p, err := process.Start(process.Spec{
		Name: opts.Name, Path: path, Args: opts.Args, Env: opts.Env, Dir: opts.Dir,
		Log: filepath.Join(tb.TempDir(), "output.log"),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		p.Kill9()
		if tb.Failed() {
			tb.Logf("%s (exit code %d) last said:\n%s", p.Name(), p.ExitCode(), p.Tail(tailLines))
		}
	})
	return &Proc{Process: p, tb: tb}
}

// Stop ends the program in order with SIGTERM and returns its exit code. It fails the test, and
// kills the program, when that takes longer than 30 seconds.
func (p *Proc) Stop() int {
	p.tb.Helper()
	p.report(p.Process.Stop(stopLimit))
	return p.ExitCode()
}

// Wait waits until the program has ended by itself and returns its exit code. It fails the test
// when that takes longer than limit.
func (p *Proc) Wait(limit time.Duration) int {
	p.tb.Helper()
	code, err := p.Process.Wait(limit)
	p.report(err)
	return code
}

// Pause freezes the program with SIGSTOP.
func (p *Proc) Pause() {
	p.tb.Helper()
	p.report(p.Process.Pause())
}

// Resume thaws a frozen program.
func (p *Proc) Resume() {
	p.tb.Helper()
	p.report(p.Process.Resume())
}

// Output is all that the program has said so far, on standard output and error.
func (p *Proc) Output() string {
	p.tb.Helper()
	out, err := p.Process.Output()
	p.report(err)
	return out
}

// CPUTime is the processor time that the program has used so far.
func (p *Proc) CPUTime() time.Duration {
	p.tb.Helper()
	d, err := p.Process.CPUTime()
	p.report(err)
	return d
}

// PeakRSS is the most memory, in bytes, that the program has held resident so far.
func (p *Proc) PeakRSS() int64 {
	p.tb.Helper()
	n, err := p.Process.PeakRSS()
	p.report(err)
	return n
}

// report fails the test for an error.
func (p *Proc) report(err error) {
	p.tb.Helper()
	if err != nil {
		p.tb.Error(err)
	}
}
