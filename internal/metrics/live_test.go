package metrics

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/pipelines/activity"
	"pawl/pipelines/fraud"
	"pawl/pipelines/funnel"
	"pawl/pipelines/iot"
	"pawl/pipelines/pageviews"
	"pawl/processor"
)

// family is what the series of a metric have in common.
type family struct {
	kind   dto.MetricType
	labels []string // sorted, of all series
	bounds []string // of a histogram, as le has them
}

// live are the metrics of all five pipelines once everything has happened at least once, by name.
func live(t *testing.T) map[string]family {
	t.Helper()
	all := make(map[string]family)
	for _, p := range []*processor.Pipeline{fraud.New(fraud.Config{}), iot.New(iot.Config{}),
		activity.New(activity.Config{}), pageviews.New(pageviews.Config{}),
		funnel.New(funnel.Config{})} {
		m := New(p.Name(), func() processor.Status {
			return processor.Status{State: "RUNNING", Tasks: []processor.TaskStatus{{Name: "x-0",
				State: processor.TaskRunning, Watermark: time.Now(),
				Inputs: []processor.InputStatus{{Topic: "t"}}}}}
		})
		m.Build("v1", "abc")
		m.Count(p.Counters())
		happen(m)
		families, err := m.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			all[f.GetName()] = describe(f)
		}
	}
	return all
}

// happen has each of the engine's events and of the clients' happen once.
func happen(m *Metrics) {
	m.Events(func() int { return 1 }, func() int64 { return 1 })
	l := m.Listener()
	l.TaskState(processor.TaskStateInfo{Task: "x-0", State: processor.TaskRunning})
	l.Restore(processor.RestoreInfo{Task: "x-0", Target: 5, Done: true})
	l.Waiting(processor.WaitInfo{Task: "x-0"})
	l.DeadLettered(processor.DeadLetterInfo{Exception: "DecodeError"})
	l.Enriched(processor.EnrichInfo{Task: "x-0", Enrichment: "risk",
		Result: processor.EnrichAnswered})
	l.Breaker(processor.BreakerInfo{Task: "x-0", Enrichment: "risk", State: "open"})
	l.EpochAborted(processor.AbortInfo{Reason: "produce"})
	l.EpochCommitted(processor.EpochInfo{Records: 1, PerTask: []processor.TaskEpoch{{Task: "x-0"}}})
	fail, broker := errors.New("down"), kgo.BrokerMetadata{NodeID: 1}
	for _, hooks := range m.clients {
		hooks.OnBrokerConnect(broker, 0, nil, nil)
		hooks.OnBrokerConnect(broker, 0, nil, fail)
		hooks.OnBrokerDisconnect(broker, nil)
		hooks.OnBrokerThrottle(broker, time.Second, false)
		for _, e2e := range []kgo.BrokerE2E{{}, {WriteErr: fail}, {ReadErr: fail}} {
			hooks.OnBrokerE2E(broker, 0, e2e)
		}
		hooks.OnProduceBatchWritten(broker, "t", 0, kgo.ProduceBatchMetrics{})
		hooks.OnFetchBatchRead(broker, "t", 0, kgo.FetchBatchMetrics{})
	}
}

func describe(f *dto.MetricFamily) family {
	labels, bounds := make(map[string]bool), make(map[string]bool)
	for _, series := range f.Metric {
		for _, l := range series.Label {
			labels[l.GetName()] = true
		}
		for _, b := range series.GetHistogram().GetBucket() {
			bounds[strconv.FormatFloat(b.GetUpperBound(), 'g', -1, 64)] = true
		}
	}
	return family{f.GetType(), slices.Sorted(maps.Keys(labels)), slices.Sorted(maps.Keys(bounds))}
}

// own tells whether a metric is not Go's or the process'.
func own(name string) bool {
	return !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_")
}

// TestEachHistogramIsNative: a scraper that can takes the finer one.
func TestEachHistogramIsNative(t *testing.T) {
	m := New("fraud", idle)
	happen(m)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range families {
		if f.GetType() != dto.MetricType_HISTOGRAM || !own(f.GetName()) {
			continue
		}
		seen++
		for _, series := range f.Metric {
			if h := series.GetHistogram(); h.Schema == nil || len(h.Bucket) == 0 {
				t.Errorf("%s is not both: schema %v, %d classic buckets", f.GetName(), h.Schema,
					len(h.Bucket))
			}
		}
	}
	if seen < 8 {
		t.Errorf("only %d histograms", seen)
	}
}
