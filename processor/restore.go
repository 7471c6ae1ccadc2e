package processor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/internal/mutant"
	"pawl/schemas"
	"pawl/statestore"
)

// restore reads one task's changelog into its store: from the store's mark to the instance's own
// claim record. The claim is the barrier because nothing else is one: the last stable offset may
// trail behind committed epochs, and the last record may be an aborted one or a marker.
type restore struct {
	in        *Instance
	task      string
	partition int32
	store     statestore.Store
	claim     int64 // offset of our claim record
	began     time.Time
	info      RestoreInfo
	schemas   map[stateSchema]bool // writer schemas met
	whole     bool                 // only its owner knows when an epoch is complete
	pending   []statestore.Change
	size      int64
	mark      statestore.Mark
}

const (
	// restoreBatch bounds the changes held between two writes to the store, in bytes.
	restoreBatch = 8 << 20
	// fenceAfter is how long a restore waits for another writer's open transaction before it
	// looks whose it is: one that is being committed right now ends by itself. Whoever gave the
	// task up in order has decided its epochs before, so what stays open belongs to the dead, and
	// waiting for it is part of a takeover's pause.
	fenceAfter = 100 * time.Millisecond
	// fencePatience bounds the wait for an open transaction to be aborted.
	fencePatience = 5 * time.Second
)

// errOutdated says that the store on disk cannot be brought up to date and must be rebuilt.
var errOutdated = errors.New("store is outdated")

func (r *restore) run(ctx context.Context) error {
	r.began = time.Now()
	r.mark = r.store.Mark()
	if r.mark.Offset == 0 {
		r.mark.Topic = r.in.bind.changelogID
	}
	r.schemas = make(map[stateSchema]bool)
	r.info = RestoreInfo{Task: r.task, Target: r.claim + 1, Offset: r.mark.Offset,
		FromLocalDisk: r.mark.Offset > 0}
	from := kgo.NewOffset().At(r.mark.Offset)
	if r.mark.Offset == 0 {
		from = kgo.NewOffset().AtStart()
	}
	cl, err := r.in.client("restore",
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
			r.in.bind.changelog.name: {r.partition: from}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.FetchMaxPartitionBytes(8<<20),
	)
	if err != nil {
		return err
	}
	defer r.in.closeClient(cl)
	for r.info.Offset <= r.claim && !r.enough(ctx) {
		if err := r.poll(ctx, cl); err != nil {
			return err
		}
	}
	if err := r.apply(); err != nil {
		return err
	}
	r.info.Done, r.info.Elapsed = true, time.Since(r.began)
	r.in.tell(func(l *Listener) {
		if l.Restore != nil {
			l.Restore(r.info)
		}
	})
	return nil
}

// enough is where a restore with a seeded bug ends before its claim.
func (r *restore) enough(ctx context.Context) bool {
	switch {
	case mutant.Is(mutant.RestoreToStable):
		listed, err := r.in.adm.ListCommittedOffsets(ctx, r.in.bind.changelog.name)
		end, ok := listed.Lookup(r.in.bind.changelog.name, r.partition)
		return err == nil && ok && r.info.Offset >= end.Offset
	case mutant.Is(mutant.NoFence):
		return r.info.WaitingFor != ""
	}
	return false
}

// poll takes one fetch, or after fenceAfter without one sees to what holds the log back.
func (r *restore) poll(ctx context.Context, cl *kgo.Client) error {
	wait, cancel := context.WithTimeout(ctx, fenceAfter)
	fetches := cl.PollFetches(wait)
	cancel()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	before := r.info.Offset
	for _, e := range fetches.Errors() {
		switch {
		case errors.Is(e.Err, context.DeadlineExceeded):
		case errors.Is(e.Err, kerr.OffsetOutOfRange):
			return fmt.Errorf("%w: changelog %s-%d no longer holds offset %d", errOutdated,
				e.Topic, e.Partition, r.info.Offset)
		default:
			return fmt.Errorf("read changelog %s-%d: %w", e.Topic, e.Partition, e.Err)
		}
	}
	var failed error
	fetches.EachRecord(func(rec *kgo.Record) {
		if failed == nil && r.info.Offset <= r.claim {
			failed = r.take(rec)
		}
	})
	if failed != nil {
		return failed
	}
	if r.info.Offset == before {
		if r.info.WaitingFor = "a transaction"; !mutant.Is(mutant.NoFence) {
			r.info.WaitingFor = r.fence(ctx)
		}
	}
	r.info.Elapsed = time.Since(r.began)
	r.in.restoring(r.partition, r.info)
	return nil
}

