package replay

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
	_ "gocloud.dev/blob/s3blob"

	"pawl/audit"
	"pawl/checkpoint"
	"pawl/internal/embedded"
	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	partitions = 2
	patient    = time.Minute
)

// rig is an application on a cluster in the process, with instances that crash.
type rig struct {
	t        *testing.T
	app      string
	addr     []string
	registry schemas.Registry
	build    func() *processor.Pipeline
	settings processor.Config // what bears on records
	dir      string
	store    checkpoint.Target
	source   *verify.Kafka
	adm      *kadm.Client
	chance   *rand.Rand
}

func newRig(t *testing.T, build func() *processor.Pipeline, settings processor.Config) *rig {
	t.Helper()
	cluster, err := embedded.Start(t.Context(), embedded.Config{SessionTimeoutMin: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	registry := schemas.NewClient(schemas.ClientConfig{URL: cluster.RegistryURL()})
	return rigOn(t, "rig", []string{cluster.Addr()}, registry, build, settings)
}

// keepIn has the checkpoints in the storage at url, instead of in memory.
func (r *rig) keepIn(url string) {
	r.t.Helper()
	target, err := checkpoint.Open(r.t.Context(), url)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := target.Close(); err != nil {
			r.t.Error(err)
		}
	})
	r.store = target
}

