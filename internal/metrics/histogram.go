package metrics

import (
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// weighted is a histogram that takes many equal observations at once, which Prometheus' own does
// not: an epoch tells about thousands of records in one event. It is classic and native at once.
type weighted struct {
	desc   *prometheus.Desc
	bounds []float64 // upper bounds, ascending, inclusive

	mu     sync.Mutex
	counts []uint64         // per bound, not cumulative
	schema int32            // of the native buckets: 2^schema of them double the value
	native map[int32]uint64 // by number of the native bucket
	zero   uint64           // native: 0 and below
	count  uint64
	sum    float64
}

// maxNative is how many native buckets a histogram may have; more make it coarser, by half.
const maxNative = 160

// newWeighted declares a histogram whose values are known to about a power of 2^(2^-schema).
func newWeighted(name, help string, bounds []float64, schema int32) *weighted {
	return &weighted{desc: prometheus.NewDesc(name, help, nil, nil), bounds: bounds, schema: schema,
		counts: make([]uint64, len(bounds)), native: map[int32]uint64{}}
}

// observe counts n observations of value.
func (w *weighted) observe(value float64, n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i, _ := slices.BinarySearch(w.bounds, value); i < len(w.bounds) {
		w.counts[i] += n
	}
	w.count += n
	w.sum += value * float64(n)
	if value <= 0 {
		w.zero += n
		return
	}
	w.native[w.bucket(value)] += n
	if len(w.native) > maxNative {
		w.coarsen()
	}
}

// bucket is the number of the native bucket whose upper bound, which belongs to it, is the first
// at or above value: bucket i ends at 2^(i/2^schema).
func (w *weighted) bucket(value float64) int32 {
	return int32(math.Ceil(math.Log2(value) * math.Ldexp(1, int(w.schema))))
}

// coarsen makes one native bucket of two.
func (w *weighted) coarsen() {
	wider := make(map[int32]uint64, len(w.native))
	for i, n := range w.native {
		wider[(i+1)>>1] += n
	}
	w.native = wider
	w.schema--
}

// Describe implements prometheus.Collector.
func (w *weighted) Describe(ch chan<- *prometheus.Desc) { ch <- w.desc }

// Collect implements prometheus.Collector. What it sends is a copy: it is written after the next
// observations.
func (w *weighted) Collect(ch chan<- prometheus.Metric) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := &dto.Histogram{SampleCount: proto.Uint64(w.count), SampleSum: proto.Float64(w.sum)}
	var below uint64
	for i, bound := range w.bounds {
		below += w.counts[i]
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: proto.Float64(bound),
			CumulativeCount: proto.Uint64(below)})
	}
	h.Schema, h.ZeroThreshold = proto.Int32(w.schema), proto.Float64(0)
	h.ZeroCount = proto.Uint64(w.zero)
	w.spans(h)
	ch <- snapshot{w.desc, h}
}

// spans writes the native buckets as runs of neighbours, each with what it has more than the one
// before.
func (w *weighted) spans(h *dto.Histogram) {
	var next int32
	var before int64
	for _, i := range slices.Sorted(maps.Keys(w.native)) {
		if len(h.PositiveSpan) == 0 || i != next {
			h.PositiveSpan = append(h.PositiveSpan, &dto.BucketSpan{Offset: proto.Int32(i - next),
				Length: proto.Uint32(0)})
		}
		last := h.PositiveSpan[len(h.PositiveSpan)-1]
		*last.Length++
		n := int64(w.native[i])
		h.PositiveDelta = append(h.PositiveDelta, n-before)
		next, before = i+1, n
	}
	if len(h.PositiveSpan) == 0 { // an empty span says that the histogram is native all the same
		h.PositiveSpan = []*dto.BucketSpan{{Offset: proto.Int32(0), Length: proto.Uint32(0)}}
	}
}

// snapshot is a histogram as it was when it was collected.
type snapshot struct {
	desc *prometheus.Desc
	h    *dto.Histogram
}

// Desc implements prometheus.Metric.
func (s snapshot) Desc() *prometheus.Desc { return s.desc }

// Write implements prometheus.Metric.
func (s snapshot) Write(m *dto.Metric) error {
	m.Histogram = s.h
	return nil
}

// powers gives n upper bounds, each twice the one before.
func powers(first float64, n int) []float64 {
	return prometheus.ExponentialBuckets(first, 2, n)
}

// histogram is the options of a histogram that is classic and native at once.
func histogram(name, help string, buckets []float64) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: maxNative,
		NativeHistogramMinResetDuration: time.Hour}
}
