package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"pawl/audit"
	"pawl/internal/chaos"
	"pawl/internal/verify"
)

const (
	sampleEvery = time.Second
	// drainWithin is what the instances have after the last fault to be done with everything.
	drainWithin = 2*ordealTimeout + 30*time.Second
	// drainAtMost is when waiting ends although there is something left.
	drainAtMost = 2 * time.Minute
	// closedWithin is what brokers have to end what dead instances left open.
	closedWithin = 2*ordealTimeout + 5*time.Second
)

// run has the campaign run under load, drains, stops, and gives the verdict.
func (d *ordeal) run(ctx, life context.Context) error {
	for _, t := range d.stage.acts {
		jumps := make(chan time.Duration)
		d.jumps[t.group] = jumps
		t.load = d.jumpy(t, jumps)
	}
	began := time.Now()
	d.campaign.Began = began
	sampling, stop := context.WithCancel(life)
	var sampler sync.WaitGroup
	sampler.Go(func() { d.sample(sampling) })
	err := d.stage.perform(ctx, life, func(ctx context.Context) error {
		d.settle(ctx)
		return nil
	})
	stop()
	sampler.Wait()
	if err != nil {
		return err
	}
	report := d.report()
	report.Duration = seconds(time.Since(began)) - report.Drain
	judging := time.Now()
	d.leftOpen(life)
	report.Pipelines = d.judge(life)
	report.Audits = d.audit(life)
	report.Verify = seconds(time.Since(judging))
	return d.conclude(report)
}

// settle waits until all is processed and stops all instances; what goes wrong is a violation.
func (d *ordeal) settle(ctx context.Context) {
	began := time.Now()
	for _, t := range d.stage.acts {
		err := drain(ctx, t.adm, t.group, t.inputs, max(drainWithin-time.Since(began), time.Second),
			func(int64) {})
		if err == nil {
			continue
		}
		d.violate("drained", t.pipeline.name, "%v", err)
		if err := drain(ctx, t.adm, t.group, t.inputs, drainAtMost, func(int64) {}); err != nil {
			d.violate("drained", t.pipeline.name, "given up: %v", err)
		}
	}
	d.drain = time.Since(began)
	d.stage.view.event(fmt.Sprintf("everything is processed after %v; stopping the instances",
		d.drain.Round(time.Millisecond)))
	errs := make([]error, len(d.stage.acts))
	var all sync.WaitGroup
	for i, t := range d.stage.acts {
		all.Go(func() { errs[i] = t.fleet.stop(ordealStop) })
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			d.violate("stop", d.stage.acts[i].pipeline.name, "%v", err)
		}
	}
}

// sample notes throughput, lag and memory until ctx ends.
func (d *ordeal) sample(ctx context.Context) {
	at := map[place]progress{}
	for chaos.Wait(ctx, sampleEvery) {
		now := time.Now()
		s := d.stage.snapshot(now)
		for _, m := range d.instances() {
			known(at, m)
		}
		d.mu.Lock()
		d.samples = append(d.samples, chaos.Sample{At: seconds(now.Sub(d.campaign.Began)),
			Sent: s.sent, Processed: int64(s.totals.Records), Lag: lag(at)})
		d.mu.Unlock()
		for _, m := range d.instances() {
			rss, err := m.process().PeakRSS()
			if err != nil {
				continue // it ended this very moment
			}
			d.mu.Lock()
			d.peaks[m.name] = max(d.peaks[m.name], rss)
			d.mu.Unlock()
		}
	}
}

// known adds what an instance knows of its places. A task that is being restored knows nothing yet,
// so what was known before stays.
func known(at map[place]progress, m *instance) {
	last, _ := m.known()
	if last == nil {
		return
	}
	for _, task := range last.Tasks {
		for _, in := range task.Inputs {
			p := place{in.Topic, in.Partition}
			at[p] = progress{committed: max(at[p].committed, in.Offset),
				end: max(at[p].end, in.End)}
		}
	}
}

// instances are all that were ever started.
func (d *ordeal) instances() []*instance {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*instance
	for _, t := range d.stage.acts {
		all = append(all, t.fleet.members...)
		if m := d.extras[t]; m != nil && m.process() != nil {
			all = append(all, m)
		}
	}
	return all
}

// leftOpen looks for transactions that nobody ended. A dead instance's has its timeout.
func (d *ordeal) leftOpen(ctx context.Context) {
	for _, t := range d.stage.acts {
		var open string
		if !until(ctx, closedWithin, func() bool {
			open = t.open(ctx)
			return open == ""
		}) {
			d.violate("closed", t.group, "%s", open)
		}
	}
}

// open says which of the pipeline's transactions is open, or which of its topics has records that
// one holds back; "" for none.
func (t *act) open(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	all, err := t.adm.ListTransactions(ctx, nil, nil)
	if err != nil {
		return fmt.Sprintf("list transactions: %v", err)
	}
	for _, one := range all.Sorted() {
		if strings.HasPrefix(one.TxnID, t.group+"-") && slices.Contains(
			[]string{"Ongoing", "PrepareCommit", "PrepareAbort"}, one.State) {
			return fmt.Sprintf("transactional id %s is %s", one.TxnID, one.State)
		}
	}
	topics, err := t.adm.ListTopics(ctx)
	if err != nil {
		return fmt.Sprintf("list topics: %v", err)
	}
	prefix := t.settings.Text("topic.prefix")
	names := slices.DeleteFunc(topics.Names(), func(name string) bool {
		return !strings.HasPrefix(name, t.group) && !strings.HasPrefix(name, prefix)
	})
	stable, err := t.adm.ListCommittedOffsets(ctx, names...)
	if err != nil {
		return fmt.Sprintf("list last stable offsets: %v", err)
	}
	ends, err := t.adm.ListEndOffsets(ctx, names...)
	if err != nil {
		return fmt.Sprintf("list end offsets: %v", err)
	}
	held := ""
	ends.Each(func(end kadm.ListedOffset) {
		at, ok := stable.Lookup(end.Topic, end.Partition)
		if held == "" && (!ok || at.Offset != end.Offset) {
			held = fmt.Sprintf("%s-%d ends at %d and is stable to %d only", end.Topic,
				end.Partition, end.Offset, at.Offset)
		}
	})
	return held
}

