package processor

import (
	"runtime"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// changelogClient reads one partition of the changelog as it was committed, control records
// included. Whoever takes its records recycles them: their memory is used again.
func (in *Instance) changelogClient(partition int32, from kgo.Offset) (*kgo.Client, error) {
	return in.client("restore",
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
			in.bind.changelog.name: {partition: from}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.FetchMaxPartitionBytes(int32(min(max(in.queueLimit(), 1<<20), changelogFetch))),
		kgo.WithPools(&recordPool{}),
	)
}

// changelogFetch bounds one answer of the broker to a restore, in bytes.
const changelogFetch = 8 << 20

// recordPool keeps the memory of fetched records, which a restore is done with as soon as it has
// seen them.
type recordPool struct{ records, bytes sync.Pool }

// GetRecords implements kgo.PoolRecords.
func (p *recordPool) GetRecords(n int) []kgo.Record {
	if kept, ok := p.records.Get().(*[]kgo.Record); ok && cap(*kept) >= n {
		return *kept
	}
	return make([]kgo.Record, n)
}

// PutRecords implements kgo.PoolRecords.
func (p *recordPool) PutRecords(records []kgo.Record) { p.records.Put(&records) }

// GetDecompressBytes implements kgo.PoolDecompressBytes.
func (p *recordPool) GetDecompressBytes(compressed []byte, _ kgo.CompressionCodecType) []byte {
	if kept, ok := p.bytes.Get().(*[]byte); ok {
		return *kept
	}
	return make([]byte, 2*len(compressed))
}

// PutDecompressBytes implements kgo.PoolDecompressBytes.
func (p *recordPool) PutDecompressBytes(b []byte) { p.bytes.Put(&b) }

// anyRuns says that a task takes records, which restores must not slow down.
func (in *Instance) anyRuns() bool {
	in.statusMu.Lock()
	defer in.statusMu.Unlock()
	for _, info := range in.statuses {
		if info.State == TaskRunning {
			return true
		}
	}
	return false
}

// restoreTurns is how many restores work at once while tasks run.
func restoreTurns() int { return max(runtime.GOMAXPROCS(0)/2, 1) }
