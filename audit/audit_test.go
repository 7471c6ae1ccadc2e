package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/loadgen"
	"pawl/pipelines/funnel"
	"pawl/processor"
)

// TestHealthyRunIsClean audits a shop while it runs and when it has stopped.
func TestHealthyRunIsClean(t *testing.T) {
	b := ran(t, func(b *bed) {
		r := b.audit(nil)
		if !r.Live {
			t.Error("the live application counts as stopped")
		}
		clean(t, r)
		wantAccounts(t, r)
	})
	var done, total int64
	r := b.audit(func(o *Options) { o.Progress = func(d, n int64) { done, total = d, n } })
	clean(t, r)
	wantAccounts(t, r)
	if r.Live || !r.Complete || len(r.Notes) > 0 {
		t.Errorf("live %v, complete %v, notes %v", r.Live, r.Complete, r.Notes)
	}
	if done == 0 || done != total {
		t.Errorf("progress ended at %d of %d", done, total)
	}
	if r.Claims != 2*partitions || r.Epochs < 3*partitions || r.EpochsSeen != r.Epochs ||
		r.Outputs < 200 || r.StateKeys < 10 {
		t.Errorf("claims %d, epochs %d of %d, outputs %d, state keys %d", r.Claims, r.EpochsSeen,
			r.Epochs, r.Outputs, r.StateKeys)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
}

// wantAccounts expects that every fate was met, and that the accounts add up.
func wantAccounts(t *testing.T, r *Report) {
	t.Helper()
	if len(r.Inputs) != 2*partitions {
		t.Errorf("accounts of %d input partitions", len(r.Inputs))
	}
	for p := range partitions {
		c := r.Inputs[fmt.Sprintf("orders-%d", p)]
		sum := c.Processed + c.Late + c.Dead + c.Deduplicated + c.Filtered + c.Shed
		if c.Offsets != 100 || c.Records != sum || c.Records+c.Gaps != c.Offsets ||
			c.Committed != 100 || c.From != 0 {
			t.Errorf("orders-%d: %+v", p, c)
		}
		if min(c.Processed, c.Late, c.Dead, c.Deduplicated, c.Filtered, c.Shed) == 0 {
			t.Errorf("orders-%d lacks a fate: %+v", p, c)
		}
	}
}

// TestLiveUnderLoad audits again and again while orders come and instances die.
func TestLiveUnderLoad(t *testing.T) {
	b := newBed(t)
	in := b.start("one", nil)
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ms := int64(20_000); ; ms += 1_000 {
			select {
			case <-stop:
				return
			default:
				b.trade(12, ms)
			}
		}
	}()
	b.await("an epoch", func() bool { return b.ends("echo") > 0 })
	for range 5 {
		r := b.audit(nil)
		clean(t, r)
		if !r.Live || r.Epochs == 0 {
			t.Errorf("live %v, %d epochs", r.Live, r.Epochs)
		}
	}
	close(stop)
	<-ended
	b.stop(in)
	clean(t, b.audit(nil))
}

// startedMeanwhile starts a stopped application while it is audited.
func startedMeanwhile(t *testing.T, w *world) {
	w.opened = func(string, int32) { w.live = true }
	a := newAuditor(Options{ApplicationID: app, Pipeline: shop(), Registry: w.registry}, w)
	if r, err := a.run(t.Context()); err == nil {
		t.Errorf("no error, but %+v", r)
	} else {
		t.Log(err)
	}
}

