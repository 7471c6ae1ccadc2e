//go:build unix

package integration

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/audit"
	"pawl/integration/harness"
	"pawl/integration/rolling"
	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
)

const (
	rollingTasks     = 6
	rollingCustomers = 60
	rollingPatience  = time.Minute // a bound for what never comes, not a measure
)

// roll is an application of package rolling, whose instances are replaced under load.
type roll struct {
	t        *testing.T
	app      string
	brokers  string
	url      string
	registry schemas.Registry
	source   *verify.Kafka
	client   *kgo.Client
	nodes    []*rollNode
	next     atomic.Bool // producers write the new schema
}

// rollNode is one instance: a name and a folder that stay, and a process that is replaced.
type rollNode struct {
	r         *roll
	name, dir string
	proc      *harness.Proc // nil while it is stopped
}

func newRoll(t *testing.T, names ...string) *roll {
	t.Helper()
	r := &roll{t: t, app: harness.ID(t), brokers: shared.Kafka(t).Bootstrap(),
		url: shared.Registry(t).URL()}
	r.registry = schemas.NewClient(schemas.ClientConfig{URL: r.url})
	var err error
	if r.client, err = kgo.NewClient(kgo.SeedBrokers(r.brokers)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	if r.source, err = verify.NewKafka(r.app, kgo.SeedBrokers(r.brokers)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.source.Close)
	_, err = kadm.NewClient(r.client).CreateTopic(t.Context(), rollingTasks, -1, nil,
		r.topic(rolling.Orders))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		r.nodes = append(r.nodes, &rollNode{r: r, name: name, dir: t.TempDir()})
	}
	return r
}

func (r *roll) topic(name string) string { return r.app + "." + name }

// shop builds the program as one release with one version of the schemas.
func shop(t *testing.T, release, schema string) string {
	t.Helper()
	return harness.Build(t, t.TempDir(), "pawl/integration/rolling/shop", "-ldflags",
		"-X main.release="+release+" -X main.schema="+schema)
}

// start runs a program as this instance, which must say what it is.
func (n *rollNode) start(program, says string) {
	t := n.r.t
	t.Helper()
	n.proc = harness.Start(t, program, harness.ProcOptions{Name: n.name, Args: []string{
		"-brokers", n.r.brokers, "-registry", n.r.url, "-app", n.r.app, "-name", n.name,
		"-dir", n.dir, "-prefix", n.r.topic("")}})
	n.r.until(n.name+" to say "+says, func() bool {
		return strings.Contains(n.proc.Output(), says)
	})
}

// stop ends the instance in order.
func (n *rollNode) stop() {
	n.r.t.Helper()
	if code := n.proc.Stop(); code != 0 {
		n.r.t.Fatalf("%s ended with exit code %d:\n%s", n.name, code, n.proc.Output())
	}
	n.proc = nil
}

var taskLine = regexp.MustCompile(`(?m)^task (\S+) is (\S+)`)

// running are the tasks that the instance's process runs now.
func (n *rollNode) running() []string {
	if n.proc == nil {
		return nil
	}
	last := make(map[string]string)
	for _, m := range taskLine.FindAllStringSubmatch(n.proc.Output(), -1) {
		last[m[1]] = m[2]
	}
	var tasks []string
	for task, state := range last {
		if state == string(processor.TaskRunning) {
			tasks = append(tasks, task)
		}
	}
	return tasks
}

// until waits for what must come, however slow the machine is.
func (r *roll) until(what string, come func() bool) {
	r.t.Helper()
	for began := time.Now(); !come(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > rollingPatience {
			r.t.Fatalf("waited %v for %s", rollingPatience, what)
		}
	}
}

// settled waits until the instances that are up share all tasks, each of which has then processed
// what was there before.
func (r *roll) settled() {
	r.t.Helper()
	r.until("the instances to share the tasks", func() bool {
		tasks := make(map[string]bool)
		for _, n := range r.nodes {
			mine := n.running()
			if n.proc != nil && len(mine) == 0 {
				return false
			}
			for _, task := range mine {
				tasks[task] = true
			}
		}
		return len(tasks) == rollingTasks
	})
	bounds, err := r.source.Bounds(r.t.Context(), r.topic(rolling.Orders))
	if err != nil {
		r.t.Fatal(err)
	}
	r.until("all tasks to move on", func() bool {
		committed, err := r.source.Committed(r.t.Context(), r.topic(rolling.Orders))
		for p := range bounds {
			if err != nil || committed[p] < bounds[p].To {
				return false
			}
		}
		return true
	})
}

// producer writes orders in either version.
type producer struct {
	r      *roll
	before *schemas.Encoder[rolling.OldOrder]
	after  *schemas.Encoder[rolling.Order] // nil before the first that is needed
}

