//go:build unix

package servers

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMissingServersAreUnavailable(t *testing.T) {
	t.Setenv(dirVariable, t.TempDir())
	var missing *Unavailable
	if _, err := StartKafka(t.Context(), t.TempDir(), KafkaOptions{}); !errors.As(err, &missing) {
		t.Errorf("StartKafka without servers = %v, want Unavailable", err)
	}
	if _, err := StartRegistry(t.Context(), t.TempDir()); !errors.As(err, &missing) {
		t.Errorf("StartRegistry without servers = %v, want Unavailable", err)
	} else if !strings.Contains(err.Error(), "java") && !strings.Contains(err.Error(), "fetch.sh") {
		t.Errorf("error %q doesn't tell how to mend it", err)
	}
}

func TestOptionsThatNoClusterCanBe(t *testing.T) {
	for _, opts := range []KafkaOptions{{Brokers: 2}, {Brokers: -1}, {TransactionVersion: 3}} {
		if _, err := StartKafka(t.Context(), t.TempDir(), opts); err == nil {
			t.Errorf("StartKafka(%+v) succeeded", opts)
		}
	}
}

func TestPropertiesOfThree(t *testing.T) {
	nodes := []*node{
		{id: 1, port: 1, controllerPort: 2},
		{id: 2, port: 3, controllerPort: 4},
		{id: 3, port: 5, controllerPort: 6},
	}
	own := map[string]string{"log.retention.ms": "5", "x": "a\\b"}
	got := render(properties(2, nodes, "data", KafkaOptions{Properties: own}))
	for _, line := range []string{
		"controller.quorum.voters=1@127.0.0.1:2,2@127.0.0.1:4,3@127.0.0.1:6",
		"listeners=PLAINTEXT://127.0.0.1:3,CONTROLLER://127.0.0.1:4",
		"node.id=2", "log.dirs=data", "log.retention.ms=5", `x=a\\b`,
		"default.replication.factor=3", "min.insync.replicas=2",
		"transaction.state.log.min.isr=2",
	} {
		if !strings.Contains("\n"+got, "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
}

func TestFreePortsDiffer(t *testing.T) {
	ports, err := freePorts(50)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[int]bool)
	for _, p := range ports {
		if seen[p] || p < portMin || p >= portMax {
			t.Errorf("port %d twice or out of range in %v", p, ports)
		}
		seen[p] = true
	}
}

// startForTest starts one small broker, or skips as package harness does.
func startForTest(t *testing.T) *Cluster {
	t.Helper()
	opts := KafkaOptions{Heap: "256m", JVM: []string{"-XX:TieredStopAtLevel=1"}}
	c, err := StartKafka(t.Context(), t.TempDir(), opts)
	var missing *Unavailable
	if errors.As(err, &missing) && os.Getenv("PAWL_REQUIRE_SERVERS") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestLifeOfANode stops a broker, finds its port taken at the restart, frees it, and freezes and
// thaws the broker.
func TestLifeOfANode(t *testing.T) {
	c := startForTest(t)
	if err := c.Restart(t.Context(), 1); err == nil {
		t.Error("Restart of a running node succeeded")
	}
	if err := c.Kill(2); err == nil {
		t.Error("Kill of a node that isn't there succeeded")
	}
	if err := c.Stop(1); err != nil {
		t.Error(err)
	}
	thief, err := net.Listen("tcp", c.Bootstrap())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Restart(t.Context(), 1); !errors.Is(err, errPortTaken) {
		t.Errorf("Restart on a taken port = %v, want errPortTaken", err)
	}
	thief.Close()
	if err := c.Restart(t.Context(), 1); err != nil {
		t.Error(err)
	}
	if err := c.Pause(1); err != nil {
		t.Error(err)
	}
	if err := c.Resume(1); err != nil {
		t.Error(err)
	}
	if err := c.WaitReady(t.Context()); err != nil {
		t.Error(err)
	}
	proc, err := c.Process(1)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if proc.Running() {
		t.Error("the broker runs after Close")
	}
	if left, err := filepath.Glob(filepath.Join(c.dir, "node-1", "data", "*")); len(left) == 0 {
		t.Errorf("Close removed the data: %v", err)
	}
}
