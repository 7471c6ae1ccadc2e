package metrics

import (
	"sync"

	"pawl/processor"
)

// Totals are the sums since the process started, for the commands of this binary.
type Totals struct {
	Records         int64                  `json:"records"`
	DeadLettered    int64                  `json:"dead_lettered"`
	Late            int64                  `json:"late"`
	EpochsCommitted int64                  `json:"epochs_committed"`
	EpochsAborted   int64                  `json:"epochs_aborted"`
	Unconfirmed     int64                  `json:"commits_unconfirmed"`
	CommitMillis    float64                `json:"commit_ms"` // of all commits together
	Latencies       [latencyBuckets]uint64 `json:"latencies"` // as in processor.TaskEpoch
}

type totals struct {
	mu  sync.Mutex
	sum Totals
}

// Totals is a snapshot.
func (m *Metrics) Totals() Totals {
	m.totals.mu.Lock()
	defer m.totals.mu.Unlock()
	return m.totals.sum
}

func (t *totals) commit(e processor.EpochInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.EpochsCommitted++
	t.sum.CommitMillis += float64(e.Duration.Microseconds()) / 1000
	for i := range e.PerTask {
		task := &e.PerTask[i]
		t.sum.Records += task.Records
		t.sum.DeadLettered += task.Dead
		t.sum.Late += task.Late
		for b, n := range task.Latencies {
			t.sum.Latencies[b] += uint64(n)
		}
	}
}

func (t *totals) abort(a processor.AbortInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sum.EpochsAborted++
	if a.Unconfirmed {
		t.sum.Unconfirmed++
	}
}

// Quantile is the latency in milliseconds under which the share q of the records lies, as the upper
// bound of its bucket; 0 without records.
func (t Totals) Quantile(q float64) float64 {
	var all uint64
	for _, n := range t.Latencies {
		all += n
	}
	if all == 0 {
		return 0
	}
	rank := uint64(q * float64(all-1))
	var below uint64
	for i, n := range t.Latencies {
		if below += n; below > rank {
			return float64(uint64(1) << i)
		}
	}
	return float64(uint64(1) << (latencyBuckets - 1)) // unreachable: rank < all
}

// Plus is the sum of both.
func (t Totals) Plus(o Totals) Totals {
	t.Records += o.Records
	t.DeadLettered += o.DeadLettered
	t.Late += o.Late
	t.EpochsCommitted += o.EpochsCommitted
	t.EpochsAborted += o.EpochsAborted
	t.Unconfirmed += o.Unconfirmed
	t.CommitMillis += o.CommitMillis
	for i, n := range o.Latencies {
		t.Latencies[i] += n
	}
	return t
}

// Minus is what came after o.
func (t Totals) Minus(o Totals) Totals {
	t.Records -= o.Records
	t.DeadLettered -= o.DeadLettered
	t.Late -= o.Late
	t.EpochsCommitted -= o.EpochsCommitted
	t.EpochsAborted -= o.EpochsAborted
	t.Unconfirmed -= o.Unconfirmed
	t.CommitMillis -= o.CommitMillis
	for i, n := range o.Latencies {
		t.Latencies[i] -= n
	}
	return t
}
