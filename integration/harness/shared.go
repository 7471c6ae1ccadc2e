//go:build unix

package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"pawl/integration/harness/servers"
)

// pawlPackage is the program that Shared.Pawl builds.
const pawlPackage = "pawl/cmd/pawl"

// Shared holds what the tests of one package share: each server and the program are started or
// built when a test first asks, and are gone when Run returns. A package keeps one:
//
//	var shared harness.Shared
//
//	func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }
type Shared struct {
	Options KafkaOptions // of the shared cluster; set before Run

	dir      string
	kafka    once[*servers.Cluster]
	registry once[*servers.Registry]
	pawl     once[string]
}

// errNoRun says how to use a Shared.
var errNoRun = errors.New("harness.Shared used outside Run: call it from TestMain")

// Run runs the package's tests and returns their exit code. It stops what they started and
// removes its files.
func (s *Shared) Run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pawl-shared-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "create folder of the shared servers:", err)
		return 1
	}
	s.dir = dir
	defer os.RemoveAll(dir)
	defer s.stop()
	return m.Run()
}

// stop ends the servers that were started.
func (s *Shared) stop() {
	if c := s.kafka.value; c != nil {
		c.Close()
	}
	if r := s.registry.value; r != nil {
		r.Close()
	}
}

// Kafka is the shared cluster. Tests must not harm it: one that kills nodes starts its own.
func (s *Shared) Kafka(tb testing.TB) *Cluster {
	tb.Helper()
	if os.Getenv(kafkaVariable) != "" {
		return Kafka(tb, s.Options)
	}
	own, err := s.kafka.get(func() (*servers.Cluster, error) {
		if s.dir == "" {
			return nil, errNoRun
		}
		return servers.StartKafka(context.Background(), filepath.Join(s.dir, "kafka"), s.Options)
	})
	check(tb, err)
	return watch(tb, own)
}

// Registry is the shared Schema Registry. Tests must not stop it: one that does starts its own.
func (s *Shared) Registry(tb testing.TB) *RegistryServer {
	tb.Helper()
	if os.Getenv(registryVariable) != "" {
		return Registry(tb)
	}
	own, err := s.registry.get(func() (*servers.Registry, error) {
		if s.dir == "" {
			return nil, errNoRun
		}
		return servers.StartRegistry(context.Background(), s.dir)
	})
	check(tb, err)
	return watchRegistry(tb, own)
}

// Pawl is the path of the pawl program, built from this checkout, with the race detector if the
// test has it.
func (s *Shared) Pawl(tb testing.TB) string {
	tb.Helper()
	path, err := s.pawl.get(func() (string, error) {
		if s.dir == "" {
			return "", errNoRun
		}
		return build(s.dir, pawlPackage)
	})
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// once makes a value when it is first asked for, and keeps its error as well.
type once[T any] struct {
	do    sync.Once
	value T
	err   error
}

// get makes the value, or returns what the first call made.
func (o *once[T]) get(make func() (T, error)) (T, error) {
	o.do.Do(func() { o.value, o.err = make() })
	return o.value, o.err
}
