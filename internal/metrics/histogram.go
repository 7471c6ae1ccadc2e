package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// weighted is a histogram that takes many equal observations at once, which Prometheus' own does
// not: an epoch tells about thousands of records in one event.
type weighted struct {
	desc   *prometheus.Desc
	bounds []float64 // upper bounds, ascending, inclusive

	mu     sync.Mutex
	counts []uint64 // per bound, not cumulative
	count  uint64
	sum    float64
}

func newWeighted(name, help string, bounds []float64) *weighted {
	return &weighted{desc: prometheus.NewDesc(name, help, nil, nil), bounds: bounds,
		counts: make([]uint64, len(bounds))}
}

// observe counts n observations of value.
func (w *weighted) observe(value float64, n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, bound := range w.bounds {
		if value <= bound {
			w.counts[i] += n
			break
		}
	}
	w.count += n
	w.sum += value * float64(n)
}

// Describe implements prometheus.Collector.
func (w *weighted) Describe(ch chan<- *prometheus.Desc) { ch <- w.desc }

// Collect implements prometheus.Collector.
func (w *weighted) Collect(ch chan<- prometheus.Metric) {
	w.mu.Lock()
	defer w.mu.Unlock()
	cumulative := make(map[float64]uint64, len(w.bounds))
	var below uint64
	for i, bound := range w.bounds {
		below += w.counts[i]
		cumulative[bound] = below
	}
	ch <- prometheus.MustNewConstHistogram(w.desc, w.count, w.sum, cumulative)
}

// powers gives n upper bounds, each twice the one before.
func powers(first float64, n int) []float64 {
	return prometheus.ExponentialBuckets(first, 2, n)
}
