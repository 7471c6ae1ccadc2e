package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pawl/internal/loadgen"
	"pawl/internal/settings"
)

// readsOptions are the flags of `pawl bench reads`.
type readsOptions struct {
	flags      sourceFlags
	reads      int
	tops       int
	events     int
	views      int
	users      int
	instances  int
	partitions int
	duration   time.Duration
	seed       uint64
	report     string
	profile    string
}

// readsReport is the JSON of `pawl bench reads --report`.
type readsReport struct {
	EventsPerSecond int                   `json:"events_per_second"`
	ViewsPerSecond  int                   `json:"page_views_per_second"`
	Users           int                   `json:"users"`
	Instances       int                   `json:"instances"`
	Partitions      int                   `json:"partitions"`
	Seconds         float64               `json:"seconds"`
	Embedded        bool                  `json:"embedded_broker"`
	Reads           map[string]*readStats `json:"reads"`
	Without         latencyReport         `json:"fraud_latency_ms_without_reads"`
	With            latencyReport         `json:"fraud_latency_ms_with_reads"`
	Cores           map[string][2]float64 `json:"cores_without_and_with_reads"`
	Verified        bool                  `json:"verified"`
}

const (
	topTen      = "top ten"
	topPages    = 10
	topPath     = "/v1/pageviews/top?n=10"
	topWorkers  = 32
	readWorkers = 256
	checkEvery  = 97 // one answer in so many is compared; prime, so that no kind is left out
	timedEvery  = 16 // one result in so many is timed
)

func (a *app) benchReads() *cobra.Command {
	o := readsOptions{}
	cmd := &cobra.Command{
		Use:   "reads",
		Short: "Measure reads over HTTP beside processing, and verify the answers",
		Long: `Run fraud at --events-per-second and pageviews at --views-per-second, each by
--instances child processes, and ask them over HTTP: --reads-per-second for single
users, half of them for the user's window and half for the stored value, and
--tops-per-second for the top ten pages. Any instance is asked for any user.

The first fifth of --duration warms up, then there are two fifths without reads and
two with them. A read's latency counts from when it should have been sent,
whatever the ones before it did, until its answer is read whole. One answer in
97 is compared with the input, replayed up to the offsets the answer names; at the
end all outputs and all state are compared with the model. Exit 1 unless all are
equal.

Processor time is told for the instances and for this process (load, reads and
consumers; the broker too, where it is embedded), each without and with the reads.`,
		Example: `  pawl bench reads --kafka 127.0.0.1:9092 --registry http://127.0.0.1:8081`,
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return a.runReads(cmd.Context(), o)
		},
	}
	o.flags.add(cmd)
	f := cmd.Flags()
	f.IntVar(&o.reads, "reads-per-second", 5000, "reads of single users")
	f.IntVar(&o.tops, "tops-per-second", 200, "reads of the top ten pages")
	f.IntVar(&o.events, "events-per-second", 20_000, "transactions that fraud processes")
	f.IntVar(&o.views, "views-per-second", 2000, "views that pageviews processes")
	f.IntVar(&o.users, "users", 100_000, "how many users there are")
	f.IntVar(&o.instances, "instances", 1, "instances of each pipeline")
	f.IntVar(&o.partitions, "partitions", 4, "partitions of the input topics")
	f.DurationVar(&o.duration, "duration", time.Minute, "how long in all")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the load and of the questions")
	f.StringVar(&o.report, "report", "", "write the result as JSON to this file")
	f.StringVar(&o.profile, "profile", "", profilesHelp)
	return cmd
}

func (o *readsOptions) check() error {
	var faults []string
	for _, n := range []struct {
		flag             string
		value, low, high int
	}{{"reads-per-second", o.reads, 1, 1_000_000}, {"tops-per-second", o.tops, 1, 100_000},
		{"events-per-second", o.events, 1, 10_000_000},
		{"views-per-second", o.views, 1, 10_000_000},
		{"users", o.users, 1, 100_000_000}, {"instances", o.instances, 1, 64},
		{"partitions", o.partitions, 1, 1000}} {
		if n.value < n.low || n.value > n.high {
			faults = append(faults, fmt.Sprintf("--%s=%d is out of range; give %d to %d", n.flag,
				n.value, n.low, n.high))
		}
	}
	if o.duration < 5*time.Second {
		faults = append(faults, fmt.Sprintf("--duration=%v is too short; give 5s or more",
			o.duration))
	}
	if err := checkReportPath(o.report); err != nil {
		faults = append(faults, err.Error())
	}
	if len(faults) > 0 {
		return usage("%s", strings.Join(faults, "\n"))
	}
	return nil
}

