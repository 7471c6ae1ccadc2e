//go:build unix

package process

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain makes the test binary play the child as well: PROCESS_ROLE says which one.
func TestMain(m *testing.M) {
	switch os.Getenv("PROCESS_ROLE") {
	case "":
		os.Exit(m.Run())
	case "exit":
		fmt.Println("one\ntwo")
		fmt.Fprintln(os.Stderr, "three")
		os.Exit(7)
	case "obey": // ends well on SIGTERM, after some work
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		burn(200 * time.Millisecond)
		fmt.Println("ready")
		<-term
		os.Exit(0)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Minute)
	case "parent": // starts a child of its own and says its pid
		child, err := Start(Spec{Path: "sleep", Args: []string{"60"}, Log: os.DevNull})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("child", child.PID())
		<-child.Done()
	}
}

// burn uses processor time for about the given time.
func burn(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}

// start starts the test binary in a role.
func start(t *testing.T, role string) *Process {
	t.Helper()
	p, err := Start(Spec{
		Name: role, Path: os.Args[0], Env: []string{"PROCESS_ROLE=" + role},
		Log: filepath.Join(t.TempDir(), role+".log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill9)
	return p
}

// waitOutput waits until the child has said text and returns all it said.
func waitOutput(t *testing.T, p *Process, text string) string {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		out, err := p.Output()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out, text) {
			return out
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s never said %q; it said:\n%s", p.Name(), text, p.Tail(20))
	return ""
}

func TestExitCodeAndOutput(t *testing.T) {
	p := start(t, "exit")
	if code, err := p.Wait(20 * time.Second); code != 7 || err != nil {
		t.Fatalf("Wait = %d, %v, want 7", code, err)
	}
	if got, want := p.Tail(2), "two\nthree"; got != want {
		t.Errorf("Tail(2) = %q, want %q", got, want)
	}
	if p.Running() || p.Pause() == nil {
		t.Error("a child that ended still runs or can be paused")
	}
	if n, err := p.PeakRSS(); n < 1<<20 || err != nil {
		t.Errorf("PeakRSS after the end = %d, %v", n, err)
	}
}

func TestStop(t *testing.T) {
	p := start(t, "obey")
	waitOutput(t, p, "ready")
	if runtime.GOOS == "linux" {
		if d, err := p.CPUTime(); d < 50*time.Millisecond || err != nil {
			t.Errorf("CPUTime while running = %v, %v, want at least 50ms", d, err)
		}
		if n, err := p.PeakRSS(); n < 1<<20 || err != nil {
			t.Errorf("PeakRSS while running = %d, %v", n, err)
		}
	}
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(20 * time.Second); err != nil || p.ExitCode() != 0 {
		t.Errorf("Stop of a frozen child = %v with exit code %d, want 0", err, p.ExitCode())
	}
}

func TestStopKillsTheStubborn(t *testing.T) {
	p := start(t, "stubborn")
	waitOutput(t, p, "ready")
	if err := p.Stop(50 * time.Millisecond); !errors.Is(err, ErrRunning) {
		t.Errorf("Stop = %v, want ErrRunning", err)
	}
	if p.Running() || p.ExitCode() != -1 {
		t.Errorf("after Stop: running %v, exit code %d", p.Running(), p.ExitCode())
	}
}

// TestPauseFreezes reads the state letter of the child from /proc.
func TestPauseFreezes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	p := start(t, "stubborn")
	waitOutput(t, p, "ready")
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	waitState(t, p.PID(), "T")
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	waitState(t, p.PID(), "S")
}

// TestChildDiesWithItsParent kills a parent with SIGKILL, which no code of it can notice.
func TestChildDiesWithItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has a parent death signal")
	}
	parent := start(t, "parent")
	out := waitOutput(t, parent, "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(out, "child ")))
	if err != nil {
		t.Fatalf("parent said %q: %v", out, err)
	}
	if err := syscall.Kill(parent.PID(), syscall.SIGKILL); err != nil { // not the whole group
		t.Fatal(err)
	}
	<-parent.Done()
	waitState(t, pid, "gone")
}

// waitState waits until a process is in a state of /proc, or gone.
func waitState(t *testing.T, pid int, want string) {
	t.Helper()
	var got string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, rest, _ := strings.Cut(string(stat), ") ")
		switch {
		case err != nil, strings.HasPrefix(rest, "Z"): // a zombie waits for init to reap it
			got = "gone"
		default:
			got = rest[:1]
		}
		if got == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("process %d is %s, want %s", pid, got, want)
}

func TestStartErrors(t *testing.T) {
	if _, err := Start(Spec{Path: "true"}); err == nil {
		t.Error("Start without a log file succeeded")
	}
	log := filepath.Join(t.TempDir(), "x.log")
	if _, err := Start(Spec{Path: "no-such-program", Log: log}); err == nil {
		t.Error("Start of a missing program succeeded")
	} else if !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("error %q doesn't name the program", err)
	}
}
