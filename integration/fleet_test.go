//go:build unix

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/integration/harness"
	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/fraud"
	"pawl/schemas"
)

var shared harness.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// stage is a cluster with a pipeline's inputs under names of its own.
type stage struct {
	t        *testing.T
	pipeline string
	app      string
	brokers  string
	url      string
	registry schemas.Registry
	adm      *kadm.Client
	parts    int32
}

// newStage creates the fraud pipeline's inputs.
func newStage(t *testing.T, kafka *harness.Cluster, registry *harness.RegistryServer,
	parts int32) *stage {
	t.Helper()
	compact := "compact"
	return newStageOf(t, kafka, registry, parts, fraud.Name, map[string]map[string]*string{
		fraud.Transactions: nil, fraud.LimitsTopic: {"cleanup.policy": &compact}})
}

// newStageOf creates a pipeline's inputs. Topics are shared by name between applications of one
// cluster, so every test has a cluster's worth of names: a prefix.
func newStageOf(t *testing.T, kafka *harness.Cluster, registry *harness.RegistryServer,
	parts int32, pipeline string, inputs map[string]map[string]*string) *stage {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(kafka.Bootstrap()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	s := &stage{t: t, pipeline: pipeline, app: harness.ID(t), brokers: kafka.Bootstrap(),
		url: registry.URL(), adm: kadm.NewClient(cl), parts: parts,
		registry: schemas.NewClient(schemas.ClientConfig{URL: registry.URL()})}
	for topic, configs := range inputs {
		_, err := s.adm.CreateTopic(t.Context(), parts, -1, configs, s.prefix()+topic)
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *stage) prefix() string { return s.app + "." }

// load sends transactions until ctx ends and returns what arrived.
func (s *stage) load(ctx context.Context, rate float64, seed uint64) (loadgen.Result, error) {
	return loadgen.Run(ctx, s.sending(rate, seed))
}

func (s *stage) sending(rate float64, seed uint64) loadgen.Config {
	rename := map[string]string{}
	for _, t := range []string{fraud.Transactions, fraud.LimitsTopic} {
		rename[t] = s.prefix() + t
	}
	return loadgen.Config{
		Generator: fraud.NewGenerator(fraud.LoadConfig{Seed: seed, Start: time.Now(), Rate: rate,
			Users: 20_000}),
		Options:  []kgo.Opt{kgo.SeedBrokers(s.brokers)},
		Registry: s.registry, Rename: rename, Rate: rate,
	}
}

// drained waits until the group's offsets have reached the inputs' ends.
func (s *stage) drained(limit time.Duration) {
	s.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		lag, err := s.lag()
		if err == nil && lag == 0 {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("lag is %d (%v) after %v", lag, err, limit)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (s *stage) lag() (int64, error) {
	topic := s.prefix() + fraud.Transactions
	ends, err := s.adm.ListEndOffsets(s.t.Context(), topic)
	if err != nil {
		return -1, err
	}
	offsets, err := s.adm.FetchOffsets(s.t.Context(), s.app)
	if err != nil {
		return -1, err
	}
	var lag int64
	ends.Each(func(o kadm.ListedOffset) {
		at := int64(0)
		if c, ok := offsets.Lookup(topic, o.Partition); ok {
			at = max(c.At, 0)
		}
		lag += o.Offset - at
	})
	return lag, nil
}

// check has the fraud pipeline's oracle judge all outputs and all state.
func (s *stage) check() *verify.Report {
	s.t.Helper()
	return s.checkBy(fraud.Spec(fraud.Config{}))
}

// checkBy has an oracle judge all outputs and all state.
func (s *stage) checkBy(spec verify.Spec) *verify.Report {
	s.t.Helper()
	source, err := verify.NewKafka(s.app, kgo.SeedBrokers(s.brokers))
	if err != nil {
		s.t.Fatal(err)
	}
	defer source.Close()
	report, err := verify.Check(s.t.Context(), verify.Options{Spec: spec.WithPrefix(s.prefix()),
		ApplicationID: s.app, Source: source, Registry: s.registry})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range report.Examples {
		s.t.Log(e)
	}
	if report.Oracle != "match" || report.RecordsIn == 0 || report.StateKeys == 0 {
		s.t.Fatalf("oracle: %+v", *report)
	}
	s.t.Logf("oracle: match: %d records in, %d out, %d dead-lettered, %d late, %d state keys",
		report.RecordsIn, report.RecordsOut, report.DeadLettered, report.Late, report.StateKeys)
	return report
}

// node is one `pawl run` process with its own state directory.
type node struct {
	s        *stage
	name     string
	dir      string
	settings []string // key=value, beside those every node has
	proc     *harness.Proc
}

func (s *stage) node(name string) *node {
	return &node{s: s, name: name, dir: s.t.TempDir()}
}

func (n *node) start(env ...string) {
	n.s.t.Helper()
	args := []string{"run", n.s.pipeline}
	for _, kv := range append([]string{"application.id=" + n.s.app, "instance.id=" + n.name,
		"bootstrap.servers=" + n.s.brokers, "schema.registry.url=" + n.s.url,
		"state.dir=" + n.dir, "http.listen=127.0.0.1:0", "topic.prefix=" + n.s.prefix(),
		"memory.max=256MiB"}, n.settings...) {
		args = append(args, "--set", kv)
	}
	n.proc = harness.Start(n.s.t, shared.Pawl(n.s.t), harness.ProcOptions{Name: n.name,
		Args: args, Env: env})
}

var listening = regexp.MustCompile(`http: listening on (\S+)`)

// address is where the process answers, "" while it does not.
func (n *node) address() string {
	if m := listening.FindStringSubmatch(n.proc.Output()); m != nil {
		return m[1]
	}
	return ""
}

// working reports whether the process runs all of its tasks, at least one, and has committed.
func (n *node) working() bool {
	address := n.address()
	if address == "" {
		return false
	}
	client := http.Client{Timeout: time.Second}
	resp, err := client.Get("http://" + address + "/status")
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var st struct {
		Tasks  []struct{ State string }
		Totals struct {
			Epochs int64 `json:"epochs_committed"` // by this process
		}
	}
	if json.NewDecoder(resp.Body).Decode(&st) != nil || len(st.Tasks) == 0 {
		return false
	}
	for _, task := range st.Tasks {
		if task.State != "RUNNING" {
			return false
		}
	}
	return st.Totals.Epochs > 0
}

// await waits until the node works and says how long that took from since on.
func (n *node) await(since time.Time) time.Duration {
	n.s.t.Helper()
	for deadline := time.Now().Add(time.Minute); !n.working(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.s.t.Fatalf("%s does not work again: %s", n.name, n.proc.Output())
		}
	}
	return time.Since(since)
}

// percentiles prints durations as p50, p90, max.
func percentiles(d []time.Duration) string {
	slices.Sort(d)
	at := func(p int) time.Duration {
		return d[min(len(d)*p/100, len(d)-1)].Round(time.Millisecond)
	}
	return fmt.Sprintf("p50 %v, p90 %v, max %v of %d", at(50), at(90), at(100), len(d))
}
