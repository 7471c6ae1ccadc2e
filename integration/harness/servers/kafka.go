//go:build unix

package servers

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// startTries bounds how often StartKafka picks other ports when somebody took one first.
const startTries = 3

// clusterID is the id of every cluster started here: 16 bytes in URL-safe base64.
const clusterID = "cGF3bC1pbnRlZ3JhdGlvbg"

// KafkaOptions shapes a cluster. The zero value is one broker of the newest kind.
type KafkaOptions struct {
	Brokers int      // 1 or 3; zero means 1. Three have replication factor 3, min ISR 2
	Heap    string   // -Xmx of each broker; zero means 1g for one, 512m for three
	JVM     []string // further options of the Java machine, after the standard ones

	// TransactionVersion is the cluster's finalized transaction.version: 1 is the protocol
	// before KIP-890, 2 the one with it; zero means the newest.
	TransactionVersion int

	// Listeners are further ones, by their security protocol, SASL_SSL for example; what they need
	// is for Properties.
	Listeners []string

	Properties map[string]string // server.properties that override the standard ones
}

// Cluster is a running cluster. Nodes are numbered from 1. Its methods may be called by several
// goroutines; those that act on the same node must not overlap.
type Cluster struct {
	in    install
	dir   string
	opts  KafkaOptions
	nodes []*node
}

// StartKafka formats and starts a cluster below dir, which it creates, and returns when every
// broker serves. Its error ends with what the servers last said. The caller closes the cluster.
func StartKafka(ctx context.Context, dir string, opts KafkaOptions) (*Cluster, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	in, err := findInstall()
	if err != nil {
		return nil, fmt.Errorf("start Kafka: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("start Kafka in %s: %w", dir, err)
	}
	for try := 1; ; try++ {
		c := &Cluster{in: in, dir: dir, opts: opts}
		err := c.start(ctx)
		if err == nil {
			return c, nil
		}
		c.Close()
		if try == startTries || !errors.Is(err, errPortTaken) {
			return nil, fmt.Errorf("start Kafka, %d brokers in %s: %w", opts.Brokers, dir, err)
		}
	}
}

// withDefaults fills the zero fields and refuses what no cluster can be.
func (o KafkaOptions) withDefaults() (KafkaOptions, error) {
	switch o.Brokers {
	case 0:
		o.Brokers = 1
	case 1, 3:
	default:
		return o, fmt.Errorf("start Kafka with Brokers %d: use 1 or 3", o.Brokers)
	}
	if o.Heap == "" {
		o.Heap = "1g"
		if o.Brokers > 1 {
			o.Heap = "512m"
		}
	}
	if o.TransactionVersion < 0 || o.TransactionVersion > 2 {
		return o, fmt.Errorf("start Kafka with TransactionVersion %d: use 1, 2, or 0 for the "+
			"newest", o.TransactionVersion)
	}
	return o, nil
}

// start gives the nodes ports and folders, formats and starts them, and waits for them.
func (c *Cluster) start(ctx context.Context) error {
	each := 2 + len(c.opts.Listeners)
	ports, err := freePorts(each * c.opts.Brokers)
	if err != nil {
		return err
	}
	for id := 1; id <= c.opts.Brokers; id++ {
		own := ports[each*(id-1) : each*id]
		n := &node{id: id, port: own[0], controllerPort: own[1], further: own[2:]}
		n.dir = filepath.Join(c.dir, fmt.Sprintf("node-%d", id))
		c.nodes = append(c.nodes, n)
	}
	group, groupCtx := errgroup.WithContext(ctx)
	for _, n := range c.nodes {
		group.Go(func() error { return c.format(groupCtx, n) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return c.launch(ctx, c.nodes)
}

// launch starts the processes of nodes and waits until all that run serve and know each other.
func (c *Cluster) launch(ctx context.Context, nodes []*node) error {
	for _, n := range nodes {
		if err := c.startNode(n); err != nil {
			return err
		}
	}
	return c.WaitReady(ctx)
}

// Bootstrap is the brokers' addresses, separated by commas.
func (c *Cluster) Bootstrap() string {
	addrs := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		addrs[i] = local(n.port)
	}
	return strings.Join(addrs, ",")
}

// Listener is the brokers' addresses of one of the further listeners, separated by commas.
func (c *Cluster) Listener(protocol string) string {
	i := slices.Index(c.opts.Listeners, protocol)
	if i < 0 {
		return ""
	}
	addrs := make([]string, len(c.nodes))
	for at, n := range c.nodes {
		addrs[at] = local(n.further[i])
	}
	return strings.Join(addrs, ",")
}

// Nodes is how many nodes the cluster has, running or not.
func (c *Cluster) Nodes() int { return len(c.nodes) }

// Close kills every node and waits until they are gone; data and logs stay. Closing twice is
// harmless.
func (c *Cluster) Close() {
	for _, n := range c.nodes {
		if n.proc != nil {
			n.proc.Kill9()
		}
	}
}
