package processor_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas"
)

// within receives from a channel that something comes from soon.
func within[V any](t *testing.T, from <-chan V, what string) V {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatalf("timed out waiting for %s", what)
		panic("unreachable")
	}
}

// TestInterruptedRestoreGoesOn ends a restore in its middle: the next one reads only what is
// missing, and the state is whole.
func TestInterruptedRestoreGoesOn(t *testing.T) {
	t.Parallel()
	const keys = 2500 // of changelog records that take 8 KB: with 8 MiB a run, three runs
	b := newBed(t, 1)
	long := func(i int) string { return fmt.Sprintf("%d-%s", i, strings.Repeat("x", 4000)) }
	ask := func(keys int) {
		var recs []*kgo.Record
		for i := range keys {
			key := long(i)
			recs = append(recs, &kgo.Record{Topic: "in", Key: []byte(key),
				Value: b.value(event{Key: key, N: 1})})
		}
		if err := b.client.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	cfg := b.config("a")
	cfg.MemoryMax = 32 << 20
	in := b.startWith(cfg, counting(nil))
	ask(keys)
	b.outputs(keys)
	b.drained("in")
	stop(t, in)
	if err := os.RemoveAll(cfg.StateDir); err != nil {
		t.Fatal(err)
	}

	var once sync.Once
	passed, reached, release := 0, make(chan struct{}), make(chan struct{})
	cut := cfg
	cut.Point = func(name string) {
		if name != "restoring" {
			return
		}
		if passed++; passed == 2 {
			once.Do(func() { close(reached) })
			<-release
		}
	}
	in = b.startWith(cut, counting(nil))
	within(t, reached, "a second run of the restore")
	go close(release)
	in.Crash()

	restored := make(chan processor.RestoreInfo, 1)
	cfg.Listeners = append(cfg.Listeners, processor.Listener{
		Restore: func(i processor.RestoreInfo) {
			if i.Done {
				restored <- i
			}
		}})
	in = b.startWith(cfg, counting(nil))
	info := within(t, restored, "the second restore")
	if !info.FromLocalDisk || info.Records >= keys*3/4 || info.Records == 0 {
		t.Errorf("of %d records the second restore read %+v; a run should have been kept", keys,
			info)
	}
	ask(100)
	b.outputs(keys + 100)
	b.drained("in")
	b.ledger(0)
	stop(t, in)
	if n := b.localKeys("a", 0); n != keys {
		t.Errorf("the store has %d keys, want %d", n, keys)
	}
}

// asked counts what a registry is asked for. A lookup waits a moment for others to come.
type asked struct {
	schemas.Registry
	registered, lookups atomic.Int32
	together            atomic.Int32 // lookups that met another
	here                chan struct{}
}

// Register implements schemas.Registry.
func (a *asked) Register(ctx context.Context, subject, text string) (int32, error) {
	a.registered.Add(1)
	return a.Registry.Register(ctx, subject, text)
}

// Lookup implements schemas.Registry.
func (a *asked) Lookup(ctx context.Context, subject, text string) (int32, error) {
	a.lookups.Add(1)
	select {
	case a.here <- struct{}{}:
		a.together.Add(1)
	case <-a.here:
		a.together.Add(1)
	case <-time.After(time.Second):
	}
	return a.Registry.Lookup(ctx, subject, text)
}

// TestRestartAsksTheRegistryAtOnce: the first start registers what it does not find, the next one
// finds it all, and asks for several subjects at a time.
func TestRestartAsksTheRegistryAtOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	const subjects = 6 // input, output, table, position, claim, tick
	for _, registers := range []int32{subjects, 0} {
		reg := &asked{Registry: b.registry, here: make(chan struct{})}
		cfg := b.config("a")
		cfg.Registry = reg
		stop(t, b.startWith(cfg, counting(nil)))
		if n := reg.registered.Load(); n != registers {
			t.Errorf("%d subjects are registered, want %d", n, registers)
		}
		if n, met := reg.lookups.Load(), reg.together.Load(); n != subjects || met < subjects/2 {
			t.Errorf("%d lookups, of which %d met another", n, met)
		}
	}
}
