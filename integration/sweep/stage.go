package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/integration/harness/servers"
	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/fraud"
	"pawl/schemas"
)

// stage is what all measurements share: a broker, a registry and the program.
type stage struct {
	dir      string
	pawl     string // the program
	kafka    *servers.Cluster
	registry *servers.Registry
	adm      *kadm.Client
	machine  Machine // without its load
	runs     int     // so far
}

// openStage builds the program and starts the servers, with all data below dir.
func openStage(ctx context.Context, dir string) (_ *stage, err error) {
	st := &stage{dir: dir, pawl: filepath.Join(dir, "pawl"),
		machine: Machine{CPUs: runtime.NumCPU(), Go: runtime.Version(), Commit: commit(ctx)}}
	defer func() {
		if err != nil {
			st.close()
		}
	}()
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", st.pawl, "./cmd/pawl")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build pawl: %w\n%s", err, out)
	}
	if st.kafka, err = servers.StartKafka(ctx, dir, servers.KafkaOptions{}); err != nil {
		return nil, err
	}
	if st.registry, err = servers.StartRegistry(ctx, dir); err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(st.client()...)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", st.kafka.Bootstrap(), err)
	}
	st.adm = kadm.NewClient(cl)
	return st, nil
}

// close stops the servers.
func (st *stage) close() {
	if st.adm != nil {
		st.adm.Close()
	}
	if st.registry != nil {
		st.registry.Close()
	}
	if st.kafka != nil {
		st.kafka.Close()
	}
}

// moduleRoot is the folder of the module that this program belongs to.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "pawl").Output()
	if err != nil {
		return "", fmt.Errorf("find the module pawl: %w; run this inside its repository", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// commit is that of the repository, with a plus when something is changed; "" when unknown.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty=+").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func (st *stage) client() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(strings.Split(st.kafka.Bootstrap(), ",")...)}
}

func (st *stage) schemas() schemas.Registry {
	return schemas.NewClient(schemas.ClientConfig{URL: st.registry.URL()})
}

// topic names one of the pipeline's topics as a run has it.
func topic(app, name string) string { return app + "-" + name }

// prepare gives a run its input topics.
func (st *stage) prepare(ctx context.Context, app string, p Point) error {
	// Records carry event time: age must not delete them, nor youth have them refused.
	forever, always, compact := "-1", strconv.FormatInt(math.MaxInt64, 10), "compact"
	for name, config := range map[string]map[string]*string{
		fraud.Transactions: {"retention.ms": &forever, "message.timestamp.after.max.ms": &always},
		fraud.LimitsTopic:  {"cleanup.policy": &compact},
	} {
		_, err := st.adm.CreateTopic(ctx, int32(p.Partitions), -1, config, topic(app, name))
		if err != nil {
			return fmt.Errorf("create topic %s: %w", topic(app, name), err)
		}
	}
	return st.created(ctx, p.Partitions, topic(app, fraud.Transactions),
		topic(app, fraud.LimitsTopic))
}

// created waits until the broker knows what it said that it has created.
func (st *stage) created(ctx context.Context, partitions int, names ...string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		found, err := st.adm.ListTopics(ctx, names...)
		if err != nil {
			return fmt.Errorf("look up topics %s: %w", strings.Join(names, ", "), err)
		}
		known := 0
		for _, t := range found {
			for _, p := range t.Partitions {
				if t.Err == nil && p.Err == nil && p.Leader >= 0 {
					known++
				}
			}
		}
		if known == partitions*len(names) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for topics %s, of whose partitions %d are there: %w",
				strings.Join(names, ", "), known, ctx.Err())
		}
	}
}

// calmPace is the rate at which event time passes where records come as fast as possible.
const calmPace = 5_000

// load sends a point's events.
func (st *stage) load(ctx context.Context, app string, p Point) error {
	pace, start := float64(p.Rate), time.Now()
	if p.Rate == 0 {
		pace = calmPace
		start = start.Add(-time.Duration(float64(p.Events) / pace * float64(time.Second)))
	}
	_, err := loadgen.Run(ctx, loadgen.Config{
		Generator: fraud.NewGenerator(fraud.LoadConfig{Seed: 1, Users: p.Keys, Start: start,
			Rate: pace, Hot: p.Hot, Padding: p.Padding}),
		Options: st.client(), Registry: st.schemas(), Count: p.Events, Rate: float64(p.Rate),
		Rename: map[string]string{fraud.Transactions: topic(app, fraud.Transactions),
			fraud.LimitsTopic: topic(app, fraud.LimitsTopic)}})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("load %s: %w", app, err)
	}
	return nil
}

// verify compares all that a run wrote with the oracle.
func (st *stage) verify(ctx context.Context, app string) error {
	source, err := verify.NewKafka(app, st.client()...)
	if err != nil {
		return err
	}
	defer source.Close()
	report, err := verify.Check(ctx, verify.Options{ApplicationID: app,
		Spec:   fraud.Spec(fraud.Config{}).WithPrefix(topic(app, "")),
		Source: source, Registry: st.schemas()})
	if err != nil {
		return fmt.Errorf("verify %s: %w", app, err)
	}
	if report.Oracle != "match" {
		return fmt.Errorf("verify %s: output or state differs from the oracle's: %+v", app, report)
	}
	return nil
}

// remove deletes what a run made on the broker and on disk.
func (st *stage) remove(ctx context.Context, app string) error {
	topics, err := st.adm.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	var ours []string
	for _, name := range topics.Names() {
		if strings.HasPrefix(name, app+"-") {
			ours = append(ours, name)
		}
	}
	if len(ours) > 0 {
		deleted, err := st.adm.DeleteTopics(ctx, ours...)
		if err = errors.Join(err, deleted.Error()); err != nil {
			return fmt.Errorf("delete topics of %s: %w", app, err)
		}
	}
	return os.RemoveAll(filepath.Join(st.dir, app))
}