// producer registers the schema that orders begin with. Instances start after that: of several
// first registrations at once this registry makes several versions, and then finds none of them.
func (r *roll) producer() *producer {
	r.t.Helper()
	p := &producer{r: r}
	if _, err := p.value(0); err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (p *producer) register(text string) (int32, error) {
	return p.r.registry.Register(p.r.t.Context(), p.r.topic(rolling.Orders)+"-value", text)
}

// value is the nth order, as the version that is asked for writes it.
func (p *producer) value(n int) ([]byte, error) {
	id, customer, amount := fmt.Sprint("o", n), customerOf(n), int64(n*7919%100_000)
	if p.r.next.Load() {
		if p.after == nil {
			schema, err := p.register(rolling.OrderType().String())
			if err != nil {
				return nil, err
			}
			p.after = schemas.NewEncoder(rolling.OrderType(), schema)
		}
		return p.after.Append(nil, &rolling.Order{ID: id, Customer: customer, Cents: amount,
			At: time.Now(), Channel: "web"})
	}
	if p.before == nil {
		schema, err := p.register(rolling.OldOrderType().String())
		if err != nil {
			return nil, err
		}
		p.before = schemas.NewEncoder(rolling.OldOrderType(), schema)
	}
	return p.before.Append(nil, &rolling.OldOrder{ID: id, Customer: customer, Amount: amount,
		At: time.Now()})
}

func customerOf(n int) string { return fmt.Sprint("customer-", n%rollingCustomers) }

// run sends orders until ctx ends, by all customers in turn.
func (p *producer) run(ctx context.Context) error {
	for n := 0; ctx.Err() == nil; n++ {
		value, err := p.value(n)
		if err != nil {
			return err
		}
		p.r.client.Produce(context.WithoutCancel(ctx), &kgo.Record{
			Topic: p.r.topic(rolling.Orders), Key: []byte(customerOf(n)), Value: value},
			func(_ *kgo.Record, err error) {
				if err != nil {
					p.r.t.Error(err)
				}
			})
		if n%10 == 9 {
			time.Sleep(10 * time.Millisecond) // about 1,000 a second, where the machine keeps up
		}
	}
	return p.r.client.Flush(context.WithoutCancel(ctx))
}

// underLoad does something while orders come in, and returns when all of them are processed and all
// instances have stopped.
func (r *roll) underLoad(do func()) {
	r.t.Helper()
	ctx, end := context.WithCancel(r.t.Context())
	defer end()
	p := r.producer()
	sent := make(chan error, 1)
	go func() { sent <- p.run(ctx) }()
	do()
	end()
	if err := <-sent; err != nil {
		r.t.Fatal(err)
	}
	r.settled()
	for _, n := range r.nodes {
		n.stop()
	}
	lag, err := r.source.Lag(r.t.Context(), r.topic(rolling.Orders))
	if err != nil || lag != 0 {
		r.t.Fatalf("the lag is %d, error %v", lag, err)
	}
}

// audited has the audit find nothing, and no dead letter.
func (r *roll) audited() {
	r.t.Helper()
	report, err := audit.Run(r.t.Context(), audit.Options{ApplicationID: r.app,
		Pipeline: rolling.Next(), TopicPrefix: r.topic(""), Registry: r.registry,
		Kafka: []kgo.Opt{kgo.SeedBrokers(r.brokers)}})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, v := range report.Violations {
		r.t.Error(v)
	}
	for name, account := range report.Inputs {
		if account.Dead != 0 || account.Processed != account.Records || account.Records == 0 {
			r.t.Errorf("%s: %+v", name, account)
		}
	}
	if !report.Complete || report.Live {
		r.t.Errorf("the audit is complete: %v, live: %v, notes %v", report.Complete, report.Live,
			report.Notes)
	}
}

// TestRolling builds the program three times and replaces one build by another.
func TestRolling(t *testing.T) {
	old, same, next := shop(t, "1", "old"), shop(t, "1", "next"), shop(t, "2", "next")
	t.Run("Schema", func(t *testing.T) { rollSchema(t, old, next) })
	t.Run("Code", func(t *testing.T) { rollCode(t, same, next) })
}

// rollSchema replaces three instances one after the other by a version whose event, state and
// result have a field renamed and one more. One goes back and forth, and the producer changes over
// while both versions run. Every receipt and every account must be what the version that made it
// makes of what stood there before, whichever version that was.
func rollSchema(t *testing.T, before, after string) {
	const old, next = "release 1, schema old", "release 2, schema next"
	r := newRoll(t, "a", "b", "c")
	a, b, c := r.nodes[0], r.nodes[1], r.nodes[2]
	r.underLoad(func() {
		for _, n := range r.nodes {
			n.start(before, old)
			r.settled()
		}
		a.stop()
		a.start(after, next)
		r.settled()
		r.next.Store(true)
		r.settled()
		a.stop() // what it wrote goes to those of before
		r.settled()
		a.start(after, next)
		r.settled()
		for _, n := range []*rollNode{b, c} {
			n.stop()
			r.settled()
			n.start(after, next)
			r.settled()
		}
	})
	r.judged()
	r.audited()
}

// rollCode replaces two instances by a later build with the same schemas, one of them after a kill:
// everything must be what one undisturbed pass makes.
func rollCode(t *testing.T, before, after string) {
	const old, next = "release 1, schema next", "release 2, schema next"
	r := newRoll(t, "a", "b")
	r.next.Store(true)
	a, b := r.nodes[0], r.nodes[1]
	r.underLoad(func() {
		for _, n := range r.nodes {
			n.start(before, old)
			r.settled()
		}
		a.stop()
		a.start(after, next)
		r.settled()
		b.proc.Kill9()
		b.start(after, next)
		r.settled()
	})
	r.lawful()
	r.audited()
}
