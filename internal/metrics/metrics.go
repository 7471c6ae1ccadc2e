package metrics

import (
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pawl/processor"
)

// Metrics are the metrics of one instance of one pipeline.
type Metrics struct {
	registry  *prometheus.Registry
	ours      prometheus.Registerer // adds the label pipeline
	collector *collector
	totals    totals
	clients   map[string]clientHooks            // by role
	business  map[string]*prometheus.CounterVec // by name

	processed    *prometheus.CounterVec
	produced     *prometheus.CounterVec
	dead         *prometheus.CounterVec
	late         *prometheus.CounterVec
	deduplicated *prometheus.CounterVec
	filtered     *prometheus.CounterVec
	shed         *prometheus.CounterVec
	attempts     *prometheus.CounterVec
	restored     *prometheus.CounterVec
	transitions  *prometheus.CounterVec
	waits        *prometheus.CounterVec
	outputs      prometheus.Counter
	changes      prometheus.Counter
	restoring    *prometheus.GaugeVec
	restoreTime  prometheus.Histogram
	committed    prometheus.Counter
	aborted      *prometheus.CounterVec
	unconfirmed  prometheus.Counter
	calls        *prometheus.CounterVec
	callTime     *prometheus.HistogramVec
	breaker      *prometheus.GaugeVec
	trips        *prometheus.CounterVec
	checkpoints  checkpoints
	processing   *weighted
	latency      *weighted
	commit       prometheus.Histogram
	epochSize    prometheus.Histogram
}

// latencyBuckets is the number of buckets in which the engine reports latencies.
const latencyBuckets = len(processor.TaskEpoch{}.Latencies)

// New declares the metrics. status is asked for a snapshot at each scrape.
func New(pipeline string, status func() processor.Status) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), clients: make(map[string]clientHooks),
		business: make(map[string]*prometheus.CounterVec)}
	m.ours = prometheus.WrapRegistererWith(prometheus.Labels{"pipeline": pipeline}, m.registry)
	m.declareTasks()
	m.declareEpochs()
	m.declareEnrichments()
	m.checkpoints = declareCheckpoints(byTask)
	m.collector = newCollector(status)
	m.ours.MustRegister(m.processed, m.produced, m.dead, m.late, m.deduplicated, m.filtered, m.shed,
		m.restored, m.transitions, m.waits, m.restoring, m.restoreTime, m.attempts, m.aborted,
		m.committed, m.outputs, m.changes, m.unconfirmed, m.processing, m.latency, m.commit,
		m.epochSize, m.calls, m.callTime, m.breaker, m.trips, m.checkpoints.written,
		m.checkpoints.failed, m.checkpoints.uploaded, m.collector)
	for _, role := range roles {
		m.clients[role] = newClientHooks(role, m.ours)
	}
	m.registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// byTask is a counter with the label task.
func byTask(name, help string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help},
		[]string{"task"})
}

func (m *Metrics) declareTasks() {
	m.processed = byTask("messages_processed_total",
		"Input records in committed epochs, dead-lettered and late ones included.")
	m.produced = byTask("pawl_produced_bytes_total",
		"Bytes of keys and values produced in committed epochs, changelog included.")
	m.dead = byTask("pawl_dead_lettered_total",
		"Input records that went to the dead-letter topic, in committed epochs.")
	m.late = byTask("pawl_late_total",
		"Input records that came after watermark and grace had passed, in committed epochs.")
	m.deduplicated = byTask("pawl_deduplicated_total",
		"Input records dropped as duplicates, in committed epochs.")
	m.filtered = byTask("pawl_filtered_total",
		"Input records that the pipeline filtered out, in committed epochs.")
	m.shed = byTask("pawl_shed_total", "Input records shed, in committed epochs.")
	m.restored = byTask("pawl_restored_records_total",
		"Changelog records read to restore state; counted when a restore is done.")
	m.attempts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pawl_dead_letters_by_exception_total",
		Help: "Dead letters by their exception, counted once their epoch committed.",
	}, []string{"exception"})
	m.transitions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pawl_task_transitions_total",
		Help: "How often a task entered a state; RESTORING counts its recoveries.",
	}, []string{"task", "state"})
	m.waits = byTask("pawl_waits_total",
		"How often something outside was waited for, such as the registry; task is empty where "+
			"the whole instance did.")
	m.restoring = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "pawl_restore_remaining_records",
		Help: "Changelog records that a restore has yet to read, markers included.",
	}, []string{"task"})
	m.restoreTime = prometheus.NewHistogram(histogram("pawl_restore_seconds",
		"Time of a restore, from opening the store to its claim.", powers(0.125, 14)))
}