// TestOpenTransaction leaves one of the application's transactions open.
func TestOpenTransaction(t *testing.T) {
	b := ran(t, nil)
	cl, err := kgo.NewClient(append(b.opts, kgo.TransactionalID(app+"-one"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	err = cl.ProduceSync(t.Context(), &kgo.Record{Topic: "echo", Value: []byte("x")}).FirstErr()
	if err != nil {
		t.Fatal(err)
	}
	k, err := newKafka(app, b.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	a := newAuditor(Options{ApplicationID: app, Pipeline: shop(), Registry: b.registry}, k)
	a.grace = 100 * time.Millisecond
	r, err := a.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Counts[OpenTransaction] != 2 || r.Total() != 2 {
		t.Errorf("want the transaction and what it holds back, have %v", r.Violations)
	}
	if err := cl.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}
	clean(t, b.audit(nil))
}

// TestCompaction audits what is left of a changelog.
func TestCompaction(t *testing.T) {
	b := ran(t, nil)
	whole := b.audit(nil)
	b.kafka.Compact()
	r := b.audit(nil)
	clean(t, r)
	if r.Complete || r.EpochsSeen >= whole.EpochsSeen || r.Epochs != whole.Epochs ||
		r.StateKeys != whole.StateKeys {
		t.Errorf("complete %v, %d epochs seen of %d, %d state keys of %d; before %+v", r.Complete,
			r.EpochsSeen, r.Epochs, r.StateKeys, whole.StateKeys, whole)
	}
	in := b.start("one", nil)
	b.trade(20, 60_000)
	b.drained(app, "orders", "rates")
	b.stop(in)
	clean(t, b.audit(nil))
}

// TestManyKeys folds the state in shares.
func TestManyKeys(t *testing.T) {
	b := ran(t, nil)
	k, err := newKafka(app, b.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	want := b.audit(nil).StateKeys
	a := newAuditor(Options{ApplicationID: app, Pipeline: shop(), Registry: b.registry}, k)
	a.maxKeys = 3
	r, err := a.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clean(t, r)
	if r.StateKeys != want {
		t.Errorf("%d state keys, want %d", r.StateKeys, want)
	}
}

// TestNeverRan says that there is nothing to audit.
func TestNeverRan(t *testing.T) {
	b := newBed(t)
	_, err := Run(t.Context(), Options{ApplicationID: app, Pipeline: shop(), Kafka: b.opts,
		Registry: b.registry})
	if err == nil {
		t.Fatal("no error")
	}
	t.Log(err)
}

// TestCrashedFunnel audits a pipeline of two streams, with sessions and joins, whose instances die
// under load: while they do, and in the end.
func TestCrashedFunnel(t *testing.T) {
	b := newBed(t)
	topics := []string{funnel.UserEvents, funnel.AdClicks}
	if _, err := kadm.NewClient(b.client).CreateTopics(t.Context(), 3, 1, nil,
		topics...); err != nil {
		t.Fatal(err)
	}
	const group = "funnel-app"
	start := func(name string) *processor.Instance {
		in, err := processor.Start(t.Context(), processor.Config{ApplicationID: group,
			InstanceID: name, Brokers: b.kafka.ListenAddrs(), Registry: b.registry,
			StateDir: b.dir + "/" + name, TransactionTimeout: 2 * time.Second,
			CommitLinger: 20 * time.Millisecond}, funnel.New(funnel.Config{}))
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	audit := func() *Report {
		return b.audit(func(o *Options) {
			o.ApplicationID, o.Pipeline = group, funnel.New(funnel.Config{})
		})
	}
	one, two := start("one"), start("two")
	ctx, stop := context.WithCancel(t.Context())
	loaded := make(chan error, 1)
	go func() {
		_, err := loadgen.Run(ctx, loadgen.Config{Registry: b.registry, Rate: 500,
			Options: append(slices.Clone(b.opts),
				kgo.ProducerBatchCompression(kgo.NoCompression())),
			Generator: funnel.NewGenerator(funnel.LoadConfig{Users: 50, Rate: 1, Late: 0.02,
				Poison: 0.02, Start: time.Now().Add(-24 * time.Hour)})})
		loaded <- err
	}()
	for round := range int64(4) {
		b.await("the load", func() bool { return b.ends(funnel.UserEvents) > 300*(round+1) })
		clean(t, audit())
		one.Crash()
		one = start("one")
		clean(t, audit())
	}
	stop()
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	b.drained(group, topics...)
	r := audit()
	clean(t, r)
	if !r.Live {
		t.Error("it counts as stopped")
	}
	b.stop(one)
	b.stop(two)
	r = audit()
	clean(t, r)
	if r.Live || !r.Complete || r.Claims < 5 || r.Outputs < 20 {
		t.Errorf("live %v, complete %v, %d claims, %d outputs, notes %v", r.Live, r.Complete,
			r.Claims, r.Outputs, r.Notes)
	}
	t.Logf("%d epochs, %d claims, %d outputs: %v", r.Epochs, r.Claims, r.Outputs, r.Inputs)
}

// TestWithoutProvenance only counts outputs that do not name what led to them.
func TestWithoutProvenance(t *testing.T) {
	b := newBed(t)
	b.trade(20, 20_000)
	in := b.start("one", func(cfg *processor.Config) { cfg.NoProvenance = true })
	b.drained(app, "orders", "rates")
	b.stop(in)
	r := b.audit(func(o *Options) { o.NoProvenance = true })
	clean(t, r)
	if r.Outputs < 20 || r.Complete {
		t.Errorf("%d outputs, complete %v", r.Outputs, r.Complete)
	}
	if r := b.audit(nil); r.Counts[OutputUnaccounted] < 20 {
		t.Errorf("with the header expected, it finds %v", r.Counts)
	}
}
