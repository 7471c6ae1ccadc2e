package embedded

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"pawl/schemas"
)

// childDir is the environment variable by which TestKilledClusterKeepsEverything makes the test
// binary a cluster on that directory.
const childDir = "PAWL_TEST_EMBEDDED_DIR"

// TestKilledClusterKeepsEverything kills the process of a cluster, as kill -9 does, and starts
// another on its directory: what was committed is there, and the lock is free.
func TestKilledClusterKeepsEverything(t *testing.T) {
	if dir := os.Getenv(childDir); dir != "" {
		c := start(t, Config{DataDir: dir})
		fmt.Println(c.Addr(), c.RegistryURL())
		select {}
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledClusterKeepsEverything$")
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	addr, url, _ := strings.Cut(strings.TrimSpace(line), " ")
	createTopic(t, addr, "a")
	produce(t, addr, "a", 4)
	reg := schemas.NewClient(schemas.ClientConfig{URL: url})
	id, err := reg.Register(t.Context(), "a-value", `"string"`)
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed, which Wait reports as an error

	c := start(t, Config{DataDir: dir})
	consume(t, c.Addr(), "a", 4)
	reg = schemas.NewClient(schemas.ClientConfig{URL: c.RegistryURL()})
	if again, err := reg.Lookup(t.Context(), "a-value", `"string"`); err != nil || again != id {
		t.Errorf("after the kill the schema has id %d, %v; before, %d", again, err, id)
	}
}
