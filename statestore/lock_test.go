package statestore_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"pawl/statestore"
)

// lockDir names the directory that a child of TestLock holds until it is killed.
const lockDir = "STATESTORE_TEST_LOCK"

func TestMain(m *testing.M) {
	if dir := os.Getenv(lockDir); dir != "" {
		if _, err := statestore.Acquire(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("held")
		select {}
	}
	goleak.VerifyTestMain(m)
}

// TestLock has another process hold a directory: the error names both, and a kill gives it back.
func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "state")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), lockDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "held\n" {
		t.Fatal(line, err)
	}
	_, err = statestore.Acquire(dir)
	if err == nil || !strings.Contains(err.Error(), dir) ||
		!strings.Contains(err.Error(), fmt.Sprintf("process %d;", child.Process.Pid)) {
		t.Errorf("error %v, want %s and pid %d in it", err, dir, child.Process.Pid)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // killed
	lock, err := statestore.Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := statestore.Acquire(dir); err == nil {
		t.Error("one process got the directory twice")
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if lock, err = statestore.Acquire(dir); err != nil {
		t.Fatal(err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
}
