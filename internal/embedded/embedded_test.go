package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"pawl/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, cfg Config) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// produce writes n records to topic in one transaction.
func produce(t *testing.T, addr, topic string, n int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.TransactionalID("t"),
		kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		cl.Produce(t.Context(), &kgo.Record{Value: fmt.Appendf(nil, "v%d", i),
			Timestamp: time.UnixMilli(1_000_000)}, nil)
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
}

// consume reads n records of topic, committed ones only.
func consume(t *testing.T, addr, topic string, n int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var got []string
	for len(got) < n {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%v after %d of %d records", err, len(got), n)
		}
		fetches.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	if got[0] != "v0" || got[n-1] != fmt.Sprintf("v%d", n-1) {
		t.Errorf("read %v", got)
	}
}

func createTopic(t *testing.T, addr, topic string) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreateTopic(t.Context(), 1, 1, nil, topic)
	if err != nil {
		t.Fatal(err)
	}
}

func TestBroker(t *testing.T) {
	c := start(t, Config{})
	createTopic(t, c.Addr(), "a")
	produce(t, c.Addr(), "a", 5)
	c.Kafka().ApplyRetention() // the records' event time is in 1970
	consume(t, c.Addr(), "a", 5)

	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	topics, err := kadm.NewClient(cl).ListTopics(t.Context(), "missing")
	if err != nil || !errors.Is(topics["missing"].Err, kerr.UnknownTopicOrPartition) {
		t.Errorf("a missing topic was made or found: %+v, %v", topics, err)
	}
	versions, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), cl)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range versions.FinalizedFeatures {
		if f.Name == "transaction.version" && f.MaxVersionLevel >= 2 {
			return
		}
	}
	t.Errorf("transactions v2 are not on: %+v", versions.FinalizedFeatures)
}

func TestRestartKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	first := start(t, Config{DataDir: dir})
	createTopic(t, first.Addr(), "a")
	produce(t, first.Addr(), "a", 3)
	reg := schemas.NewClient(schemas.ClientConfig{URL: first.RegistryURL()})
	id, err := reg.Register(t.Context(), "a-value", `"string"`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Config{DataDir: dir}); err == nil ||
		!strings.Contains(err.Error(), "used by process") {
		t.Errorf("a second cluster on the same directory: %v", err)
	}
	first.Close()
	first.Close() // does nothing

	second := start(t, Config{DataDir: dir})
	consume(t, second.Addr(), "a", 3)
	reg = schemas.NewClient(schemas.ClientConfig{URL: second.RegistryURL()})
	if again, err := reg.Lookup(t.Context(), "a-value", `"string"`); err != nil || again != id {
		t.Errorf("after the restart the schema has id %d, %v; before, %d", again, err, id)
	}
	if next, err := reg.Register(t.Context(), "b-value", `"long"`); err != nil || next == id {
		t.Errorf("a new schema has id %d, %v, which was given before", next, err)
	}
}

const (
	withInt    = `{"type":"record","name":"a.R","fields":[{"name":"x","type":"int"}]}`
	withLong   = `{"type":"record","name":"a.R","fields":[{"name":"x","type":"long"}]}`
	withString = `{"type":"record","name":"a.R","fields":[{"name":"x","type":"string"}]}`
)

func TestRegistryThroughClient(t *testing.T) {
	c := start(t, Config{})
	reg := schemas.NewClient(schemas.ClientConfig{URL: c.RegistryURL() + "/"})
	ctx := t.Context()
	if _, err := reg.Lookup(ctx, "s/1", withInt); !errors.Is(err, schemas.ErrNotFound) {
		t.Errorf("look-up before: %v", err)
	}
	id, err := reg.Register(ctx, "s/1", withInt)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := reg.Register(ctx, "s/1", "\n"+withInt); err != nil || again != id {
		t.Errorf("registered again: %d, %v; first %d", again, err, id)
	}
	if found, err := reg.Lookup(ctx, "s/1", withInt); err != nil || found != id {
		t.Errorf("look-up: %d, %v", found, err)
	}
	if text, err := reg.Schema(ctx, id); err != nil || !strings.Contains(text, "a.R") {
		t.Errorf("schema: %s, %v", text, err)
	}
	if next, err := reg.Register(ctx, "s/1", withLong); err != nil || next == id {
		t.Errorf("compatible schema: %d, %v", next, err)
	}
	var refused *schemas.IncompatibleError
	_, err = reg.Register(ctx, "s/1", withString)
	if !errors.As(err, &refused) || refused.Subject != "s/1" ||
		!strings.Contains(refused.Reason, "x: ") {
		t.Errorf("incompatible schema: %v", err)
	}
	if _, err := reg.Schema(ctx, 99); !errors.Is(err, schemas.ErrNotFound) {
		t.Errorf("unknown id: %v", err)
	}
	if _, err := reg.Register(ctx, "s/2", `{"type":"recrd"}`); err == nil ||
		!strings.Contains(err.Error(), "422") {
		t.Errorf("no schema at all: %v", err)
	}
}

func TestRegistryDownAndSlow(t *testing.T) {
	c := start(t, Config{})
	c.Close()
	cfg := schemas.ClientConfig{URL: c.RegistryURL(), Attempts: 2, Backoff: time.Millisecond}
	if _, err := schemas.NewClient(cfg).Schema(t.Context(), 1); err == nil ||
		errors.Is(err, schemas.ErrNotFound) {
		t.Errorf("registry down: %v", err)
	}
	release := make(chan struct{})
	hang := func(http.ResponseWriter, *http.Request) { <-release }
	slow := httptest.NewServer(http.HandlerFunc(hang))
	defer slow.Close()
	defer close(release)
	cfg.URL, cfg.Timeout = slow.URL, 30*time.Millisecond
	begun := time.Now()
	_, err := schemas.NewClient(cfg).Schema(t.Context(), 1)
	if err == nil || errors.Is(err, schemas.ErrNotFound) || !strings.Contains(err.Error(), "30ms") {
		t.Errorf("slow registry: %v", err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("slow registry held the caller for %v", took)
	}
}