func rigOn(t *testing.T, app string, addr []string, registry schemas.Registry,
	build func() *processor.Pipeline, settings processor.Config) *rig {
	t.Helper()
	r := &rig{t: t, app: app, addr: addr, registry: registry, build: build, settings: settings,
		dir: t.TempDir(), store: checkpoint.NewMemory(), chance: rand.New(rand.NewPCG(3, 3))}
	var err error
	if r.source, err = verify.NewKafka(app, kgo.SeedBrokers(addr...)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.source.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	r.adm = kadm.NewClient(cl)
	for _, name := range r.inputs() {
		if _, err := r.adm.CreateTopic(t.Context(), partitions, 1, nil, name); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// inputs are the pipeline's input topics.
func (r *rig) inputs() (names []string) {
	r.t.Helper()
	off, err := processor.NewOffline(processor.Config{ApplicationID: r.app,
		Registry: schemas.NewMemory(), TopicPrefix: r.settings.TopicPrefix}, 1, r.build())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range off.Topics() {
		if p.Kind == processor.TopicInput || p.Kind == processor.TopicTable {
			names = append(names, p.Name)
		}
	}
	return names
}

func (r *rig) config() processor.Config {
	cfg := r.settings
	cfg.ApplicationID, cfg.Registry, cfg.Brokers = r.app, r.registry, r.addr
	cfg.StateDir, cfg.SessionTimeout, cfg.MemoryMax = r.dir+"/n0", 2*time.Second, 64<<20
	return cfg
}

func (r *rig) start(n int) *processor.Instance {
	r.t.Helper()
	cfg := r.config()
	cfg.InstanceID, cfg.StateDir = fmt.Sprint("n", n), fmt.Sprint(r.dir, "/n", n)
	in, err := processor.Start(r.t.Context(), cfg, r.build())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(in.Crash)
	return in
}

// run sends records while two instances crash by turns, and returns when all is processed, further
// ticks came, and both have stopped.
func (r *rig) run(g loadgen.Generator, count, ticks int64) {
	r.t.Helper()
	nodes := []*processor.Instance{r.start(0), r.start(1)}
	sent := make(chan error, 1)
	ticks += r.ticked()
	go func() {
		_, err := loadgen.Run(r.t.Context(), loadgen.Config{Generator: g, Registry: r.registry,
			Count: count, Options: []kgo.Opt{kgo.SeedBrokers(r.addr...)}, Rate: float64(count),
			Rename: r.renames(g)})
		sent <- err
	}()
	for i := range 4 {
		time.Sleep(time.Duration(150+r.chance.IntN(250)) * time.Millisecond)
		nodes[i%2].Crash()
		nodes[i%2] = r.start(i % 2)
	}
	if err := <-sent; err != nil {
		r.t.Fatal(err)
	}
	r.await(ticks)
	r.stop(nodes...)
}

// renames puts the prefix before the generator's topics.
func (r *rig) renames(g loadgen.Generator) map[string]string {
	names := make(map[string]string)
	for _, s := range g.Schemas() {
		names[s.Topic] = r.settings.TopicPrefix + s.Topic
	}
	return names
}

func (r *rig) stop(nodes ...*processor.Instance) {
	r.t.Helper()
	for _, in := range nodes {
		in.Stop()
		if err := in.Wait(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// resume runs one instance until all is processed and further ticks came.
func (r *rig) resume(ticks int64) {
	r.t.Helper()
	ticks += r.ticked()
	in := r.start(0)
	r.await(ticks)
	r.stop(in)
}

func (r *rig) ticked() (n int64) {
	r.t.Helper()
	bounds, err := r.source.Bounds(r.t.Context(), r.app+"-ticks")
	for _, b := range bounds {
		n += b.To
	}
	if err != nil {
		return 0 // not there yet
	}
	return n
}

func (r *rig) await(ticks int64) {
	r.t.Helper()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		lag, err := r.source.Lag(r.t.Context(), r.inputs()...)
		if err != nil {
			r.t.Fatal(err)
		}
		if n := r.ticked(); lag == 0 && n >= ticks {
			return
		} else if time.Since(began) > patient {
			r.t.Fatalf("after %v the lag is %d, and %d of %d ticks came", patient, lag, n, ticks)
		}
	}
}

// checkpoint takes a checkpoint of every task where it stands, of a store made from the changelog.
func (r *rig) checkpoint() {
	r.t.Helper()
	o := r.options("copy", Point{})
	o.Checkpoints = nil
	s, err := open(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	defer s.close()
	typ := record.PositionType()
	id, err := r.registry.Lookup(r.t.Context(), s.changelog+"-"+typ.Name(), typ.String())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, t := range s.tasks {
		if err := r.copy(s, t, checkpoint.Schema{ID: id, Text: typ.String()}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) copy(s *session, t *task, written checkpoint.Schema) error {
	return s.withToday(r.t.Context(), t, func(store *statestore.Pebble) error {
		dir := filepath.Join(r.dir, "copy")
		snap, err := s.env.Checkpoint(store, dir)
		if err != nil {
			return err
		}
		d := checkpoint.Describe(checkpoint.Origin{Application: r.app, Task: t.name,
			Pipeline: s.o.Pipeline.Name(), Partition: t.partition, Changelog: s.changelog,
			PositionSchema: written}, snap, t.last.Position)
		d.Created = time.Now()
		series, err := checkpoint.NewSeries(r.store, r.app, t.name)
		if err != nil {
			return err
		}
		w := checkpoint.NewWriter(series, checkpoint.Policy{}, checkpoint.Limits{})
		_, err = w.Write(r.t.Context(), dir, d, nil)
		return err
	})
}

// options are those of a replay of this application.
func (r *rig) options(id string, p Point) Options {
	return Options{Config: r.config(), Pipeline: r.build(), ID: id, Point: p, Checkpoints: r.store}
}

// audit audits the application; it must be clean.
func (r *rig) audit() *audit.Report {
	r.t.Helper()
	report, err := audit.Run(context.WithoutCancel(r.t.Context()), audit.Options{
		ApplicationID: r.app, Pipeline: r.build(), TopicPrefix: r.settings.TopicPrefix,
		Kafka: []kgo.Opt{kgo.SeedBrokers(r.addr...)}, Registry: r.registry})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, v := range report.Violations {
		r.t.Errorf("audit: %s", v)
	}
	return report
}

// check has an oracle check everything.
func (r *rig) check(spec verify.Spec) *verify.Report {
	r.t.Helper()
	report, err := verify.Check(r.t.Context(), verify.Options{Spec: spec, ApplicationID: r.app,
		Source: r.source, Registry: r.registry})
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

// verify demands that the oracle finds nothing wrong.
func (r *rig) verify(spec verify.Spec) *verify.Report {
	r.t.Helper()
	report := r.check(spec)
	if report.Oracle != "match" {
		for _, e := range report.Examples {
			r.t.Log(e)
		}
		report.Examples = nil
		r.t.Errorf("oracle: %+v", *report)
	}
	return report
}

// decided logs what the tasks decided by themselves.
func (r *rig) decided() {
	r.t.Helper()
	s, err := open(r.t.Context(), r.options("ticks", Point{}))
	if err != nil {
		r.t.Fatal(err)
	}
	defer s.close()
	kinds := make(map[record.TickKind]int)
	for _, t := range s.tasks {
		ticks, err := s.readTicks(r.t.Context(), t, 0, t.last.Ticks)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, tick := range ticks {
			kinds[tick.Kind]++
		}
	}
	r.t.Logf("ticks: %v", kinds)
}
