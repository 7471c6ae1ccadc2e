package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/integration/harness/servers"
	"pawl/internal/embedded"
	"pawl/internal/settings"
	"pawl/schemas"
)

// cluster is a broker and a registry: those that were given, or embedded ones of our own.
type cluster struct {
	brokers  []string
	secured  []kgo.Opt // how the given brokers want it
	registry schemas.ClientConfig
	embedded *embedded.Cluster // nil when they were given, or run as processes
	kafka    *servers.Cluster  // processes of our own, or nil
	apicurio *servers.Registry // the same
}

// givenCluster is the one that the settings name.
func givenCluster(s *settings.Settings) *cluster {
	return &cluster{brokers: s.List("bootstrap.servers"), registry: s.Registry(),
		secured: s.Security().Options()}
}

// openCluster uses the servers that the settings name, or starts its own with their data in dir.
func openCluster(ctx context.Context, s *settings.Settings, dir string) (*cluster, error) {
	c := givenCluster(s)
	switch {
	case len(c.brokers) > 0 && c.registry.URL == "":
		return nil, usage("--kafka without --registry; give both, or none for embedded servers")
	case len(c.brokers) == 0 && c.registry.URL != "":
		return nil, usage("--registry without --kafka; give both, or none for embedded servers")
	case len(c.brokers) > 0:
		return c, nil
	}
	own, err := embedded.Start(ctx, embedded.Config{DataDir: filepath.Join(dir, "cluster")})
	if err != nil {
		return nil, err
	}
	c.embedded, c.secured = own, nil
	c.brokers = strings.Split(own.Addr(), ",")
	c.registry = schemas.ClientConfig{URL: own.RegistryURL()}
	return c, nil
}

// close stops servers of our own.
func (c *cluster) close() {
	if c.embedded != nil {
		c.embedded.Close()
	}
	if c.apicurio != nil {
		c.apicurio.Close()
	}
	if c.kafka != nil {
		c.kafka.Close()
	}
}

// ours tells whether nobody else uses the cluster.
func (c *cluster) ours() bool { return c.embedded != nil || c.kafka != nil }

// overrides are the settings that lead another process of this binary to the cluster.
func (c *cluster) overrides() map[string]string {
	if !c.ours() {
		return map[string]string{}
	}
	return map[string]string{
		"bootstrap.servers":   strings.Join(c.brokers, ","),
		"schema.registry.url": c.registry.URL,
	}
}

// client opens a client with further options.
func (c *cluster) client(opts ...kgo.Opt) (*kgo.Client, error) {
	cl, err := kgo.NewClient(append(c.options(), opts...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", strings.Join(c.brokers, ","), err)
	}
	return cl, nil
}

// options are what every client of the cluster needs.
func (c *cluster) options() []kgo.Opt {
	return append([]kgo.Opt{kgo.SeedBrokers(c.brokers...)}, c.secured...)
}

// schemas is a client of the registry.
func (c *cluster) schemas() schemas.Registry { return schemas.NewClient(c.registry) }
