//go:build unix

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/checkpoint"
	"pawl/integration/harness"
	"pawl/internal/loadgen"
	"pawl/processor"
	"pawl/replay"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// replayed runs `pawl replay fraud` for a node's application and gives its exit code and output.
func (n *node) replayed(env []string, args ...string) (code int, out string) {
	n.s.t.Helper()
	all := []string{"replay", "fraud"}
	for _, kv := range append([]string{"application.id=" + n.s.app, "topic.prefix=" + n.s.prefix(),
		"bootstrap.servers=" + n.s.brokers, "schema.registry.url=" + n.s.url,
		"state.dir=" + n.dir}, n.settings...) {
		all = append(all, "--set", kv)
	}
	p := harness.Start(n.s.t, shared.Pawl(n.s.t), harness.ProcOptions{Name: "replay",
		Args: append(all, args...), Env: env})
	select {
	case <-p.Done():
	case <-time.After(2 * time.Minute):
		n.s.t.Fatalf("the replay does not end: %s", p.Output())
	}
	return p.ExitCode(), p.Output()
}

// do is replayed for one that must end with an exit code.
func (n *node) do(want int, args ...string) string {
	n.s.t.Helper()
	code, out := n.replayed(nil, args...)
	if code != want {
		n.s.t.Fatalf("pawl replay %v ended with exit code %d, want %d: %s", args, code, want, out)
	}
	return out
}

