package processor_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pawl/processor"
	"pawl/schemas"
	"pawl/statestore"
)

// mustSay checks that an error names all that its reader needs to mend it.
func mustSay(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
}

// joined is the counting pipeline's input beside a table of limits.
func joined(handle func(*processor.Context, event, event)) *processor.Pipeline {
	p := processor.New("counting")
	typ := schemas.Avro[event](eventSchema)
	out := processor.Output(p, "out", typ)
	_, limits := processor.TableInput(p, "limits", typ)
	processor.Input(p, "in", typ, func(ctx *processor.Context, e event) error {
		l, _ := limits.Get(ctx)
		handle(ctx, e, l)
		out.Emit(ctx, e.Key, event{e.Key, l.N})
		return nil
	})
	return p
}

// refusal is a fault that Start must find, and what it must say of it.
type refusal struct {
	name  string
	spoil func(b *bed, cfg *processor.Config)
	pipe  *processor.Pipeline // nil for the counting one
	final bool                // a StartError: not retried
	says  []string
}

func refusals() []refusal {
	return []refusal{
		{name: "missing input", final: true, says: []string{"input topic in ", "create"},
			spoil: func(b *bed, _ *processor.Config) { b.drop("in") }},
		{name: "inputs differ in partitions", final: true, pipe: joined(nil),
			says:  []string{"topic limits has 3 partitions", "the input has 2", "make"},
			spoil: func(b *bed, _ *processor.Config) { b.topic("limits", 3, nil) }},
		{name: "dlq too narrow", final: true,
			says:  []string{"topic app-dlq has 1 partitions", "2 tasks", "add partitions"},
			spoil: func(b *bed, _ *processor.Config) { b.topic("app-dlq", 1, nil) }},
		{name: "no topics may be made", final: true,
			says: []string{"topic app-dlq ", "topic out ", "topic " + changelog, "topics.create",
				"create it with 2 partitions"},
			spoil: func(_ *bed, cfg *processor.Config) { cfg.KeepTopics = true }},
		{name: "broker unreachable", says: []string{"127.0.0.1:1", "startup.timeout", "check"},
			spoil: func(_ *bed, cfg *processor.Config) { cfg.Brokers = []string{"127.0.0.1:1"} }},
		{name: "registry unreachable",
			says: []string{"http://127.0.0.1:1", "startup.timeout", "check"},
			spoil: func(_ *bed, cfg *processor.Config) {
				cfg.Registry = schemas.NewClient(schemas.ClientConfig{URL: "http://127.0.0.1:1"})
			}},
		{name: "schemas not registered", final: true,
			says:  []string{"in-value", "auto.register.schemas", "pawl schemas register"},
			spoil: func(_ *bed, cfg *processor.Config) { cfg.ReadOnlyRegistry = true }},
		{name: "schema incompatible", final: true, says: []string{"out-value", "incompatible", "n"},
			spoil: func(b *bed, _ *processor.Config) {
				text := strings.Replace(eventSchema, `"long"`, `"string"`, 1)
				if _, err := b.registry.Register(b.t.Context(), "out-value", text); err != nil {
					b.t.Fatal(err)
				}
			}},
		{name: "state directory held", final: true,
			says: []string{"/state/app", fmt.Sprintf("process %d", os.Getpid()), "state.dir"},
			spoil: func(b *bed, cfg *processor.Config) {
				cfg.StateDir = filepath.Join(b.dir, "state")
				lock, err := statestore.Acquire(filepath.Join(cfg.StateDir, "app"))
				if err != nil {
					b.t.Fatal(err)
				}
				b.t.Cleanup(func() { _ = lock.Release() })
			}},
		{name: "state directory not writable", final: true,
			says: []string{"/file", "not a directory", "writable state.dir"},
			spoil: func(b *bed, cfg *processor.Config) {
				cfg.StateDir = filepath.Join(b.dir, "file")
				if err := os.WriteFile(cfg.StateDir, nil, 0o600); err != nil {
					b.t.Fatal(err)
				}
			}},
		{name: "settings", final: true,
			says: []string{"application.id=a/b", "bootstrap.servers=nowhere", "commit.interval=1h",
				"compression.type=rar", "pipeline counting", "declared twice"},
			pipe: twice(),
			spoil: func(_ *bed, cfg *processor.Config) {
				cfg.ApplicationID, cfg.Brokers = "a/b", []string{"nowhere"}
				cfg.CommitInterval, cfg.Compression = time.Hour, "rar"
			}},
	}
}

func twice() *processor.Pipeline {
	p := counting(nil)
	processor.Output(p, "out", schemas.Avro[event](eventSchema))
	return p
}

func (b *bed) drop(topic string) {
	b.t.Helper()
	if _, err := b.adm.DeleteTopics(b.t.Context(), topic); err != nil {
		b.t.Fatal(err)
	}
}

// TestStartRefuses starts on every fault that can be found before the first record. None of them
// may leave anything running (TestMain) or held.
func TestStartRefuses(t *testing.T) {
	t.Parallel()
	for _, r := range refusals() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 2)
			cfg := b.config("a")
			cfg.StartupTimeout = 2 * time.Second
			r.spoil(b, &cfg)
			pipe := r.pipe
			if pipe == nil {
				pipe = counting(nil)
			}
			in, err := processor.Start(t.Context(), cfg, pipe)
			if err == nil {
				in.Crash()
			}
			mustSay(t, err, r.says...)
			var final *processor.StartError
			if errors.As(err, &final) != r.final {
				t.Errorf("a StartError: %v, want %v: %v", !r.final, r.final, err)
			}
			if r.name == "state directory held" {
				return
			}
			if lock, err := statestore.Acquire(filepath.Join(b.dir, "a", "app")); err != nil {
				t.Errorf("the failed start still holds its state directory: %v", err)
			} else if err := lock.Release(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPlanMakesNothing checks that the dry run tells what is needed and leaves the cluster alone.
func TestPlanMakesNothing(t *testing.T) {
	t.Parallel()
	b := newBed(t, 3)
	plans, err := processor.Plan(t.Context(), b.config("a"), counting(nil))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, p := range plans {
		got[p.Name] = fmt.Sprintf("%s %d %v %s", p.Kind, p.Partitions, p.Exists, p.Fault)
	}
	for name, want := range map[string]string{"in": "input 3 true ", "out": "output 3 false ",
		"app-dlq": "dlq 3 false ", "app-ticks": "ticks 3 false ", changelog: "changelog 3 false "} {
		if got[name] != want {
			t.Errorf("plan of %s: %q, want %q", name, got[name], want)
		}
	}
	topics, err := b.adm.ListTopics(t.Context())
	if err != nil || len(topics) != 1 {
		t.Errorf("topics after the dry run: %v, %v", topics.Names(), err)
	}
}

// TestRunStoppedWhileStarting: to end before the start is done is a graceful stop like any other.
func TestRunStoppedWhileStarting(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cfg := processor.Config{ApplicationID: "app", Brokers: []string{"127.0.0.1:1"},
		Registry: schemas.NewMemory(), StateDir: t.TempDir(), StartupTimeout: time.Hour,
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			cancel()
			return nil, errors.New("out of reach")
		}}
	if err := processor.Run(ctx, cfg, counting(nil)); err != nil {
		t.Errorf("stopped with %v", err)
	}
}