// readsRun is one measurement.
type readsRun struct {
	app          *app
	options      readsOptions
	stage        *stage
	fraud, views *act
	seen         *observed // fraud's decisions
	askers       []*asker
	times        [3]time.Time // when the quiet part begins, the reads begin, they end
	used         [3][2]time.Duration
	result       readsReport
}

// runReads runs both pipelines, asks them, and verifies.
func (a *app) runReads(ctx context.Context, o readsOptions) (err error) {
	named, err := pipelinesNamed([]string{"fraud", "pageviews"})
	if err != nil {
		return err
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	g, err := a.openGround(life, a.sources(o.flags), named)
	if err != nil {
		return err
	}
	defer g.close()
	b := &readsRun{app: a, options: o, stage: &stage{app: a, cluster: g.cluster, dir: g.dir,
		shape: func(s *fleetSpec) { s.profile = o.profile },
		title: "reads", view: newView(a.stdout), override: map[string]string{"log.level": "info"},
		options: demoOptions{instances: o.instances, clean: true, partitions: o.partitions,
			duration: o.duration, seed: o.seed}}}
	defer b.stage.close()
	if err := b.prepare(life, named, g.settings); err != nil {
		return err
	}
	defer b.seen.consumer.Close()
	reading, stop := context.WithCancel(life)
	var readers sync.WaitGroup
	readers.Go(func() { b.seen.read(reading) })
	verdict := b.stage.play(ctx, life)
	stop()
	readers.Wait()
	var wrong *verdictError
	if verdict != nil && !errors.As(verdict, &wrong) {
		return verdict
	}
	if ctx.Err() != nil {
		return errors.New("it was cut short: nothing is measured")
	}
	return b.conclude(life, verdict == nil)
}

// prepare starts the instances and says what the load is.
func (b *readsRun) prepare(ctx context.Context, named []pipeline, s *settings.Settings) error {
	st := b.stage
	for _, p := range named {
		if err := st.add(ctx, p, s); err != nil {
			return err
		}
	}
	b.fraud, b.views = st.acts[0], st.acts[1]
	var err error
	if b.seen, err = st.observe(b.fraud); err != nil {
		return err
	}
	if b.seen.sent == nil {
		b.seen.consumer.Close()
		return usage("it needs provenance.header and fraud.decisions")
	}
	b.seen.sent.every = timedEvery
	b.load(b.fraud, b.options.events, b.options.users)
	b.load(b.views, b.options.views, 0)
	st.trouble = b.ask
	return nil
}

func (b *readsRun) load(t *act, rate, users int) {
	t.load = func(ctx context.Context) error {
		f := b.stage.feed(t)
		f.rate, f.users, f.disorder = rate, users, 0
		return b.stage.cluster.feed(ctx, t.pipeline, t.settings, f)
	}
}

// ask is what happens beside the load: nothing at first, then nothing but a look at the clock,
// then the reads, until ctx ends.
func (b *readsRun) ask(ctx, _ context.Context) error {
	fifth := b.options.duration / 5
	for i, wait := range []time.Duration{fifth, 2 * fifth} {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
		if err := b.mark(i); err != nil {
			return err
		}
	}
	users := func(r *rand.Rand) string { return loadgen.Name("user-", 7, r.IntN(b.options.users)) }
	fraud, views := b.fraud.fleet.addresses(), b.views.fleet.addresses()
	if len(fraud) == 0 || len(views) == 0 {
		return errors.New("no instance has told where it listens; look into their logs")
	}
	half := max(b.options.reads/2, 1)
	b.askers = []*asker{
		{name: "fraud user", rate: half, targets: fraud, workers: readWorkers / 2,
			path: func(r *rand.Rand) string { return "/v1/fraud/users/" + users(r) }},
		{name: "key value", rate: half, targets: fraud, workers: readWorkers / 2,
			path: func(r *rand.Rand) string { return "/v1/state/keyvalue/velocity/" + users(r) }},
		{name: topTen, rate: b.options.tops, targets: views, workers: topWorkers,
			path: func(*rand.Rand) string { return topPath }},
	}
	var asking sync.WaitGroup
	begin := time.Now()
	for i, a := range b.askers {
		a.token, a.keep = b.fraud.settings.Text("api.token"), checkEvery
		a.seed = b.options.seed + uint64(i)
		asking.Go(func() { a.run(ctx, begin) })
	}
	asking.Wait()
	return b.mark(2)
}

// mark notes the time and the processor time used so far.
func (b *readsRun) mark(i int) error {
	b.times[i] = time.Now()
	for _, t := range b.stage.acts {
		for _, m := range t.fleet.members {
			used, err := m.process().CPUTime()
			if err != nil {
				return err
			}
			b.used[i][0] += used
		}
	}
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return fmt.Errorf("read own processor time: %w", err)
	}
	b.used[i][1] = time.Duration(own.Utime.Nano() + own.Stime.Nano())
	return nil
}

