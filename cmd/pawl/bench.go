package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"pawl/internal/settings"
	"pawl/internal/verify"
)

// benchOptions are the flags of `pawl bench`.
type benchOptions struct {
	flags          sourceFlags
	events         int64
	users          int
	partitions     int
	skew           float64
	seed           uint64
	commitInterval time.Duration
	report         string
	profile        string
	rate           int           // of `bench all`
	duration       time.Duration // of `bench all`
	latencyFor     time.Duration // no flag: ten seconds, less in tests
}

// benchReport is the JSON of `pawl bench --report`.
type benchReport struct {
	Pipeline        string        `json:"pipeline"`
	Events          int64         `json:"events"`
	Users           int           `json:"users"`
	Partitions      int           `json:"partitions"`
	Seed            uint64        `json:"seed"`
	CommitInterval  string        `json:"commit_interval"`
	Embedded        bool          `json:"embedded_broker"`
	EventsPerSecond float64       `json:"events_per_second"`
	CPUPerMillion   float64       `json:"cpu_seconds_per_million"`
	StartupCPU      float64       `json:"startup_cpu_seconds"`
	PeakRSS         int64         `json:"peak_rss_bytes"`
	Latency         latencyReport `json:"latency_ms"`
	Missing         int64         `json:"missing"`
	Extra           int64         `json:"extra"`
	Different       int64         `json:"different"`
	StateDifferent  int64         `json:"state_different"`
	Verified        bool          `json:"verified"`
}

