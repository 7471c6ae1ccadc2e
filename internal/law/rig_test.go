package law_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"pawl/internal/embedded"
	"pawl/internal/law"
	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	app        = "rig"
	partitions = 2
	patience   = time.Minute
)

// rig is a cluster in the process on which two instances of a pipeline run and crash.
type rig struct {
	t        *testing.T
	cluster  *embedded.Cluster
	registry schemas.Registry
	build    func() *processor.Pipeline
	settings processor.Config // what bears on records
	dir      string
	source   *verify.Kafka
}

func newRig(t *testing.T, build func() *processor.Pipeline, settings processor.Config) *rig {
	t.Helper()
	cluster, err := embedded.Start(t.Context(), embedded.Config{SessionTimeoutMin: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	r := &rig{t: t, cluster: cluster, build: build, settings: settings, dir: t.TempDir(),
		registry: schemas.NewClient(schemas.ClientConfig{URL: cluster.RegistryURL()})}
	r.settings.ApplicationID, r.settings.Registry = app, r.registry
	if r.source, err = verify.NewKafka(app, kgo.SeedBrokers(cluster.Addr())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.source.Close)
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, in := range r.spec().Inputs {
		_, err := kadm.NewClient(cl).CreateTopic(t.Context(), partitions, 1, nil, in.Name)
		if err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *rig) spec() verify.Spec {
	r.t.Helper()
	spec, err := law.Spec(r.build, r.settings)
	if err != nil {
		r.t.Fatal(err)
	}
	return spec
}

func (r *rig) start(n int) *processor.Instance {
	r.t.Helper()
	cfg := r.settings
	cfg.InstanceID = fmt.Sprint("n", n)
	cfg.Brokers, cfg.StateDir = []string{r.cluster.Addr()}, r.dir+"/"+cfg.InstanceID
	cfg.SessionTimeout, cfg.MemoryMax = 2*time.Second, 64<<20
	in, err := processor.Start(r.t.Context(), cfg, r.build())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(in.Crash)
	return in
}

// send has the generator's records arrive over a second or more.
func (r *rig) send(ctx context.Context, g loadgen.Generator, count int64) error {
	_, err := loadgen.Run(ctx, loadgen.Config{Generator: g, Registry: r.registry, Count: count,
		Options: []kgo.Opt{kgo.SeedBrokers(r.cluster.Addr())}, Rate: float64(count)})
	return err
}

// run sends the records while two instances crash by turns, and returns when all is processed and
// both have stopped. ticks is how many ticks it waits for after that.
func (r *rig) run(g loadgen.Generator, count, ticks int64) {
	r.t.Helper()
	chance := rand.New(rand.NewPCG(3, 3))
	nodes := []*processor.Instance{r.start(0), r.start(1)}
	sent := make(chan error, 1)
	go func() { sent <- r.send(r.t.Context(), g, count) }()
	for i := range 6 {
		time.Sleep(time.Duration(150+chance.IntN(250)) * time.Millisecond)
		nodes[i%2].Crash()
		nodes[i%2] = r.start(i % 2)
	}
	if err := <-sent; err != nil {
		r.t.Fatal(err)
	}
	r.await(ticks)
	for _, in := range nodes {
		in.Stop()
		if err := in.Wait(); err != nil {
			r.t.Fatal(err)
		}
	}
}

// await waits until the group has committed all input, and for so many ticks.
func (r *rig) await(ticks int64) {
	r.t.Helper()
	var topics []string
	for _, in := range r.spec().Inputs {
		topics = append(topics, in.Name)
	}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		lag, err := r.source.Lag(r.t.Context(), topics...)
		if err != nil {
			r.t.Fatal(err)
		}
		bounds, err := r.source.Bounds(r.t.Context(), app+"-ticks")
		if err != nil {
			r.t.Fatal(err)
		}
		ticked := int64(0)
		for _, b := range bounds {
			ticked += b.To
		}
		if lag == 0 && ticked >= ticks {
			return
		}
		if time.Since(began) > patience {
			r.t.Fatalf("after %v the lag is %d, and %d ticks of %d came", patience, lag, ticked,
				ticks)
		}
	}
}

// check compares what is in Kafka, or what source makes of it, with a spec.
func (r *rig) check(spec verify.Spec, source verify.Source) *verify.Report {
	r.t.Helper()
	report, err := verify.Check(r.t.Context(), verify.Options{Spec: spec, ApplicationID: app,
		Source: source, Registry: r.registry})
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}