// latency is that of the results of what was sent between two times.
func (s *observed) latency(from, to time.Time) latencyReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent.mu.Lock()
	defer s.sent.mu.Unlock()
	var all []time.Duration
	for at, sent := range s.sent.at {
		if got, ok := s.seen[at]; ok && !sent.Before(from) && sent.Before(to) {
			all = append(all, got.Sub(sent))
		}
	}
	slices.Sort(all)
	ms := func(q float64) float64 { return float64(quantile(all, q).Microseconds()) / 1000 }
	return latencyReport{P50: ms(0.5), P99: ms(0.99)}
}

// conclude checks the kept answers, prints and writes the result.
func (b *readsRun) conclude(ctx context.Context, verified bool) error {
	o := b.options
	b.result = readsReport{EventsPerSecond: o.events, ViewsPerSecond: o.views, Users: o.users,
		Instances: o.instances, Partitions: o.partitions, Embedded: b.stage.cluster.embedded != nil,
		Seconds: seconds(b.times[2].Sub(b.times[1])), Reads: map[string]*readStats{},
		Without: b.seen.latency(b.times[0], b.times[1]), Cores: map[string][2]float64{},
		With: b.seen.latency(b.times[1], b.times[2])}
	for _, a := range b.askers {
		s := a.stats()
		check := b.checkUsers
		if a.name == topTen {
			check = b.checkTops
		}
		if err := check(ctx, s, a.answers); err != nil {
			return fmt.Errorf("check answers about %s: %w", a.name, err)
		}
		b.result.Reads[a.name] = s
		verified = verified && s.Wrong == 0 && s.Errors == 0 && s.Checked > 0
	}
	for i, who := range []string{"instances", "this process"} {
		cores := func(from, to int) float64 {
			return (b.used[to][i] - b.used[from][i]).Seconds() /
				b.times[to].Sub(b.times[from]).Seconds()
		}
		b.result.Cores[who] = [2]float64{cores(0, 1), cores(1, 2)}
	}
	b.result.Verified = verified
	if err := b.print(); err != nil {
		return err
	}
	return conclude(o.report, b.result, verified)
}

func (b *readsRun) print() error {
	r := b.result
	broker := "given broker"
	if r.Embedded {
		broker = "embedded broker in this process"
	}
	out := b.app.stdout
	fmt.Fprintf(out, "\nreads for %.0f s beside %d transactions/s and %d page views/s, %d "+
		"instances of each, %s\n", r.Seconds, r.EventsPerSecond, r.ViewsPerSecond, r.Instances,
		broker)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "ms\tper s\tanswered\tnot found\terrors\tp50\tp99\tp99.9\tmax\tchecked\t"+
		"wrong\t")
	for _, a := range b.askers {
		s := r.Reads[a.name]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t%d\t\n", a.name,
			s.PerSecond, s.Answered, s.NotFound, s.Errors, s.P50, s.P99, s.P999, s.Max, s.Checked,
			s.Wrong)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, a := range b.askers {
		for _, example := range r.Reads[a.name].Examples {
			fmt.Fprintln(out, example)
		}
		for _, fault := range sortedKeys(r.Reads[a.name].Faults) {
			fmt.Fprintf(out, "%d times: %s\n", r.Reads[a.name].Faults[fault], fault)
		}
	}
	fmt.Fprintf(out, "fraud's own latency, ms   without p50 %.1f p99 %.1f   with p50 %.1f p99 "+
		"%.1f\n", r.Without.P50, r.Without.P99, r.With.P50, r.With.P99)
	for _, who := range sortedKeys(r.Cores) {
		fmt.Fprintf(out, "cores used by %-12s  without %.2f   with %.2f\n", who, r.Cores[who][0],
			r.Cores[who][1])
	}
	_, err := fmt.Fprintf(out, "verified: %v\n", r.Verified)
	return err
}
