//go:build unix

package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"pawl/integration/harness/process"
)

// stopLimit bounds a broker's orderly shutdown.
const stopLimit = 30 * time.Second

// node is one process of a cluster, broker and controller in one.
type node struct {
	id             int
	dir            string
	port           int   // where clients connect
	controllerPort int   // where the other nodes' controllers connect
	further        []int // of KafkaOptions.Listeners
	proc           *process.Process
	paused         bool
}

// file is the path of a file in the node's folder.
func (n *node) file(name string) string { return filepath.Join(n.dir, name) }

// format writes a node's settings and its empty, stamped data folder, as Kafka demands before
// a first start. What an earlier try left there is removed.
func (c *Cluster) format(ctx context.Context, n *node) error {
	if err := os.RemoveAll(n.dir); err != nil {
		return fmt.Errorf("clear node %d: %w", n.id, err)
	}
	if err := os.MkdirAll(n.dir, 0o755); err != nil {
		return fmt.Errorf("create node %d: %w", n.id, err)
	}
	settings := render(properties(n.id, c.nodes, n.file("data"), c.opts))
	if err := os.WriteFile(n.file("server.properties"), []byte(settings), 0o644); err != nil {
		return fmt.Errorf("write settings of node %d: %w", n.id, err)
	}
	args := []string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", c.in.kafkaClasspath(),
		"kafka.tools.StorageTool", "format", "-t", clusterID, "-c", n.file("server.properties")}
	if v := c.opts.TransactionVersion; v != 0 {
		args = append(args, "--feature", "transaction.version="+strconv.Itoa(v))
	}
	out, err := exec.CommandContext(ctx, c.in.java, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("format node %d: %w; the tool said:\n%s", n.id, err, out)
	}
	return nil
}

// startNode starts a node's process and doesn't wait for it to serve.
func (c *Cluster) startNode(n *node) error {
	args := []string{"-Xmx" + c.opts.Heap,
		// What Kafka's own start script sets.
		"-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
		"-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
		"-Djava.awt.headless=true",
		// No files in the system's temporary folder, and no broker half alive.
		"-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
		"-Dorg.slf4j.simpleLogger.showThreadName=false",
	}
	args = append(args, c.opts.JVM...)
	args = append(args, "-cp", c.in.kafkaClasspath(), "kafka.Kafka", n.file("server.properties"))
	proc, err := process.Start(process.Spec{
		Name: fmt.Sprintf("Kafka node %d", n.id), Path: c.in.java, Args: args,
		Dir: n.dir, Log: n.file("server.log"),
	})
	if err != nil {
		return err
	}
	n.proc, n.paused = proc, false
	return nil
}

// node finds a node by its number.
func (c *Cluster) node(id int) (*node, error) {
	if id < 1 || id > len(c.nodes) {
		return nil, fmt.Errorf("no Kafka node %d: nodes are 1 to %d", id, len(c.nodes))
	}
	return c.nodes[id-1], nil
}

// Process is the process of a node's latest run, for its log, processor time and memory.
func (c *Cluster) Process(id int) (*process.Process, error) {
	n, err := c.node(id)
	if err != nil {
		return nil, err
	}
	return n.proc, nil
}

// Kill ends a node with SIGKILL.
func (c *Cluster) Kill(id int) error {
	n, err := c.node(id)
	if err == nil {
		n.proc.Kill9()
	}
	return err
}

// Stop ends a node in order, its leaderships handed over first if another node can take them.
func (c *Cluster) Stop(id int) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	return n.proc.Stop(stopLimit)
}

// Restart starts nodes that were killed or stopped, with the data and ports they had, and waits
// until all running nodes serve and know each other. A quorum must be up for that: when two of
// three are down, restart both in one call.
func (c *Cluster) Restart(ctx context.Context, ids ...int) error {
	var nodes []*node
	for _, id := range ids {
		n, err := c.node(id)
		if err != nil {
			return err
		}
		if n.proc.Running() {
			return fmt.Errorf("restart Kafka node %d: it runs: kill or stop it first", id)
		}
		nodes = append(nodes, n)
	}
	if err := c.launch(ctx, nodes); err != nil {
		return fmt.Errorf("restart Kafka nodes %v: %w", ids, err)
	}
	return nil
}

// Pause freezes a node with SIGSTOP: its connections stay open and nothing answers.
func (c *Cluster) Pause(id int) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	n.paused = true
	return n.proc.Pause()
}

// Resume thaws a frozen node. A node that slept past its session is fenced for a moment.
func (c *Cluster) Resume(id int) error {
	n, err := c.node(id)
	if err != nil {
		return err
	}
	n.paused = false
	return n.proc.Resume()
}
