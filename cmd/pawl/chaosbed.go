package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"pawl/integration/harness/servers"
	"pawl/internal/embedded"
	"pawl/internal/settings"
	"pawl/schemas"
)

// open starts the brokers and the registry of a campaign, or takes the ones that are given.
func (o *chaosOptions) open(ctx context.Context, s *settings.Settings, dir string) (*cluster,
	error) {
	switch o.broker {
	case brokerEmbedded:
		own, err := embedded.Start(ctx, embedded.Config{Brokers: o.brokers,
			DataDir: filepath.Join(dir, "cluster")})
		if err != nil {
			return nil, err
		}
		return &cluster{embedded: own, brokers: strings.Split(own.Addr(), ","),
			registry: schemas.ClientConfig{URL: own.RegistryURL()}}, nil
	case brokerLocal:
		return o.openLocal(ctx, dir)
	}
	return openCluster(ctx, s, dir)
}

// openLocal starts Kafka and the registry as processes.
func (o *chaosOptions) openLocal(ctx context.Context, dir string) (*cluster, error) {
	kafka, err := servers.StartKafka(ctx, filepath.Join(dir, "cluster"), servers.KafkaOptions{
		Brokers: o.brokers,
		// A broker that is started again and again never gets to where the better code pays.
		JVM: []string{"-XX:TieredStopAtLevel=1"}})
	if err != nil {
		return nil, unavailable(err)
	}
	c := &cluster{kafka: kafka, brokers: strings.Split(kafka.Bootstrap(), ",")}
	c.apicurio, err = servers.StartRegistry(ctx, filepath.Join(dir, "cluster"))
	if err != nil {
		c.close()
		return nil, unavailable(err)
	}
	c.registry = schemas.ClientConfig{URL: c.apicurio.URL()}
	return c, nil
}

// unavailable says in the words of a flag that the servers are not there.
func unavailable(err error) error {
	var missing *servers.Unavailable
	if errors.As(err, &missing) {
		return usage("--broker=%s: %s: %s", brokerLocal, missing.What, missing.Mend)
	}
	return err
}

// brokerAddresses are all addresses under which clients know the brokers: those that lead to the
// cluster, and those that the brokers give themselves.
func (c *cluster) brokerAddresses(ctx context.Context, limit time.Duration) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cl, err := c.client()
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	meta, err := kadm.NewClient(cl).BrokerMetadata(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask %s for its brokers: %w", strings.Join(c.brokers, ","), err)
	}
	known := map[string]bool{}
	for _, address := range c.brokers {
		known[address] = true
	}
	for _, b := range meta.Brokers {
		known[fmt.Sprintf("%s:%d", b.Host, b.Port)] = true
	}
	return sortedKeys(known), nil
}

// behind is the registry's URL with another host and port.
func behind(registry, address string) (string, error) {
	u, err := url.Parse(registry)
	if err != nil {
		return "", fmt.Errorf("read schema.registry.url=%s: %w", registry, err)
	}
	u.Host = address
	return u.String(), nil
}

// hostPort is where a plain HTTP URL leads; "" for any other.
func hostPort(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "http":
		return ""
	case u.Port() == "":
		return u.Host + ":80"
	}
	return u.Host
}
