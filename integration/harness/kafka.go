//go:build unix

package harness

import (
	"os"
	"reflect"
	"testing"

	"pawl/integration/harness/process"
	"pawl/integration/harness/servers"
)

// KafkaOptions shapes a cluster; the zero value is one broker.
type KafkaOptions = servers.KafkaOptions

// Cluster is a Kafka cluster as one test sees it. Nodes are numbered from 1.
type Cluster struct {
	tb        testing.TB
	bootstrap string
	own       *servers.Cluster // nil when PAWL_KAFKA gives the cluster
}

// Kafka starts a cluster for this test alone, and stops it when the test ends. PAWL_KAFKA
// replaces it, except that a test with options of its own is then skipped.
func Kafka(tb testing.TB, opts KafkaOptions) *Cluster {
	tb.Helper()
	if given := os.Getenv(kafkaVariable); given != "" {
		if !reflect.DeepEqual(opts, KafkaOptions{}) {
			tb.Skipf("%s gives a cluster, and this test needs one of its own: %+v",
				kafkaVariable, opts)
		}
		return &Cluster{tb: tb, bootstrap: given}
	}
	own, err := servers.StartKafka(tb.Context(), tb.TempDir(), opts)
	check(tb, err)
	tb.Cleanup(own.Close)
	return watch(tb, own)
}

// watch shows the test a cluster, and the cluster's logs when the test fails.
func watch(tb testing.TB, own *servers.Cluster) *Cluster {
	tb.Cleanup(func() {
		for id := 1; tb.Failed() && id <= own.Nodes(); id++ {
			if p, err := own.Process(id); err == nil {
				tb.Logf("%s last said:\n%s", p.Name(), p.Tail(tailLines))
			}
		}
	})
	return &Cluster{tb: tb, bootstrap: own.Bootstrap(), own: own}
}

// Bootstrap is the brokers' addresses, separated by commas.
func (c *Cluster) Bootstrap() string { return c.bootstrap }

// Listener is the brokers' addresses of one of KafkaOptions.Listeners, separated by commas.
func (c *Cluster) Listener(protocol string) string {
	c.tb.Helper()
	c.owned()
	return c.own.Listener(protocol)
}

// Nodes is how many nodes can be killed and restarted: none when PAWL_KAFKA gives the cluster.
func (c *Cluster) Nodes() int {
	if c.own == nil {
		return 0
	}
	return c.own.Nodes()
}

// Log is the path of a node's log.
func (c *Cluster) Log(node int) string {
	c.tb.Helper()
	if p := c.Process(node); p != nil {
		return p.LogPath()
	}
	return ""
}

// Process is the process of a node's latest run, for its processor time and memory; nil, and the
// test has failed, when there is no such node.
func (c *Cluster) Process(node int) *process.Process {
	c.tb.Helper()
	c.owned()
	p, err := c.own.Process(node)
	c.report(err)
	return p
}

// Kill ends a node with SIGKILL.
func (c *Cluster) Kill(node int) {
	c.tb.Helper()
	c.owned()
	c.report(c.own.Kill(node))
}

// Stop ends a node in order: it hands its leaderships over first.
func (c *Cluster) Stop(node int) {
	c.tb.Helper()
	c.owned()
	c.report(c.own.Stop(node))
}

// Restart starts nodes that were killed or stopped and waits until the cluster is whole. When
// two of three are down, restart both in one call: one alone has no quorum.
func (c *Cluster) Restart(nodes ...int) {
	c.tb.Helper()
	c.owned()
	c.report(c.own.Restart(c.tb.Context(), nodes...))
}

// Pause freezes a node with SIGSTOP.
func (c *Cluster) Pause(node int) {
	c.tb.Helper()
	c.owned()
	c.report(c.own.Pause(node))
}

// Resume thaws a frozen node and waits until the cluster is whole.
func (c *Cluster) Resume(node int) {
	c.tb.Helper()
	c.owned()
	c.report(c.own.Resume(node))
	c.report(c.own.WaitReady(c.tb.Context()))
}

// owned skips the test when the cluster is somebody else's.
func (c *Cluster) owned() {
	c.tb.Helper()
	if c.own == nil {
		c.tb.Skipf("%s gives a cluster, and this test needs one it may harm", kafkaVariable)
	}
}

// report fails the test for an error.
func (c *Cluster) report(err error) {
	c.tb.Helper()
	if err != nil {
		c.tb.Error(err)
	}
}
