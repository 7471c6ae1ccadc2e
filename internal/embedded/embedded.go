package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"pawl/schemas"
)

// Config says what to start. The zero value is one broker in memory on free ports.
type Config struct {
	Brokers      int    // 0 means 1; transactions and groups then have one coordinator
	Port         int    // of the first broker, the next ones follow; 0 means any free ones
	RegistryPort int    // 0 means any free one
	DataDir      string // "" keeps everything in memory
	SyncWrites   bool   // fsync every produced batch; without, a power cut may lose some
	Partitions   int    // of topics created without a number; 0 means 1

	// SessionTimeoutMin is the shortest session timeout a group may ask for; 0 means Kafka's 6s.
	SessionTimeoutMin time.Duration

	// Options go to kfake after our own, for tests that listen elsewhere or cap versions.
	Options []kfake.Opt
}

// Cluster is a running broker and registry.
type Cluster struct {
	kafka    *kfake.Cluster
	addrs    []string
	registry *http.Server
	url      string
	unlock   func() error
	close    sync.Once
	done     chan struct{} // closed when the registry no longer serves
}

// Start starts a cluster that runs until Close; ctx bounds the start only. A data directory that
// another process uses is refused, naming that process.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	c := &Cluster{unlock: func() error { return nil }, done: make(chan struct{})}
	if cfg.DataDir != "" {
		if err := os.MkdirAll(cfg.DataDir, 0o755); err != nil {
			return nil, fmt.Errorf("start embedded cluster: %w", err)
		}
		unlock, err := lock(filepath.Join(cfg.DataDir, "lock"))
		if err != nil {
			return nil, fmt.Errorf("start embedded cluster in %s: %w", cfg.DataDir, err)
		}
		c.unlock = unlock
	}
	if err := c.startKafka(cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("start embedded broker: %w", err), c.unlock())
	}
	if err := c.startRegistry(ctx, cfg); err != nil {
		c.kafka.Close()
		return nil, errors.Join(fmt.Errorf("start embedded registry: %w", err), c.unlock())
	}
	return c, nil
}

// startKafka starts the brokers.
func (c *Cluster) startKafka(cfg Config) error {
	options := []kfake.Opt{
		kfake.DefaultNumPartitions(cmp.Or(cfg.Partitions, 1)),
		// Records carry event time, which may be long past: age must not delete them. Nor is a
		// table compacted every hour: an oracle needs the records that were replaced.
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1",
			"log.cleaner.backoff.ms": strconv.FormatInt((30 * 24 * time.Hour).Milliseconds(), 10)}),
	}
	brokers := cmp.Or(cfg.Brokers, 1)
	if cfg.Port == 0 {
		options = append(options, kfake.NumBrokers(brokers))
	} else {
		ports := make([]int, brokers)
		for i := range ports {
			ports[i] = cfg.Port + i
		}
		options = append(options, kfake.Ports(ports...))
	}
	if cfg.SessionTimeoutMin > 0 {
		options = append(options, kfake.GroupMinSessionTimeout(cfg.SessionTimeoutMin))
	}
	if cfg.DataDir != "" {
		options = append(options, kfake.DataDir(filepath.Join(cfg.DataDir, "kafka")))
	}
	if cfg.SyncWrites {
		options = append(options, kfake.SyncWrites())
	}
	kafka, err := kfake.NewCluster(append(options, cfg.Options...)...)
	if err != nil {
		return err
	}
	c.kafka, c.addrs = kafka, kafka.ListenAddrs()
	return nil
}

// startRegistry loads and serves the registry.
func (c *Cluster) startRegistry(ctx context.Context, cfg Config) error {
	file := ""
	if cfg.DataDir != "" {
		file = filepath.Join(cfg.DataDir, "registry.json")
	}
	memory := schemas.NewMemory()
	if err := load(file, memory); err != nil {
		return err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", cfg.RegistryPort)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	c.url = "http://" + listener.Addr().String()
	c.registry = &http.Server{Handler: newHandler(memory, file),
		ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(c.done)
		_ = c.registry.Serve(listener) // always ErrServerClosed, by Close
	}()
	return nil
}

// Addr returns the brokers' addresses, as bootstrap.servers wants them.
func (c *Cluster) Addr() string { return strings.Join(c.addrs, ",") }

// RegistryURL returns the registry's address, as schema.registry.url wants it.
func (c *Cluster) RegistryURL() string { return c.url }

// Kafka returns the broker itself, to inject faults and move leaders.
func (c *Cluster) Kafka() *kfake.Cluster { return c.kafka }

// Close stops everything, saving what the data directory holds. Calling it again does nothing.
func (c *Cluster) Close() {
	c.close.Do(func() {
		_ = c.registry.Close() // connections are dropped, as a crash would
		<-c.done
		c.kafka.Close()
		_ = c.unlock() // the file is closed with the process at the latest
	})
}