// judge compares every pipeline with its model; what differs is a violation.
func (d *ordeal) judge(ctx context.Context) map[string]*verify.Report {
	reports := map[string]*verify.Report{}
	for _, t := range d.stage.acts {
		name := t.pipeline.name
		bar := newProgress(d.stage.app.stdout, "verifying "+name, 0)
		r, err := d.stage.cluster.verdict(ctx, t.pipeline.spec(t.settings), t.group, bar.set)
		bar.finish()
		if err != nil {
			d.violate("oracle", name, "%v", err)
			continue
		}
		reports[name] = r
		if r.Oracle == "match" {
			continue
		}
		d.violate("oracle", name, "%d missing, %d extra, %d different, %d state entries "+
			"different, %d ledgers different, %d unprocessed", r.Missing, r.Extra, r.Different,
			r.StateDifferent, r.LedgerDifferent, r.Unprocessed)
		for _, e := range r.Examples {
			d.violate("oracle-"+e.Kind, e.Where, "%s", e.Detail)
		}
	}
	return reports
}

// audit re-adds what every pipeline left, without its model; what does not add up is a violation.
func (d *ordeal) audit(ctx context.Context) map[string]*audit.Report {
	reports := map[string]*audit.Report{}
	for _, t := range d.stage.acts {
		name, s := t.pipeline.name, t.settings
		bar := newProgress(d.stage.app.stdout, "auditing "+name, 0)
		r, err := audit.Run(ctx, audit.Options{ApplicationID: t.group,
			Pipeline: t.pipeline.build(s), TopicPrefix: s.Text("topic.prefix"),
			NoProvenance: !s.Bool("provenance.header"), Kafka: d.stage.cluster.options(),
			Registry: d.stage.cluster.schemas(), Progress: bar.set})
		bar.finish()
		if err != nil {
			d.violate("audit", name, "%v", err)
			continue
		}
		reports[name] = r
		for _, v := range r.Violations {
			d.violate("audit-"+v.Invariant, v.Where, "%s", v.Detail)
		}
	}
	return reports
}

// report is what the campaign and the instances know.
func (d *ordeal) report() *chaos.Report {
	r := &chaos.Report{Broker: d.options.broker, Brokers: len(d.brokers), Rate: d.options.rate,
		Drain: seconds(d.drain), Samples: d.samples, Violations: []chaos.Violation{}}
	r.Tell(d.campaign)
	for _, m := range d.instances() {
		_, totals := m.known()
		r.Committed += int64(totals.EpochsCommitted)
		r.Aborted += int64(totals.EpochsAborted)
		r.Unconfirmed += int64(totals.Unconfirmed)
		r.Instances = append(r.Instances, chaos.Instance{Name: m.name, Starts: m.started(),
			PeakRSS: d.peaks[m.name]})
	}
	return r
}

// conclude prints and writes the verdict; a violation is an error.
func (d *ordeal) conclude(r *chaos.Report) error {
	r.Oracle = "match"
	for _, t := range d.stage.acts {
		one := r.Pipelines[t.pipeline.name]
		if one == nil || one.Oracle != "match" {
			r.Oracle = "mismatch"
		}
		if one != nil {
			r.Records += one.RecordsIn
		}
	}
	r.Violations = append(r.Violations, d.violations...)
	w := d.stage.app.stdout
	fmt.Fprintln(w)
	if err := printVerdict(w, r.Pipelines); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nfaults")
	for _, t := range chaos.Traits() {
		if n, ok := r.Faults[t.Kind]; ok {
			fmt.Fprintf(w, "  %-16s %4d\n", t.Kind, n)
		}
	}
	fmt.Fprintf(w, "\n%d faults took effect   recovery p50 %.2fs, p99 %.2fs, max %.2fs (%d)\n"+
		"%d records   epochs %d committed, %d aborted, %d unconfirmed\n"+
		"drained in %.1fs, verified in %.1fs\nseed: %d\noracle: %s\nviolations: %d\n",
		r.FaultsTotal, r.Recovery.P50, r.Recovery.P99, r.Recovery.Max, r.Recovery.Count, r.Records,
		r.Committed, r.Aborted, r.Unconfirmed, r.Drain, r.Verify, r.Seed, r.Oracle,
		len(r.Violations))
	for _, v := range r.Violations {
		fmt.Fprintf(w, "  %s %s: %s\n", v.Invariant, v.Where, v.Detail)
	}
	if err := writeReport(d.options.report, r); err != nil {
		return err
	}
	if d.options.html != "" {
		page, err := r.Page()
		if err == nil {
			err = os.WriteFile(d.options.html, page, 0o644)
		}
		if err != nil {
			return fmt.Errorf("write report %s: %w", d.options.html, err)
		}
	}
	if len(r.Violations) > 0 {
		return &verdictError{text: fmt.Sprintf("%d violations", len(r.Violations))}
	}
	return nil
}
