package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pawl/internal/chaos"
	"pawl/internal/settings"
)

// chaosOptions are the flags of `pawl chaos`.
type chaosOptions struct {
	file       string
	sets       []string
	registry   string
	broker     string
	brokers    int
	pipelines  []string
	rate       int
	instances  int
	partitions int
	duration   time.Duration
	seed       uint64
	faults     []string
	dir        string
	report     string
	html       string

	kinds []chaos.Kind // what faults stands for
}

// The brokers that are started for a campaign.
const (
	brokerEmbedded = "embedded"
	brokerLocal    = "local"
)

func (a *app) chaos() *cobra.Command {
	var o chaosOptions
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Have faults of all kinds done to the pipelines, and prove that nothing was lost",
		Long:  chaosText(),
		Example: `  pawl chaos --duration 1m
  pawl chaos --broker local --brokers 3 --duration 10m --report chaos.json
  pawl chaos --faults kill,kill-at,one-way --seed 7 --duration 30s
  pawl chaos --broker 127.0.0.1:9092 --registry http://127.0.0.1:8081`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return couldRun(a.runChaos(cmd.Context(), o))
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "config", "", "YAML file with settings")
	f.StringArrayVar(&o.sets, "set", nil, "one setting as key=value; may be repeated")
	f.StringVar(&o.broker, "broker", brokerEmbedded, "embedded, local, or host:port of a cluster")
	f.StringVar(&o.registry, "registry", "", "schema.registry.url of a cluster given by address")
	f.IntVar(&o.brokers, "brokers", 3, "brokers of an embedded or local cluster, 1 or 3")
	f.StringSliceVar(&o.pipelines, "pipelines", []string{"fraud", "activity"}, "pipelines to run")
	f.IntVar(&o.rate, "rate", 200, "records per second to generate, for each pipeline")
	f.IntVar(&o.instances, "instances", 2, "instances of each pipeline")
	f.IntVar(&o.partitions, "partitions", 4, "partitions of the input topics")
	f.DurationVar(&o.duration, "duration", time.Minute, "how long, 0 until Ctrl-C")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the faults and of the load")
	f.StringSliceVar(&o.faults, "faults", []string{"all"}, "kinds of faults, see above")
	f.StringVar(&o.dir, "dir", "", "keep data, settings and logs in this folder")
	f.StringVar(&o.report, "report", "",
		"write the report as JSON to this file, and as HTML beside it")
	f.StringVar(&o.html, "html", "", "write the report as HTML to this file")
	return cmd
}

// chaosText is the long help.
func chaosText() string {
	var b strings.Builder
	b.WriteString(`Run instances of the pipelines as processes of their own, under load with broken and
late records in it, and have faults done to them and to what is around them: one
after the other in each of two lanes, processes and servers, so that up to two
are in force at once. The seed decides on order, lengths and targets.

After --duration everything is healed, the instances finish what is there and
stop, and everything they wrote is compared with a plain model of each pipeline,
record by record, and so is their state. A fault counts when it was seen to have
taken effect.

--broker embedded  brokers and registry inside this process, nothing else needed
--broker local     processes of Apache Kafka and Apicurio Registry (make servers)
--broker ADDR      a cluster of yours, with --registry URL; topics of our own,
                   named pawl-chaos-…, deleted at the end unless --dir is given

Faults, with the clusters they work on (E embedded, L local, A address):

`)
	for _, t := range chaos.Traits() {
		fmt.Fprintf(&b, "  %-16s %-5s %s\n", t.Kind, worksOn(t.Kind), t.Does)
	}
	b.WriteString(`
broker-restart and coordinator-kill need --brokers 3. The clock that jumps is that
of the producers of the load: processing knows no other than that of the records.

--report FILE writes JSON, and a page for people beside it (FILE.html).

Exit 0 when nothing was violated, 1 when something was, 2 when it could not run.`)
	return b.String()
}

// worksOn names the brokers that a kind works on by their first letters.
func worksOn(k chaos.Kind) string {
	if slices.Contains(chaos.Supported(0), k) {
		return "E L A"
	}
	return "L"
}

// couldRun makes any error but a verdict one that ends with exit 2.
func couldRun(err error) error {
	var verdict *verdictError
	var wrong *usageError
	var faults settings.Faults
	if err == nil || errors.As(err, &verdict) || errors.As(err, &wrong) ||
		errors.As(err, &faults) {
		return err
	}
	return usage("chaos could not run: %v", err)
}

