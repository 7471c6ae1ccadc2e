package processor_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/processor"
	"pawl/schemas"
)

// TestTableIsReadToItsEndBeforeTheFirstRecord: the table's leader is away for a second, while the
// stream fills the task's queue → the table comes. No record may be processed without its row,
// neither because the wait was given up nor because a full queue kept the table from being read.
func TestTableIsReadToItsEndBeforeTheFirstRecord(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	b.topic("limits", 1, nil)
	const rows = 3000
	row := encode(b, "limits-value", schemas.Avro[event](eventSchema), event{"k", 7})
	item := b.value(event{"k", 1})
	pad := strings.Repeat("x", 3000) // either topic is more than twice the queue
	var recs []*kgo.Record
	for i := range rows {
		key := fmt.Appendf(nil, "%d-%s", i, pad)
		recs = append(recs,
			&kgo.Record{Topic: "limits", Key: key, Value: row, Timestamp: time.UnixMilli(noon)},
			&kgo.Record{Topic: "in", Key: key, Value: item, Timestamp: time.UnixMilli(noon + 1)})
	}
	b.put(recs...)
	away := b.cluster.Kafka().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "limits",
		Err: kerr.NotLeaderForPartition, Count: -1})
	var hits, misses atomic.Int64
	cfg := b.config("a")
	cfg.MemoryMax = 32 << 20
	in := b.startWith(cfg, joined(func(_ *processor.Context, _, limit event) {
		if limit.N == 7 {
			hits.Add(1)
		} else {
			misses.Add(1)
		}
	}))
	taskIs(t, in, "counting-0", processor.TaskRunning)
	time.Sleep(1200 * time.Millisecond) // more than any wait that might be given up
	away.Remove()
	waitFor(t, "the records", func() bool { return hits.Load()+misses.Load() >= rows })
	if misses.Load() > 0 {
		t.Errorf("%d of %d records did not see their row", misses.Load(), rows)
	}
	b.drained("in")
	stop(t, in)
}

// TestOversizedLateRecordIsDeadLettered: two tasks share a transaction → one meets a late record
// that compression let into the input and that the late topic refuses. Neither may stick to it.
func TestOversizedLateRecordIsDeadLettered(t *testing.T) {
	t.Parallel()
	b := strictBed(t, 2)
	b.topic("app-win-late", 2, nil)
	late := b.order(0, order{Key: "k", At: noon - 3_600_000, Pad: strings.Repeat("x", 2<<20)})
	b.put(b.good(0), late, b.good(0), b.good(1))
	cfg := b.config("a")
	cfg.Listeners = append(cfg.Listeners, processor.Listener{
		EpochAborted: func(i processor.AbortInfo) { t.Errorf("an epoch was lost: %+v", i) }})
	in := b.startWith(cfg, strict())
	b.drained("in")
	if recs := b.records("app-win-late"); len(recs) != 0 {
		t.Errorf("%d late records", len(recs))
	}
	recs := b.records("app-dlq")
	if len(recs) != 1 || header(recs[0], "__streams.errors.exception") != "RecordTooLarge" {
		t.Errorf("dead letters: %d", len(recs))
	}
	b.ledger(0)
	b.ledger(1)
	stop(t, in)
}