// take adds one changelog record. Changes reach the store together with the position record that
// follows them; only a very long run without one is written earlier, under the old position.
func (r *restore) take(rec *kgo.Record) error {
	r.info.Offset = rec.Offset + 1
	r.mark.Offset = rec.Offset + 1
	if rec.Attrs.IsControl() {
		return nil
	}
	r.info.Records++
	r.info.Bytes += int64(len(rec.Key) + len(rec.Value))
	r.mark.Time = rec.Timestamp.UnixMilli()
	switch {
	case string(rec.Key) == statestore.PositionKey:
		r.mark.Position = rec.Value
	case statestore.Internal(rec.Key):
		return nil
	default:
		if err := r.meet(rec.Key, rec.Value); err != nil {
			return fmt.Errorf("changelog %s-%d offset %d: %w", rec.Topic, rec.Partition,
				rec.Offset, err)
		}
		if mutant.Is(mutant.StaleStore) && r.info.FromLocalDisk {
			return nil
		}
		r.pending = append(r.pending, statestore.Change{Key: rec.Key, Value: rec.Value})
		r.size += int64(len(rec.Key) + len(rec.Value))
	}
	if r.size > restoreBatch && !r.whole {
		return r.apply()
	}
	return nil
}

// meet notes the writer schema of a value, so that the store can be read without the registry.
func (r *restore) meet(key, value []byte) error {
	if value == nil {
		return nil
	}
	id, _, err := schemas.ParseHeader(value)
	if err != nil {
		return err
	}
	end := 1 + bytes.IndexByte(key[1:], 0) // the key begins with the table's name
	r.schemas[stateSchema{string(key[1:end]), id}] = true
	return nil
}

// apply writes what was read. The newest change of a key must win, and a batch keeps no order
// between equal keys, so earlier ones are dropped first.
func (r *restore) apply() error {
	r.in.cfg.Point("restoring")
	latest := make(map[string]int, len(r.pending))
	for i, c := range r.pending {
		latest[string(c.Key)] = i
	}
	changes := make([]statestore.Change, 0, len(latest))
	for _, i := range latest {
		changes = append(changes, r.pending[i])
	}
	if err := r.store.Apply(changes, r.mark); err != nil {
		return err
	}
	r.pending, r.size = r.pending[:0], 0
	return nil
}

// fence ends an open transaction of the application that a dead or displaced instance left on the
// changelog partition, and returns what the restore waits for.
func (r *restore) fence(ctx context.Context) string {
	topic := r.in.bind.changelog.name
	producers, err := r.in.adm.DescribeProducers(ctx, kadm.TopicsSet{topic: {r.partition: {}}})
	if err != nil {
		return "the changelog: " + err.Error()
	}
	var ids []int64
	producers.EachProducer(func(p kadm.DescribedProducer) {
		if p.CurrentTxnStartOffset >= 0 && p.CurrentTxnStartOffset <= r.claim {
			ids = append(ids, p.ProducerID)
		}
	})
	if len(ids) == 0 {
		return "the changelog's records"
	}
	open, err := r.in.adm.ListTransactions(ctx, ids, []string{"Ongoing"})
	if err != nil {
		return "the list of open transactions: " + err.Error()
	}
	for _, txn := range open {
		if txn.TxnID == r.in.transactionalID() {
			continue
		}
		if !strings.HasPrefix(txn.TxnID, r.in.cfg.ApplicationID+"-") {
			return "open transaction of foreign id " + txn.TxnID
		}
		if err := r.end(ctx, txn.TxnID); err != nil {
			return fmt.Sprintf("open transaction of %s, which could not be fenced: %v",
				txn.TxnID, err)
		}
		r.in.notice("fenced transactional id %s: it held an open transaction on %s-%d",
			txn.TxnID, topic, r.partition)
	}
	return "an open transaction on the changelog"
}

// end aborts id's open transaction by raising its producer epoch. The coordinator answers that it
// is busy until it has done so.
func (r *restore) end(ctx context.Context, id string) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = &id
	req.TransactionTimeoutMillis = int32(r.in.cfg.TransactionTimeout.Milliseconds())
	for deadline := time.Now().Add(fencePatience); ; pause(ctx, 20*time.Millisecond) {
		resp, err := req.RequestWith(ctx, r.in.admin)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if !errors.Is(err, kerr.ConcurrentTransactions) || time.Now().After(deadline) {
			return err
		}
	}
}
