package processor_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/processor"
	"pawl/schemas"
)

func stamp(ms int64) time.Time { return time.UnixMilli(ms) }

// TestGlobalTableIsExact runs two instances over four tasks and a global topic of three partitions,
// while prices change: epochs are aborted, one instance crashes and comes back, the other leaves
// and loses its disk. Every output, every task's copy of the table and every count must be what the
// model says, in the order that the logs and the ticks give.
func TestGlobalTableIsExact(t *testing.T) {
	t.Parallel()
	const tasks = 4
	g := newPricing(t, tasks, 3)
	b := g.b
	g.run(300)
	a := b.start("a", priced(nil))
	g.run(300)
	other := b.start("b", priced(nil))
	b.fault(kmsg.TxnOffsetCommit, kerr.UnknownServerError, 2)
	for range 4 {
		g.run(150)
		time.Sleep(50 * time.Millisecond) // epochs in which there is little
	}
	a.Crash()
	g.run(300)
	a = b.start("a", priced(nil))
	for range 3 {
		g.run(100)
		time.Sleep(50 * time.Millisecond)
	}
	b.drained("in")
	stop(t, other) // its tasks move to a, which has none of their state
	g.run(300)
	b.drained("in")
	b.read(0, 1, 2, 3)
	stop(t, a)
	r := b.verified()
	if r.RecordsOut != int64(g.sent["in"]) {
		t.Errorf("%d outputs of %d events", r.RecordsOut, g.sent["in"])
	}
	if r.RecordsIn != int64(g.sent["in"]+tasks*g.sent["prices"]) {
		t.Errorf("%d records taken, want each event once and each price once a task", r.RecordsIn)
	}
	if n := len(b.records("app-dlq")); n != g.bad || r.Unprocessed != 0 {
		t.Errorf("%d dead letters of %d bad prices, %d unprocessed", n, g.bad, r.Unprocessed)
	}
	for p := range int32(3) {
		if at := b.committed("prices", p); at != -1 {
			t.Errorf("the group has an offset of prices-%d: %d", p, at)
		}
	}
	in := b.start("c", priced(nil)) // all tasks move once more, and go on where they stood
	g.run(100)
	b.drained("in")
	b.read(0, 1, 2, 3)
	stop(t, in)
	b.verified()
}

// TestGlobalTableGoesOnBesideAStuckTask blocks a handler of one task while the global topic is
// given many times what a task's queue holds. The other task must see all of it, and the blocked
// one in the end, too.
func TestGlobalTableGoesOnBesideAStuckTask(t *testing.T) {
	t.Parallel()
	g := newPricing(t, 2, 3)
	b := g.b
	stuck, free := make(chan struct{}), make(chan struct{})
	defer func() {
		select {
		case <-free:
		default:
			close(free)
		}
	}()
	cfg := b.config("a")
	cfg.MemoryMax = 32 << 20
	first := true
	in := b.startWith(cfg, priced(func(ctx *processor.Context) {
		if ctx.Partition() == 0 && first {
			first = false
			close(stuck)
			<-free
		}
	}))
	send := func(partition int32, at, n int64) {
		b.put(&kgo.Record{Topic: "in", Partition: partition, Key: fmt.Append(nil, "k", partition),
			Value:     g.value("in", event{Key: fmt.Sprint("k", partition), N: n}),
			Timestamp: stamp(noon + at)})
	}
	send(0, 0, 1)
	<-stuck
	pad := strings.Repeat("x", 3000)
	for round := range int64(8) {
		var recs []*kgo.Record
		for i := range int64(1000) {
			recs = append(recs, &kgo.Record{Topic: "prices", Partition: int32(i % 3),
				Key: fmt.Append(nil, i%30), Timestamp: stamp(noon + 100*round + i%50),
				Value: g.value("prices", event{pad, 1000*round + i})})
		}
		b.put(recs...)
		send(1, 100*round+99, 29)
		send(0, 100*round+99, 29)
	}
	b.read(1)
	waitFor(t, "the task that is not stuck", func() bool { return b.committed("in", 1) == 8 })
	close(free)
	b.drained("in")
	b.read(0, 1)
	stop(t, in)
	b.verified()
}

// TestGlobalTopicIsCreated makes a compacted topic of one partition where there is none.
func TestGlobalTopicIsCreated(t *testing.T) {
	t.Parallel()
	b := newBed(t, 3)
	cfg := b.config("a")
	cfg.KeepTopics = true
	_, err := processor.Start(t.Context(), cfg, priced(nil))
	if err == nil || !strings.Contains(err.Error(), "prices does not exist and topics.create is "+
		"false; create it with 1 partitions") {
		t.Errorf("without topics.create: %v", err)
	}
	in := b.start("a", priced(nil))
	b.produce(30, 3)
	b.drained("in")
	stop(t, in)
	topics, err := b.adm.ListTopics(t.Context(), "prices")
	if err != nil || len(topics["prices"].Partitions) != 1 {
		t.Errorf("%v, %v", topics, err)
	}
	configs, err := b.adm.DescribeTopicConfigs(t.Context(), "prices")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "cleanup.policy" && c.MaybeValue() != "compact" {
			t.Errorf("cleanup.policy is %s", c.MaybeValue())
		}
	}
	b.verified()
}

