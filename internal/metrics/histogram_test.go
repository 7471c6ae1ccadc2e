package metrics

import (
	"maps"
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// collected is what a collector's only metric writes.
func collected(t *testing.T, c prometheus.Collector) *dto.Metric {
	t.Helper()
	ch := make(chan prometheus.Metric, 1)
	c.Collect(ch)
	var m dto.Metric
	if err := (<-ch).Write(&m); err != nil {
		t.Fatal(err)
	}
	return &m
}

// natives are the native buckets as number and count.
func natives(h *dto.Histogram) map[int32]int64 {
	all := make(map[int32]int64)
	var at int32
	var n int64
	deltas := h.PositiveDelta
	for _, span := range h.PositiveSpan {
		at += span.GetOffset()
		for range span.GetLength() {
			n += deltas[0]
			deltas = deltas[1:]
			all[at] = n
			at++
		}
	}
	return all
}

// TestWeightedIsPrometheus compares with Prometheus' own histogram, observation by observation.
func TestWeightedIsPrometheus(t *testing.T) {
	bounds := powers(1e-3, 10)
	w := newWeighted("x", "x", bounds, 3)
	own := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x", Help: "x", Buckets: bounds,
		NativeHistogramBucketFactor: 1.1})
	for i, value := range []float64{0.001, 0.0011, 0.5, 0.512, 1, 1, 2, 3.7, 800, 0, 1e-9, 0.25} {
		n := uint64(i%3 + 1)
		w.observe(value, n)
		for range n {
			own.Observe(value)
		}
	}
	got := collected(t, w).GetHistogram()
	var m dto.Metric
	if err := own.Write(&m); err != nil {
		t.Fatal(err)
	}
	want := m.GetHistogram()
	if got.GetSampleCount() != want.GetSampleCount() ||
		math.Abs(got.GetSampleSum()-want.GetSampleSum()) > 1e-6 ||
		got.GetSchema() != want.GetSchema() {
		t.Errorf("got %v, want %v", got, want)
	}
	for i, b := range want.Bucket {
		if *got.Bucket[i].UpperBound != *b.UpperBound ||
			*got.Bucket[i].CumulativeCount != *b.CumulativeCount {
			t.Errorf("bucket %v, want %v", got.Bucket[i], b)
		}
	}
	if !maps.Equal(natives(got), natives(want)) || got.GetZeroCount() != want.GetZeroCount() {
		t.Errorf("native %v, %d zero; want %v, %d", natives(got), got.GetZeroCount(), natives(want),
			want.GetZeroCount())
	}
}

// TestNativeIsBounded observes more values than there may be buckets.
func TestNativeIsBounded(t *testing.T) {
	w := newWeighted("x", "x", powers(1, 2), 3)
	for i := range 400 {
		w.observe(math.Pow(1.3, float64(i-200)), 2)
	}
	h := collected(t, w).GetHistogram()
	all := natives(h)
	var sum int64
	for at, n := range all {
		if n < 0 {
			t.Errorf("bucket %d has %d", at, n)
		}
		sum += n
	}
	if len(all) > maxNative || sum != 800 || h.GetSchema() >= 3 {
		t.Errorf("%d buckets with %d, schema %d", len(all), sum, h.GetSchema())
	}
	top := math.Exp2(math.Ldexp(1, -int(h.GetSchema())) * float64(w.bucket(math.Pow(1.3, 199))))
	if low := math.Pow(1.3, 199); top < low || top > 4*low {
		t.Errorf("the last bucket ends at %g, for %g", top, low)
	}
	if empty := collected(t, newWeighted("y", "y", nil, 0)).GetHistogram(); empty.Schema == nil ||
		len(empty.PositiveSpan) != 1 {
		t.Errorf("an empty one is not native: %v", empty)
	}
}