// check finds all that is wrong with the flags.
func (o *chaosOptions) check() error {
	var faults []string
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	given := o.broker != brokerEmbedded && o.broker != brokerLocal
	if given {
		for _, address := range strings.Split(o.broker, ",") {
			_, _, err := net.SplitHostPort(address)
			fault(err != nil, "--broker=%s is neither embedded nor local nor host:port; write for "+
				"example 127.0.0.1:9092", o.broker)
		}
		fault(o.registry == "", "--broker=%s needs --registry URL", o.broker)
	} else {
		fault(o.registry != "", "--registry=%s is for --broker ADDR; --broker=%s brings its own",
			o.registry, o.broker)
	}
	fault(o.brokers != 1 && o.brokers != 3, "--brokers=%d is not possible; give 1 or 3", o.brokers)
	fault(o.rate < 1 || o.rate > 10_000_000,
		"--rate=%d is out of range; give 1 to 10000000", o.rate)
	fault(o.instances < 1 || o.instances > 64,
		"--instances=%d is out of range; give 1 to 64", o.instances)
	fault(o.partitions < 1 || o.partitions > 1000,
		"--partitions=%d is out of range; give 1 to 1000", o.partitions)
	fault(o.duration < 0, "--duration=%v is negative; give 0 to run until Ctrl-C", o.duration)
	faults = append(faults, pipelineFaults(o.pipelines)...)
	faults = append(faults, o.kindFaults()...)
	if o.html == "" && o.report != "" {
		o.html = strings.TrimSuffix(o.report, ".json") + ".html"
	}
	for _, path := range []string{o.report, o.html} {
		if err := checkReportPath(path); err != nil {
			faults = append(faults, err.Error())
		}
	}
	if len(faults) > 0 {
		return usage("%s", strings.Join(faults, "\n"))
	}
	return nil
}

// processes is how many brokers there are that can be killed.
func (o *chaosOptions) processes() int {
	if o.broker == brokerLocal {
		return o.brokers
	}
	return 0
}

// kindFaults finds out which kinds are meant, and what is wrong with them.
func (o *chaosOptions) kindFaults() []string {
	supported := chaos.Supported(o.processes())
	if slices.Contains(o.faults, "all") {
		o.kinds = supported
		return nil
	}
	var known, faults []string
	for _, t := range chaos.Traits() {
		known = append(known, string(t.Kind))
	}
	o.kinds = nil
	for _, name := range o.faults {
		kind := chaos.Kind(name)
		switch {
		case !slices.Contains(known, name):
			faults = append(faults, fmt.Sprintf("--faults=%s is no kind of fault; the nearest "+
				"is %s", name, settings.Nearest(name, append(known, "all"))))
		case !slices.Contains(supported, kind):
			faults = append(faults, fmt.Sprintf("--faults=%s needs brokers of our own to kill; "+
				"use --broker local --brokers 3", name))
		case !slices.Contains(o.kinds, kind):
			o.kinds = append(o.kinds, kind)
		}
	}
	if len(o.faults) == 0 {
		faults = append(faults, "--faults is empty; give kinds, or all")
	}
	return faults
}

// runChaos sets the stage, has the campaign run, and gives the verdict.
func (a *app) runChaos(ctx context.Context, o chaosOptions) (err error) {
	named, err := pipelinesNamed(o.pipelines)
	if err != nil {
		return err
	}
	flags := sourceFlags{file: o.file, sets: o.sets, registry: o.registry}
	if o.registry != "" {
		flags.kafka = o.broker
	}
	s, _, err := judge(a.sources(flags), named, whatIsGiven)
	if err != nil {
		return err
	}
	a.notices(s)
	dir, remove, err := scratch(o.dir, "pawl-chaos-")
	if err != nil {
		return err
	}
	defer func() {
		if err == nil || o.dir != "" {
			remove()
			return
		}
		fmt.Fprintf(a.stderr, "pawl: data and logs of this campaign are kept in %s\n", dir)
	}()
	// What was started must be ended tidily also when ctx has ended: that only ends the faults.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	cluster, err := o.open(life, s, dir)
	if err != nil {
		return err
	}
	defer cluster.close()
	d, err := newOrdeal(life, a, o, cluster, dir, s.Duration("startup.timeout"))
	if err != nil {
		return err
	}
	defer d.close()
	for _, p := range named {
		if err := d.stage.add(life, p, s); err != nil {
			return err
		}
	}
	return d.run(ctx, life)
}