func (a *app) bench() *cobra.Command {
	o := benchOptions{latencyFor: 10 * time.Second}
	cmd := &cobra.Command{
		Use:   "bench PIPELINE",
		Short: "Measure throughput, processor time, memory and latency, and verify the output",
		Long: `Load --events records into topics of its own, run one instance of the pipeline as
a child process until all of them are committed, and measure it: events per
second, processor seconds per million events (from the first record to the last
commit; starting up is told apart), peak memory.

Then records come at 5000/s for ten seconds to measure latency: from handing a
record to the producer until a read_committed consumer has its result. At the end
all output and state is compared with the plain model; exit 1 unless it is equal.
The topics, named pawl-bench-…, are deleted.

Without --kafka an embedded broker is used, in this process: the report says so.

pawl bench all runs all pipelines at once at --rate records a second for --duration
and measures the latency of each one's main output instead: from handing a record
to the producer, or from a window's end, until a read_committed consumer has it.
The first half minute does not count.`,
		Example: `  pawl bench fraud --events 2000000 --kafka 127.0.0.1:9092 \
      --registry http://127.0.0.1:8081 --report bench.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && args[0] == "all" {
				return nil
			}
			return onePipeline(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "all" {
				if err := o.check(); err != nil {
					return err
				}
				return a.runClasses(cmd.Context(), o)
			}
			p, err := pipelineNamed(args[0])
			if err == nil {
				err = o.check()
			}
			if err != nil {
				return err
			}
			return a.runBench(cmd.Context(), p, o)
		},
	}
	cmd.AddCommand(a.benchRecovery(), a.benchRecoveryInstance(), a.benchReads())
	o.flags.add(cmd)
	f := cmd.Flags()
	f.Int64Var(&o.events, "events", 1_000_000, "how many records to load")
	f.IntVar(&o.users, "users", 100_000, "how many users there are")
	f.IntVar(&o.partitions, "partitions", 4, "partitions of the input topics")
	f.Float64Var(&o.skew, "skew", 0, "how unevenly users are busy, 0 evenly, 1.2 very")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the load")
	f.DurationVar(&o.commitInterval, "commit-interval", 100*time.Millisecond, "commit.interval")
	f.IntVar(&o.rate, "rate", latencyRate, "with all: records per second over all pipelines")
	f.DurationVar(&o.duration, "duration", 150*time.Second, "with all: how long to send")
	f.StringVar(&o.report, "report", "", "write the result as JSON to this file")
	f.StringVar(&o.profile, "profile", "", profilesHelp)
	return cmd
}

func (o *benchOptions) check() error {
	var faults []string
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	fault(o.events < 1, "--events=%d is out of range; give 1 or more", o.events)
	fault(o.users < 1, "--users=%d is out of range; give 1 or more", o.users)
	fault(o.partitions < 1 || o.partitions > 1000,
		"--partitions=%d is out of range; give 1 to 1000", o.partitions)
	fault(o.skew < 0 || o.skew > 10, "--skew=%v is out of range; give 0 to 10", o.skew)
	fault(o.rate < 1, "--rate=%d is out of range; give 1 or more", o.rate)
	fault(o.duration < time.Second, "--duration=%v is too short; give 1s or more", o.duration)
	if err := checkReportPath(o.report); err != nil {
		faults = append(faults, err.Error())
	}
	if len(faults) > 0 {
		return usage("%s", strings.Join(faults, "\n"))
	}
	return nil
}

// ground is where a measurement runs: a cluster, and a folder that goes with it.
type ground struct {
	settings *settings.Settings
	cluster  *cluster
	dir      string
	remove   func()
}

// openGround reads the settings, and opens the cluster that they name or one of its own.
func (a *app) openGround(ctx context.Context, src settings.Sources, named []pipeline) (*ground,
	error) {
	s, _, err := judge(src, named, whatIsGiven)
	if err != nil {
		return nil, err
	}
	a.notices(s)
	dir, remove, err := scratch("", "pawl-bench-")
	if err != nil {
		return nil, err
	}
	c, err := openCluster(ctx, s, dir)
	if err != nil {
		remove()
		return nil, err
	}
	return &ground{settings: s, cluster: c, dir: dir, remove: remove}, nil
}

func (g *ground) close() {
	g.cluster.close()
	g.remove()
}

// runBench prepares a run of its own, measures it, and removes it.
func (a *app) runBench(ctx context.Context, p pipeline, o benchOptions) (err error) {
	src := a.sources(o.flags, settings.Flag{Name: "commit-interval", Key: "commit.interval",
		Value: o.commitInterval.String()})
	g, err := a.openGround(ctx, src, []pipeline{p})
	if err != nil {
		return err
	}
	defer g.close()
	b := &benchRun{app: a, options: o, pipeline: p, cluster: g.cluster}
	if p.aid != nil {
		if b.aid, err = p.aid(ctx); err != nil {
			return err
		}
		defer b.aid.stop()
	}
	if err := b.prepare(g.settings, g.dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.remove()) }()
	if err := b.run(ctx); err != nil {
		return err
	}
	if err := b.print(); err != nil {
		return err
	}
	return conclude(o.report, b.result, b.result.Verified)
}

// conclude writes the report of a measurement; one that was not verified is a failure.
func conclude(path string, result any, verified bool) error {
	if err := writeReport(path, result); err != nil {
		return err
	}
	if !verified {
		return &verdictError{text: "not verified"}
	}
	return nil
}

// benchRun is one measurement with topics, state and ids of its own.
type benchRun struct {
	app      *app
	options  benchOptions
	pipeline pipeline
	cluster  *cluster
	settings *settings.Settings // as the child has them
	group    string
	inputs   []string
	adm      *kadm.Client
	fleet    *fleet
	aid      aid
	verdict  *verify.Report
	result   benchReport
}

func (b *benchRun) prepare(base *settings.Settings, dir string) error {
	var raw [4]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return fmt.Errorf("make a name for this run: %w", err)
	}
	b.group = "pawl-bench-" + hex.EncodeToString(raw[:])
	override := b.cluster.overrides()
	override["application.id"] = b.group
	override["topic.prefix"] = b.group + "-"
	override["log.level"] = "info" // a line per epoch would be measured too
	maps.Copy(override, b.aid.override)
	file := filepath.Join(dir, "bench.yaml")
	if err := base.WriteFile(file, override); err != nil {
		return err
	}
	var err error
	if b.settings, err = settings.Load(settings.Sources{File: file}); err != nil {
		return err
	}
	cl, err := b.cluster.client()
	if err != nil {
		return err
	}
	b.adm = kadm.NewClient(cl)
	b.inputs = withPrefix(override["topic.prefix"], b.pipeline.topics()...)
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program to start it again: %w", err)
	}
	b.fleet = newFleet(fleetSpec{exe: exe, pipeline: b.pipeline.name, dir: dir, count: 1,
		settings: base, token: base.Text("api.token"), override: override,
		event:   func(text string) { fmt.Fprintln(b.app.stderr, text) },
		profile: b.options.profile})
	b.result = benchReport{Pipeline: b.pipeline.name, Events: b.options.events,
		Users: b.options.users, Partitions: b.options.partitions, Seed: b.options.seed,
		CommitInterval: b.settings.Text("commit.interval"), Embedded: b.cluster.embedded != nil}
	return nil
}

// remove ends the child and deletes what the run made on the cluster.
func (b *benchRun) remove() error {
	b.fleet.kill()
	defer b.adm.Close()
	// The command's context may have ended, yet nothing may stay behind.
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	return deleteTopics(ctx, b.adm, b.group, b.group+"-")
}

func (b *benchRun) print() error {
	r := b.result
	broker := "given broker"
	if r.Embedded {
		broker = "embedded broker in this process"
	}
	_, err := fmt.Fprintf(b.app.stdout, `
%s: %d events, %d users, %d partitions, commit.interval %s, %s
  events per second        %.0f
  CPU seconds per million  %.2f   (start-up %.2f s apart)
  peak memory              %.0f MiB
  latency                  p50 %.1f ms   p99 %.1f ms   at %d/s
  missing %d   extra %d   different %d   state different %d
  verified: %v
`, r.Pipeline, r.Events, r.Users, r.Partitions, r.CommitInterval, broker, r.EventsPerSecond,
		r.CPUPerMillion, r.StartupCPU, float64(r.PeakRSS)/(1<<20), r.Latency.P50, r.Latency.P99,
		latencyRate, r.Missing, r.Extra, r.Different, r.StateDifferent, r.Verified)
	for _, e := range b.verdict.Examples {
		fmt.Fprintln(b.app.stdout, e)
	}
	return err
}
