//go:build unix

package integration

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/audit"
	"pawl/pipelines/fraud"
)

// audit audits the stage's application; it must be clean.
func (s *stage) audit() *audit.Report {
	s.t.Helper()
	r, err := audit.Run(s.t.Context(), audit.Options{ApplicationID: s.app,
		Pipeline: fraud.New(fraud.Config{}), TopicPrefix: s.prefix(),
		Kafka: []kgo.Opt{kgo.SeedBrokers(s.brokers)}, Registry: s.registry})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, v := range r.Violations {
		s.t.Error(v)
	}
	return r
}

// TestAuditOfKilledInstances kills an instance of two under load, audits what goes on meanwhile,
// and then what is left.
func TestAuditOfKilledInstances(t *testing.T) {
	s := newStage(t, shared.Kafka(t), shared.Registry(t), 4)
	one, two := s.node("one"), s.node("two")
	began := time.Now()
	one.start()
	two.start()
	ctx, endLoad := context.WithCancel(t.Context())
	defer endLoad()
	loaded := make(chan error, 1)
	go func() {
		_, err := s.load(ctx, 2_000, 5)
		loaded <- err
	}()
	one.await(began)
	two.await(began)
	for range 2 {
		if r := s.audit(); !r.Live || r.Epochs == 0 || r.Outputs == 0 {
			t.Errorf("live %v, %d epochs, %d outputs", r.Live, r.Epochs, r.Outputs)
		}
		one.proc.Kill9()
		killed := time.Now()
		one.start()
		one.await(killed)
	}
	endLoad()
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	s.drained(time.Minute)
	for _, n := range []*node{one, two} {
		if code := n.proc.Stop(); code != 0 {
			t.Fatalf("%s ended with exit code %d", n.name, code)
		}
	}
	r := s.audit()
	if r.Live || !r.Complete || r.Epochs == 0 || r.Claims < 6 {
		t.Errorf("live %v, complete %v, %d epochs, %d claims, notes %v", r.Live, r.Complete,
			r.Epochs, r.Claims, r.Notes)
	}
	t.Logf("%d epochs, %d claims, %d outputs, %d state keys: %v", r.Epochs, r.Claims, r.Outputs,
		r.StateKeys, r.Inputs)
	s.check()
}