func (m *Metrics) declareEpochs() {
	m.committed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pawl_epochs_committed_total", Help: "Epochs committed."})
	m.aborted = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pawl_epochs_aborted_total",
		Help: "Epochs given up, by reason; their records are processed again.",
	}, []string{"reason"})
	m.outputs = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pawl_output_records_total",
		Help: "Records produced in committed epochs, dead letters and late records included.",
	})
	m.changes = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pawl_state_changes_total",
		Help: "Changes of state, each a record of the changelog, in committed epochs.",
	})
	m.unconfirmed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "pawl_commits_unconfirmed_total",
		Help: "Commits whose answer was lost; each was settled by reading the outcome back."})
	m.processing = newWeighted("message_processing_seconds",
		"Time to process one record: the mean over its epoch, waiting for the next one included.",
		powers(1e-6, 20), 3)
	m.latency = newWeighted("pawl_record_latency_seconds",
		"Time from a record's Kafka timestamp to its commit, in buckets of powers of two.",
		powers(1e-3, latencyBuckets), 0)
	m.commit = prometheus.NewHistogram(histogram("pawl_commit_seconds",
		"Time from beginning a transaction to its commit.", powers(1e-3, 16)))
	m.epochSize = prometheus.NewHistogram(histogram("pawl_epoch_records",
		"Input records in a committed epoch.", prometheus.ExponentialBuckets(1, 4, 11)))
}

func (m *Metrics) declareEnrichments() {
	m.trips = byTask("pawl_deadletter_breaker_trips_total",
		"How often a task was stopped because too many records would have been dead letters.")
	m.calls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "pawl_enrich_calls_total",
		Help: "Calls of an enrichment's service by result, as they end; cached stands for " +
			"records that needed none.",
	}, []string{"task", "enrichment", "result"})
	m.callTime = prometheus.NewHistogramVec(histogram("pawl_enrich_call_seconds",
		"Time of one call of an enrichment's service.", powers(1e-3, 16)), []string{"enrichment"})
	m.breaker = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "pawl_enrich_breaker_state",
		Help: "1 for the state of an enrichment's circuit breaker, once it has opened.",
	}, []string{"task", "enrichment", "state"})
}

// Build says which binary this is.
func (m *Metrics) Build(version, commit string) {
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "pawl_build_info",
		Help: "Always 1; the labels name the binary.", ConstLabels: prometheus.Labels{
			"version": version, "commit": commit, "goversion": runtime.Version()}})
	build.Set(1)
	m.ours.MustRegister(build)
}

// Count declares the counters of a pipeline, so that each can be seen before it counts. Call it
// before the instance starts.
func (m *Metrics) Count(counters []*processor.Counter) {
	for _, c := range counters {
		var labels []string
		if c.Label() != "" {
			labels = []string{c.Label()}
		}
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: c.Name(), Help: c.Help()},
			labels)
		for _, value := range c.Values() {
			vec.WithLabelValues([]string{value}[:len(labels)]...)
		}
		m.ours.MustRegister(vec)
		m.business[c.Name()] = vec
	}
}

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Listener is what feeds the metrics; give it to the instance that New asks.
func (m *Metrics) Listener() processor.Listener {
	return processor.Listener{
		TaskState:      m.taskState,
		Restore:        m.restore,
		Checkpoint:     m.checkpoints.told,
		EpochCommitted: m.epochCommitted,
		EpochAborted:   m.epochAborted,
		DeadLettered: func(i processor.DeadLetterInfo) {
			m.attempts.WithLabelValues(i.Exception).Inc()
		},
		Waiting:  func(i processor.WaitInfo) { m.waits.WithLabelValues(i.Task).Inc() },
		Enriched: m.enriched,
		Breaker:  m.breakerState,
		Tripped:  func(i processor.TripInfo) { m.trips.WithLabelValues(i.Task).Inc() },
	}
}