// TestGlobalProofRefuses changes the global topic behind a stopped instance's back.
func TestGlobalProofRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []tampered{
		{"partitions added", func(b *bed) {
			if _, err := b.adm.UpdatePartitions(b.t.Context(), 3, "prices"); err != nil {
				b.t.Fatal(err)
			}
		}, []string{"global topic prices has 3 partitions", "built with 2", "new application.id"}},
		{"made again", func(b *bed) {
			b.drop("prices")
			b.topic("prices", 2, nil)
		}, []string{"input prices-0", "topic id", "bring the input topic back"}},
		{"truncated past the position", func(b *bed) {
			g := pricingOf(b)
			g.n = 1000
			g.run(60)
			o := kadm.Offsets{}
			for p := range int32(2) {
				o.Add(kadm.Offset{Topic: "prices", Partition: p, At: -1})
			}
			if _, err := b.adm.DeleteRecords(b.t.Context(), o); err != nil {
				b.t.Fatal(err)
			}
		}, []string{"of prices-0, but the log begins at", "bring the input topic back"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			g := newPricing(t, 1, 2)
			b := g.b
			in := b.start("a", priced(nil))
			g.run(60)
			b.drained("in")
			b.read(0)
			stop(t, in)
			c.act(b)
			in, err := processor.Start(t.Context(), b.config("a"), priced(nil))
			if err == nil {
				t.Cleanup(in.Crash)
				err = failed(t, in)
			}
			mustSay(t, err, c.says...)
		})
	}
}

// TestGrowingGlobalTopicStops gives the global topic partitions that nobody would read.
func TestGrowingGlobalTopicStops(t *testing.T) {
	t.Parallel()
	g := newPricing(t, 2, 2)
	b := g.b
	cfg := b.config("a")
	cfg.WatchEvery(20 * time.Millisecond)
	in := b.startWith(cfg, priced(nil))
	g.run(60)
	b.drained("in")
	if _, err := b.adm.UpdatePartitions(t.Context(), 3, "prices"); err != nil {
		t.Fatal(err)
	}
	err := failed(t, in)
	mustSay(t, err, "counting-0", "counting-1", "global topic prices has 3 partitions",
		"built with 2", "new application.id")
}

// TestGlobalFaults lists what Validate finds.
func TestGlobalFaults(t *testing.T) {
	typ := schemas.Avro[event](eventSchema)
	handle := func(*processor.Context, event) error { return nil }
	p := processor.New("p")
	processor.GlobalTableInput(p, "twice", typ)
	processor.GlobalTableInput(p, "twice", typ)
	processor.GlobalTableInput(p, "both", typ)
	processor.TableInput(p, "own", typ)
	processor.GlobalTableInput(p, "own", typ)
	processor.GlobalTableInput(p, "no name", typ)
	err := p.Validate()
	mustSay(t, err, `input "twice" is declared twice`, `table "twice" is declared twice`,
		`input "own" is declared twice`, `input "no name": name`, "no input; add processor.Input")
	if strings.Contains(err.Error(), `input "both" is declared`) {
		t.Errorf("both is declared once: %v", err)
	}
	processor.Input(p, "both", typ, handle)
	mustSay(t, p.Validate(), `input "both" is declared twice`)
}

// TestGlobalStatus has every task say how far it is on every partition.
func TestGlobalStatus(t *testing.T) {
	t.Parallel()
	g := newPricing(t, 2, 3)
	b := g.b
	in := b.start("a", priced(nil))
	g.run(300)
	b.drained("in")
	b.read(0, 1)
	st := in.Status()
	for _, task := range st.Tasks {
		var text bytes.Buffer
		for _, s := range task.Inputs {
			if s.Offset != s.End {
				t.Errorf("%s: %+v has lag", task.Name, s)
			}
			fmt.Fprintf(&text, "%s-%d ", s.Topic, s.Partition)
		}
		want := "prices-0 prices-1 prices-2 in-" + task.Name[len("counting-"):] + " "
		if text.String() != want {
			t.Errorf("%s reads %q, want %q", task.Name, text.String(), want)
		}
	}
	stop(t, in)
	var refused *processor.RefusedError
	if errors.As(in.Wait(), &refused) {
		t.Error(refused)
	}
}

// TestIdleTickBesideGlobalTable closes a window by an idle tick, of a task that reads a global
// topic whose partitions end at different offsets. The tick counts as the input after the last.
func TestIdleTickBesideGlobalTable(t *testing.T) {
	t.Parallel()
	g := newPricing(t, 1, 3)
	b := g.b
	for i := range 5 {
		for p := range min(i, 3) {
			b.put(&kgo.Record{Topic: "prices", Partition: int32(p), Key: fmt.Append(nil, i, p),
				Value: g.value("prices", event{N: 1}), Timestamp: stamp(noon)})
		}
	}
	b.put(&kgo.Record{Topic: "in", Key: []byte("a"), Value: g.value("in", event{Key: "a", N: 1}),
		Timestamp: stamp(noon)})
	p := windowed()
	processor.GlobalTableInput(p, "prices", schemas.Avro[event](eventSchema))
	cfg := b.config("a")
	cfg.IdleTimeout, cfg.MaxOutOfOrderness = 300*time.Millisecond, -1
	in := b.startWith(cfg, p)
	waitFor(t, "the window to close", func() bool { return len(b.records("out")) == 1 })
	if src := header(b.records("out")[0], "pawl.src"); src != "\x02\x00\x03\x00" {
		t.Errorf("the result names %q as its cause", src)
	}
	stop(t, in)
}
