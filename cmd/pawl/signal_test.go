package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pawl/integration/harness/process"
	"pawl/internal/embedded"
)

// startService runs the service in a process of its own, until it is ready.
func startService(t *testing.T, servers *embedded.Cluster, env ...string) *process.Process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p, err := process.Start(process.Spec{Path: exe, Env: env, Log: filepath.Join(dir, "log"),
		Args: []string{"run", "fraud", "--set", "application.id=sig", "--set", "instance.id=one",
			"--set", "state.dir=" + dir, "--set", "http.listen=127.0.0.1:0", "--kafka",
			servers.Addr(), "--registry", servers.RegistryURL()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill9)
	end := time.Now().Add(20 * time.Second)
	for p.Running() && !strings.Contains(p.Tail(50), "msg=instance state=RUNNING") {
		if time.Now().After(end) {
			t.Fatalf("not running:\n%s", p.Tail(20))
		}
		time.Sleep(20 * time.Millisecond)
	}
	return p
}

func startServers(t *testing.T) *embedded.Cluster {
	t.Helper()
	c, err := embedded.Start(t.Context(), embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	own := &cluster{brokers: []string{c.Addr()}}
	if err := createInputs(t.Context(), own.admin(t), []string{"transactions"}, 1); err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t *testing.T, p *process.Process, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(p.PID(), s); err != nil {
		t.Fatal(err)
	}
}

func TestSignalStopsTidily(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := startService(t, startServers(t))
		send(t, p, s)
		if code, err := p.Wait(10 * time.Second); err != nil || code != 0 {
			t.Errorf("after %v: exit %d, %v\n%s", s, code, err, p.Tail(20))
		}
	}
}

// TestSecondSignal ends a stop that cannot finish, because the broker is gone.
func TestSecondSignal(t *testing.T) {
	c := startServers(t)
	p := startService(t, c)
	c.Close()
	send(t, p, syscall.SIGTERM)
	if _, err := p.Wait(300 * time.Millisecond); err == nil {
		t.Skipf("the stop did not need the broker, so there is nothing to cut short")
	}
	send(t, p, syscall.SIGTERM)
	if code, err := p.Wait(2 * time.Second); err != nil || code != 1 {
		t.Errorf("after the second signal: exit %d, %v\n%s", code, err, p.Tail(20))
	}
}

// TestKillAt dies at the point, by SIGKILL, and said so before.
func TestKillAt(t *testing.T) {
	c := startServers(t)
	p := startService(t, c, "PAWL_KILL_AT=flushed:2")
	code, _, said := pawl(nil, "generate", "fraud", "--count", "300", "--rate", "300",
		"--kafka", c.Addr(), "--registry", c.RegistryURL())
	if code != 0 {
		t.Fatalf("generate: exit %d\n%s", code, said)
	}
	if code, err := p.Wait(10 * time.Second); err != nil || code != -1 {
		t.Errorf("exit %d, %v; want death by signal\n%s", code, err, p.Tail(20))
	}
	text, err := p.Output()
	if err != nil || !strings.Contains(text, "warning: PAWL_KILL_AT=flushed:2 is set") {
		t.Errorf("no warning: %v\n%s", err, text)
	}
}