// taskState makes a task's counters visible, at 0, before its first record.
func (m *Metrics) taskState(i processor.TaskStateInfo) {
	for _, c := range []*prometheus.CounterVec{m.processed, m.produced, m.dead, m.late,
		m.deduplicated, m.filtered, m.shed, m.trips} {
		c.WithLabelValues(i.Task)
	}
	m.transitions.WithLabelValues(i.Task, string(i.State)).Inc()
	if i.State != processor.TaskRestoring {
		m.restoring.DeleteLabelValues(i.Task)
	}
}

func (m *Metrics) enriched(i processor.EnrichInfo) {
	m.calls.WithLabelValues(i.Task, i.Enrichment, string(i.Result)).Inc()
	if i.Result != processor.EnrichCached {
		m.callTime.WithLabelValues(i.Enrichment).Observe(i.For.Seconds())
	}
}

func (m *Metrics) breakerState(i processor.BreakerInfo) {
	for _, state := range []string{"closed", "half-open", "open"} {
		value := 0.0
		if state == i.State {
			value = 1
		}
		m.breaker.WithLabelValues(i.Task, i.Enrichment, state).Set(value)
	}
}

func (m *Metrics) restore(i processor.RestoreInfo) {
	if i.Target >= 0 {
		m.restoring.WithLabelValues(i.Task).Set(float64(max(i.Target-i.Offset, 0)))
	}
	if i.Done {
		m.restored.WithLabelValues(i.Task).Add(float64(i.Records))
		m.restoreTime.Observe(i.Elapsed.Seconds())
	}
}

func (m *Metrics) epochCommitted(e processor.EpochInfo) {
	m.committed.Inc()
	m.outputs.Add(float64(e.Outputs))
	m.changes.Add(float64(e.Changes))
	m.commit.Observe(e.Duration.Seconds())
	m.epochSize.Observe(float64(e.Records))
	if e.Records > 0 {
		busy := max(e.Open-e.Duration, 0).Seconds()
		m.processing.observe(busy/float64(e.Records), uint64(e.Records))
	}
	for i := range e.PerTask {
		m.taskEpoch(&e.PerTask[i])
	}
	m.totals.commit(e)
}

func (m *Metrics) taskEpoch(t *processor.TaskEpoch) {
	add := func(c *prometheus.CounterVec, n int64) { c.WithLabelValues(t.Task).Add(float64(n)) }
	add(m.processed, t.Records)
	add(m.produced, t.Bytes)
	add(m.dead, t.Dead)
	add(m.late, t.Late)
	add(m.deduplicated, t.Deduplicated)
	add(m.filtered, t.Filtered)
	add(m.shed, t.Shed)
	for _, c := range t.Counted {
		if vec, ok := m.business[c.Counter]; ok {
			m.countBusiness(vec, c)
		}
	}
	for i, n := range t.Latencies {
		if n > 0 {
			// Within its bucket a record's latency is unknown; three quarters of the upper bound is
			// the middle of the bucket.
			m.latency.observe(0.75*float64(uint64(1)<<i)/1000, uint64(n))
		}
	}
}

func (m *Metrics) countBusiness(vec *prometheus.CounterVec, c processor.Counted) {
	labels := []string{c.Value}
	if c.Value == "" { // it has no label
		labels = nil
	}
	vec.WithLabelValues(labels...).Add(float64(c.N))
}

func (m *Metrics) epochAborted(a processor.AbortInfo) {
	m.aborted.WithLabelValues(a.Reason).Inc()
	if a.Unconfirmed {
		m.unconfirmed.Inc()
	}
	m.totals.abort(a)
}