// copies takes a checkpoint of all tasks of a stopped node.
func (n *node) copies(target checkpoint.Target) {
	t := n.s.t
	t.Helper()
	typ := record.PositionType()
	changelog := n.s.app + "-fraud-changelog"
	id, err := n.s.registry.Lookup(t.Context(), changelog+"-"+typ.Name(), typ.String())
	if err != nil {
		t.Fatal(err)
	}
	known := schemas.NewResolver(n.s.registry)
	if err := known.Fetch(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	env := statestore.NewEnv(nil, 8<<20, func(err error) { t.Error(err) })
	defer env.Close()
	for p := range n.s.parts {
		task := fmt.Sprintf("fraud-%d", p)
		store, err := env.OpenPebble(filepath.Join(n.dir, n.s.app, task))
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "copy")
		snap, err := env.Checkpoint(store, dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
		var pos record.Position
		if err := schemas.NewDecoder(typ, known).Decode(snap.Mark.Position, &pos); err != nil {
			t.Fatal(err)
		}
		d := checkpoint.Describe(checkpoint.Origin{Application: n.s.app, Pipeline: "fraud",
			Task: task, Partition: p, Changelog: changelog,
			PositionSchema: checkpoint.Schema{ID: id, Text: typ.String()}}, snap, pos)
		d.Created = time.Now()
		series, err := checkpoint.NewSeries(target, n.s.app, task)
		if err != nil {
			t.Fatal(err)
		}
		w := checkpoint.NewWriter(series, checkpoint.Policy{}, checkpoint.Limits{})
		if _, err := w.Write(t.Context(), dir, d, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// rush loads for a while, kills the node in between, and waits until all is processed.
func (n *node) rush(seed uint64) {
	t := n.s.t
	t.Helper()
	ctx, end := context.WithTimeout(t.Context(), 4*time.Second)
	defer end()
	loaded := make(chan error, 1)
	go func() {
		_, err := n.s.load(ctx, 1_000, seed)
		loaded <- err
	}()
	began := time.Now()
	n.await(began)
	n.proc.Kill9()
	n.start()
	n.await(time.Now())
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	n.s.drained(time.Minute)
}

func (n *node) stop() {
	n.s.t.Helper()
	if code := n.proc.Stop(); code != 0 {
		n.s.t.Fatalf("%s ended with exit code %d: %s", n.name, code, n.proc.Output())
	}
}

// shadowed reads a shadow's report.
func shadowed(t *testing.T, path string) *replay.Report {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := new(replay.Report)
	if err := json.Unmarshal(text, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReplay replays a killed application beside it while it runs, with another limit, takes it
// back with a death at every point, and lets a shadow take its place.
func TestReplay(t *testing.T) {
	s := newStage(t, shared.Kafka(t), shared.Registry(t), 3)
	n := s.node("one")
	store := t.TempDir()
	target, err := checkpoint.Open(t.Context(), "file://"+store)
	if err != nil {
		t.Fatal(err)
	}
	n.start()
	n.rush(7)
	n.stop()
	n.copies(target)
	n.start()
	n.rush(8)

	file := filepath.Join(t.TempDir(), "report.json")
	n.settings = []string{"checkpoint.url=file://" + store}
	out := n.do(0, "--from-checkpoint", "latest")
	if !strings.Contains(out, "nothing was changed") || !strings.Contains(out, "checkpoint 0000") {
		t.Errorf("the plan is: %s", out)
	}
	for _, from := range [][]string{{"--from-checkpoint", "latest"}, {"--to-earliest"}} {
		t.Log(n.do(0, append(from, "--execute", "--id", "same", "--report", file, "--html",
			file+".html", "--fail-on-difference")...))
		if r := shadowed(t, file); !r.Identical || r.Records < 1_000 || r.State.Same == 0 {
			t.Errorf("from %v: %+v", from, *r)
		} else {
			t.Logf("from %v: %d offsets in %.1f s, %d state keys the same", from, r.Records,
				r.Seconds, r.State.Same)
		}
	}
	n.do(3, "--to-earliest", "--execute", "--id", "strict", "--set", "fraud.max.count=4",
		"--fail-on-difference")
	if out := n.do(1, "--from-checkpoint", "latest", "--in-place", "--execute"); !strings.Contains(
		out, "one at ") {
		t.Errorf("the member is not named: %s", out)
	}
	n.stop()
	n.backAtEveryPoint(t)
	n.start()
	n.await(time.Now())
	s.drained(time.Minute)
	n.stop()
	s.audit()
	s.check()

	n.do(0, "--to-offset", "1000000000", "--execute", "--id", "next", "--set", "fraud.max.count=5")
	n.start()
	n.rush(9)
	n.stop()
	n.do(0, "--promote", "next", "--execute")
	n.start()
	n.rush(10)
	n.stop()
	s.audit()
	s.check()
	n.do(0, "--cleanup", "--id", "next", "--execute")
	n.do(0, "--cleanup", "--id", "same", "--execute")
}

// backAtEveryPoint takes the application back, killed at each point, and then again.
func (n *node) backAtEveryPoint(t *testing.T) {
	t.Helper()
	back := []string{"--from-checkpoint", "latest", "--in-place", "--execute"}
	for _, point := range replay.Points() {
		code, out := n.replayed([]string{"PAWL_KILL_AT=" + point}, back...)
		if code != killedBySignal {
			t.Fatalf("at %s it ended with exit code %d, not by a kill: %s", point, code, out)
		}
		n.do(0, back...)
	}
}

// TestShadowsOnKafka replays crashed runs of all pipelines.
func TestShadowsOnKafka(t *testing.T) {
	brokers, registry := []string{shared.Kafka(t).Bootstrap()}, schemas.NewClient(
		schemas.ClientConfig{URL: shared.Registry(t).URL()})
	for _, p := range allPipelines() {
		t.Run(p.name, func(t *testing.T) {
			app := harness.ID(t)
			cfg := processor.Config{ApplicationID: app, Brokers: brokers, Registry: registry,
				TopicPrefix: app + ".", IdleTimeout: 300 * time.Millisecond, MemoryMax: 64 << 20,
				SessionTimeout: 6 * time.Second}
			crashedRun(t, cfg, p)
			cfg.StateDir = t.TempDir()
			for id, at := range map[string]replay.Point{"all": {Earliest: true},
				"half": {Offset: new(int64(500))}} {
				r, err := replay.Shadow(t.Context(), replay.Options{Config: cfg, ID: id, Point: at,
					Pipeline: p.build()})
				if err != nil {
					t.Fatal(err)
				}
				if !r.Identical || r.Records == 0 {
					t.Errorf("%s: %+v, state %+v, positions %v", id, r.Topics, r.State, r.Positions)
				}
				for name, d := range r.Topics {
					t.Logf("%s %s: %d same", id, strings.TrimPrefix(name, app), d.Same)
				}
			}
		})
	}
}

// crashedRun has two instances crash by turns under load, and ends when all is processed.
func crashedRun(t *testing.T, cfg processor.Config, p built) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(cfg.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	rename := make(map[string]string)
	for _, in := range p.inputs {
		rename[in] = cfg.TopicPrefix + in
		if _, err := adm.CreateTopic(t.Context(), 2, -1, nil, rename[in]); err != nil {
			t.Fatal(err)
		}
	}
	dirs := [2]string{t.TempDir(), t.TempDir()}
	start := func(n int) *processor.Instance {
		c := cfg
		c.InstanceID, c.StateDir = fmt.Sprint("n", n), dirs[n]
		in, err := processor.Start(t.Context(), c, p.build())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(in.Crash)
		return in
	}
	nodes := [2]*processor.Instance{start(0), start(1)}
	sent := make(chan error, 1)
	go func() {
		_, err := loadgen.Run(t.Context(), loadgen.Config{Generator: p.load(20), Rename: rename,
			Registry: cfg.Registry, Count: 2_000, Rate: 700,
			Options: []kgo.Opt{kgo.SeedBrokers(cfg.Brokers...)}})
		sent <- err
	}()
	for i := range 2 {
		time.Sleep(time.Second)
		nodes[i].Crash()
		nodes[i] = start(i)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	awaitLag(t, adm, cfg.ApplicationID, rename)
	for _, in := range nodes {
		in.Stop()
		if err := in.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

func awaitLag(t *testing.T, adm *kadm.Client, group string, topics map[string]string) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		var lag int64
		for _, topic := range topics {
			ends, err1 := adm.ListEndOffsets(t.Context(), topic)
			at, err2 := adm.FetchOffsets(t.Context(), group)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			ends.Each(func(o kadm.ListedOffset) {
				c, _ := at.Lookup(topic, o.Partition)
				lag += o.Offset - max(c.At, 0)
			})
		}
		if lag == 0 {
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("the lag is %d", lag)
		}
	}
}
