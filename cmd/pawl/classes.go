package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// warmUp is how long the servers and the processes have to get warm before anything counts.
const warmUp = 30 * time.Second

// classesReport is the JSON of `pawl bench all --report`: latency of each pipeline's main output in
// milliseconds, all pipelines running at once.
type classesReport struct {
	Rate      int                      `json:"rate"`
	Seconds   float64                  `json:"seconds"`
	Embedded  bool                     `json:"embedded_broker"`
	Pipelines map[string]latencyReport `json:"pipelines"`
	Results   map[string]int           `json:"results"`
	Verified  bool                     `json:"verified"`
}

// observed is one pipeline's main output under the clock.
type observed struct {
	act      *act
	consumer *kgo.Client
	sent     *sendTimes // of a pipeline with a result for each record; nil: results are of windows
	mu       sync.Mutex
	seen     map[origin]time.Time
	delays   []time.Duration // from a window's end to its result
	from     time.Time       // what was sent before does not count, however late its result is
}

// runClasses runs all pipelines at once under a steady load and measures each one's latency: from
// handing a record to the producer until a read_committed consumer has its result, or, for results
// of windows, from the window's end. Event time is the clock's. The first half minute, or third,
// does not count.
func (a *app) runClasses(ctx context.Context, o benchOptions) (err error) {
	named := pipelines()
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	g, err := a.openGround(life, a.sources(o.flags), named)
	if err != nil {
		return err
	}
	defer g.close()
	st := &stage{app: a, cluster: g.cluster, dir: g.dir, view: newView(a.stdout),
		shape: func(s *fleetSpec) { s.profile = o.profile },
		options: demoOptions{rate: max(o.rate/len(named), 1), instances: 1, clean: true,
			partitions: o.partitions, duration: o.duration, seed: o.seed, users: o.users}}
	defer st.close()
	var all []*observed
	for _, p := range named {
		if err := st.add(life, p, g.settings); err != nil {
			return err
		}
		seen, err := st.observe(st.acts[len(st.acts)-1])
		if err != nil {
			return err
		}
		defer seen.consumer.Close()
		all = append(all, seen)
	}
	reading, stop := context.WithCancel(life)
	counts := time.Now().Add(min(warmUp, o.duration/3))
	var readers sync.WaitGroup
	for _, seen := range all {
		seen.from = counts
		readers.Go(func() { seen.read(reading) })
	}
	verdict := st.play(ctx, life)
	stop()
	readers.Wait()
	var wrong *verdictError
	if verdict != nil && !errors.As(verdict, &wrong) {
		return verdict
	}
	return errors.Join(verdict, a.reportClasses(o, st, all, verdict == nil))
}

// observe opens a consumer at the end of the act's main output.
func (st *stage) observe(t *act) (*observed, error) {
	seen := &observed{act: t, seen: map[origin]time.Time{}}
	topic := t.pipeline.outcomes(t.settings)
	if topic == "" || !t.settings.Bool("provenance.header") {
		topic = t.pipeline.alerts
	} else {
		seen.sent = &sendTimes{topic: t.inputs[0], began: map[*kgo.Record]time.Time{},
			at: map[origin]time.Time{}}
		t.options = append(t.options, kgo.WithHooks(seen.sent))
	}
	t.options = append(t.options, kgo.ProducerLinger(0))
	var err error
	seen.consumer, err = st.cluster.client(
		kgo.ConsumeTopics(t.settings.Text("topic.prefix")+topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))
	return seen, err
}

// read notes when results were seen, until ctx ends.
func (s *observed) read(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := s.consumer.PollFetches(ctx)
		now := time.Now()
		s.mu.Lock()
		fetches.EachRecord(func(rec *kgo.Record) {
			if s.sent == nil {
				// A window's result carries the window's end − 1 ms as its timestamp.
				if end := rec.Timestamp.Add(time.Millisecond); !end.Before(s.from) {
					s.delays = append(s.delays, now.Sub(end))
				}
			} else if at, ok := provenance(rec); ok && s.sent.counts(at.offset) {
				s.seen[at] = now
			}
		})
		s.mu.Unlock()
	}
}

func (s *observed) report() (latencyReport, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sent != nil {
		s.sent.spare(s.seen, s.from)
		return s.sent.against(s.seen), len(s.seen)
	}
	slices.Sort(s.delays)
	ms := func(q float64) float64 { return float64(quantile(s.delays, q).Microseconds()) / 1000 }
	return latencyReport{P50: ms(0.5), P99: ms(0.99)}, len(s.delays)
}

func (a *app) reportClasses(o benchOptions, st *stage, all []*observed, verified bool) error {
	r := classesReport{Rate: o.rate, Seconds: o.duration.Seconds(), Verified: verified,
		Embedded: st.cluster.embedded != nil, Pipelines: map[string]latencyReport{},
		Results: map[string]int{}}
	fmt.Fprintf(a.stdout, "\n%d records a second over %d pipelines for %v\n", o.rate, len(all),
		o.duration)
	for _, seen := range all {
		name := seen.act.pipeline.name
		latency, n := seen.report()
		r.Pipelines[name], r.Results[name] = latency, n
		from := "from the record"
		if seen.sent == nil {
			from = "from the window's end"
		}
		fmt.Fprintf(a.stdout, "  %-10s %8d results   p50 %9.1f ms   p99 %9.1f ms   %s\n", name, n,
			latency.P50, latency.P99, from)
	}
	fmt.Fprintf(a.stdout, "  verified: %v\n", verified)
	return writeReport(o.report, r)
}
