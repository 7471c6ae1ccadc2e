package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pawl/internal/recovery"
	"pawl/internal/settings"
	"pawl/internal/verify"
	"pawl/processor"
)

// recoveryOptions are the flags of `pawl bench recovery`.
type recoveryOptions struct {
	flags      sourceFlags
	keys       int64
	partitions int
	rate       int
	repeat     int
	seed       uint64
	streams    bool
	report     string
	settle     time.Duration // no flag: how long the program runs before it is killed
}

// returnReport is the JSON of `pawl bench recovery --report`.
type returnReport struct {
	Keys       int64          `json:"keys"`
	Partitions int            `json:"partitions"`
	Rate       int            `json:"rate"`
	Seed       uint64         `json:"seed"`
	Embedded   bool           `json:"embedded_broker"`
	Rungs      []recoveryRung `json:"rungs"`
	Answers    int            `json:"answers"`
	Faults     []string       `json:"faults"`
	Verified   bool           `json:"verified"`
}

// recoveryRung is one death and what it took to come back. Seconds count from the start of the
// process that comes after.
type recoveryRung struct {
	System        string             `json:"system"`
	Rung          string             `json:"rung"`
	FirstOutput   float64            `json:"first_output_seconds"`
	AllPartitions float64            `json:"all_partitions_seconds"`
	Records       int64              `json:"restored_records"`
	Bytes         int64              `json:"restored_bytes"`
	CPU           float64            `json:"cpu_seconds"`
	PeakRSS       int64              `json:"peak_rss_bytes"`
	Steps         map[string]float64 `json:"steps,omitempty"`
	order         []string
}

// recoverySettle is long enough for committed changes to reach the disk: what a death then leaves
// unwritten is as much as it usually is.
const recoverySettle = 8 * time.Second

func (a *app) benchRecovery() *cobra.Command {
	o := recoveryOptions{settle: recoverySettle}
	cmd := &cobra.Command{
		Use:   "recovery",
		Short: "Measure how long a killed instance with a large state takes to answer again",
		Long: `Bring a keyed state into being, --keys entries of about a hundred bytes, then kill
the processor with kill -9 under a steady load and start it again. For each way
back it measures the seconds from the start of the process until a
read_committed consumer has the first new output, and one of every partition;
what was read, processor time and peak memory:

  local       the state directory was kept
  checkpoint  it was removed; with checkpoint.url set only
  changelog   it was removed, and checkpoints are not used

--streams does the same to Kafka Streams beside it, exactly_once_v2 with RocksDB
and static membership, on the same input (make servers fetches the library; give
--kafka). Every answer is checked: exit 1 unless each event of the load was
answered once, with the right count. The topics, named pawl-bench-…, are
deleted.`,
		Example: `  pawl bench recovery --keys 10000000 --streams --kafka 127.0.0.1:9092 \
      --registry http://127.0.0.1:8081 --report recovery.json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return a.runRecovery(cmd.Context(), o)
		},
	}
	o.flags.add(cmd)
	f := cmd.Flags()
	f.Int64Var(&o.keys, "keys", 1_000_000, "entries of the state")
	f.IntVar(&o.partitions, "partitions", 4, "partitions of the input, and so tasks")
	f.IntVar(&o.rate, "rate", 1000, "records per second of the steady load")
	f.IntVar(&o.repeat, "repeat", 1, "how often each way back is measured")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the load")
	f.BoolVar(&o.streams, "streams", false, "measure Kafka Streams beside it")
	f.StringVar(&o.report, "report", "", "write the result as JSON to this file")
	return cmd
}

// benchRecoveryInstance is the process that is killed.
func (a *app) benchRecoveryInstance() *cobra.Command {
	var flags sourceFlags
	cmd := &cobra.Command{
		Use:    "recovery-instance",
		Short:  "Run the instance that pawl bench recovery kills",
		Hidden: true,
		Args:   none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.service(cmd.Context(), recoveryPipeline(), flags, false)
		},
	}
	flags.add(cmd)
	return cmd
}

func recoveryPipeline() pipeline {
	return described(func(*settings.Settings) recoverySettings { return recoverySettings{} },
		func(recoverySettings) *processor.Pipeline { return recovery.Pipeline() },
		func(recoverySettings) verify.Spec { return verify.Spec{} },
		pipeline{name: recovery.Name, inputs: []string{recovery.Events}, outcomes: noOutcomes})
}

// recoverySettings has none: the pipeline is the bench's alone.
type recoverySettings struct{}

// Validate finds nothing wrong.
func (*recoverySettings) Validate() error { return nil }

func (o *recoveryOptions) check() error {
	var faults []string
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	fault(o.keys < 1, "--keys=%d is out of range; give 1 or more", o.keys)
	fault(o.partitions < 1 || o.partitions > 1000,
		"--partitions=%d is out of range; give 1 to 1000", o.partitions)
	fault(o.rate < 10 || o.rate > 100_000, "--rate=%d is out of range; give 10 to 100000", o.rate)
	fault(o.repeat < 1, "--repeat=%d is out of range; give 1 or more", o.repeat)
	fault(o.streams && o.flags.kafka == "" && o.flags.file == "",
		"--streams needs a real Kafka; give --kafka and --registry")
	if err := checkReportPath(o.report); err != nil {
		faults = append(faults, err.Error())
	}
	if len(faults) > 0 {
		return usage("%s", strings.Join(faults, "\n"))
	}
	return nil
}

// runRecovery prepares a run of its own, measures it, and removes it.
func (a *app) runRecovery(ctx context.Context, o recoveryOptions) (err error) {
	g, err := a.openGround(ctx, a.sources(o.flags), nil)
	if err != nil {
		return err
	}
	defer g.close()
	b := &recoveryRun{app: a, options: o, cluster: g.cluster, settings: g.settings, dir: g.dir}
	if err := b.prepare(ctx); err != nil {
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

func (b *recoveryRun) print() error {
	r := b.result
	broker := "given broker"
	if r.Embedded {
		broker = "embedded broker in this process"
	}
	fmt.Fprintf(b.app.stdout, "\n%d keys, %d partitions, %d records a second, %s\n", r.Keys,
		r.Partitions, r.Rate, broker)
	table := tabwriter.NewWriter(b.app.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "system\tstate from\tfirst output s\tall partitions s\trecords read\t"+
		"MiB read\tCPU s\tpeak MiB\t")
	for _, g := range r.Rungs {
		fmt.Fprintf(table, "%s\t%s\t%.2f\t%.2f\t%d\t%.1f\t%.2f\t%.0f\t\n", g.System, g.Rung,
			g.FirstOutput, g.AllPartitions, g.Records, float64(g.Bytes)/(1<<20), g.CPU,
			float64(g.PeakRSS)/(1<<20))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, g := range r.Rungs {
		if len(g.order) == 0 {
			continue
		}
		fmt.Fprintf(b.app.stdout, "%s %s, ms:", g.System, g.Rung)
		for _, step := range g.order {
			fmt.Fprintf(b.app.stdout, " %s %.0f", step, 1000*g.Steps[step])
		}
		fmt.Fprintln(b.app.stdout)
	}
	for _, f := range r.Faults {
		fmt.Fprintln(b.app.stdout, f)
	}
	_, err := fmt.Fprintf(b.app.stdout, "%d answers checked, verified: %v\n", r.Answers, r.Verified)
	return err
}
