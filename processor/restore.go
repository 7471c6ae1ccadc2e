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
	since     int64         // no deletion was missed that was still in the log then, Unix ms
	before    time.Duration // what was spent on the download
	info      RestoreInfo
	schemas   map[stateSchema]bool // writer schemas met
	met       []stateSchema        // the same, to be looked through without making a key
	kept      map[stateSchema]bool // those whose text is in the store
	load      *statestore.Load
	written   time.Time // when the store last got what was read
	position  []byte    // the last position record's value, in memory of its own
	mark      statestore.Mark
}

const (
	// restoreRun bounds the changes held between two writes to the store, in bytes: large runs make
	// few files, but fresh memory costs time.
	restoreRun = 64 << 20
	// restoreWrite is how often what was read is written at least, so that a restore that is
	// interrupted need not read it again.
	restoreWrite = 10 * time.Second
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

// begin readies what is read into, run bytes at a time.
func (r *restore) begin(run int64) error {
	known, err := statestore.Schemas(r.store)
	if err != nil {
		return err
	}
	r.kept = make(map[stateSchema]bool)
	for _, k := range known {
		r.kept[stateSchema{k.Table, k.ID}] = true
	}
	r.began = time.Now()
	r.written = r.began
	r.mark = r.store.Mark()
	r.since = r.mark.Time
	if r.mark.Offset == 0 {
		r.mark.Topic, r.since = r.in.bind.changelogID, r.began.UnixMilli()
	}
	r.schemas = make(map[stateSchema]bool)
	r.load = statestore.NewLoad(r.store, run)
	r.before = r.info.Elapsed
	r.info.Offset, r.info.From = r.mark.Offset, r.mark.Offset
	r.info.FromLocalDisk = r.info.Rung == RungTail
	return nil
}

func (r *restore) run(ctx context.Context) error {
	if err := r.begin(r.in.restoreLimit()); err != nil {
		return err
	}
	stood := r.mark.Position
	from := kgo.NewOffset().At(r.mark.Offset)
	if r.mark.Offset == 0 {
		from = kgo.NewOffset().AtStart()
	}
	cl, err := r.in.changelogClient(r.partition, from)
	if err != nil {
		return err
	}
	defer r.in.closeClient(cl)
	for r.info.Offset <= r.claim && !r.enough(ctx) {
		if err := r.poll(ctx, cl); err != nil {
			return err
		}
	}
	if err := r.apply(ctx); err != nil {
		return err
	}
	if r.info.FromLocalDisk && bytes.Equal(stood, r.mark.Position) {
		r.info.Rung = RungLocal
	}
	r.info.Done, r.info.WaitingFor = true, ""
	r.tell()
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
	if err := r.takeAll(ctx, fetches); err != nil {
		return err
	}
	if r.info.Offset == before {
		if r.info.WaitingFor = "a transaction"; !mutant.Is(mutant.NoFence) {
			r.info.WaitingFor = r.fence(ctx)
		}
	}
	r.tell()
	return nil
}

// tell publishes the progress.
func (r *restore) tell() {
	took := time.Since(r.began)
	r.info.Elapsed = r.before + took
	r.info.PerSecond = float64(r.info.Records) / max(took.Seconds(), 1e-3)
	r.info.Left = remaining(took, r.info.Target-r.info.Offset, r.info.Offset-r.info.From)
	r.in.restoring(r.partition, r.info)
}

// remaining is the time that is left when some of the way has taken so long; 0 while unknown.
func remaining(took time.Duration, left, done int64) time.Duration {
	if done <= 0 {
		return 0
	}
	return time.Duration(float64(took) * float64(max(left, 0)) / float64(done))
}

// takeAll adds what was fetched. While tasks run, restores take turns, so that they leave half of
// the processors to them.
func (r *restore) takeAll(ctx context.Context, fetches kgo.Fetches) error {
	if r.in.anyRuns() {
		select {
		case r.in.restores <- struct{}{}:
			defer func() { <-r.in.restores }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var failed error
	fetches.EachRecord(func(rec *kgo.Record) {
		if failed == nil && r.info.Offset <= r.claim {
			if failed = r.take(rec); failed == nil && r.load.Full() {
				failed = r.apply(ctx)
			}
		}
		rec.Recycle()
	})
	if failed == nil && r.load.Bytes() > 0 && time.Since(r.written) > restoreWrite {
		failed = r.apply(ctx)
	}
	return failed
}

// take adds one changelog record, whose memory is not kept. When the run goes to the store is for
// whoever reads to say: a restore writes it when it is full, under the position before it if need
// be, a standby at the end of an epoch.
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
		r.position = append(r.position[:0], rec.Value...)
		return nil
	case statestore.Internal(rec.Key):
		return nil
	}
	if err := r.meet(rec.Key, rec.Value); err != nil {
		return fmt.Errorf("changelog %s-%d offset %d: %w", rec.Topic, rec.Partition, rec.Offset,
			err)
	}
	if mutant.Is(mutant.StaleStore) && r.info.FromLocalDisk ||
		mutant.Is(mutant.StaleCheckpoint) && r.info.Rung == RungCheckpoint {
		return nil
	}
	r.load.Add(rec.Key, rec.Value)
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
	table := key[1 : 1+bytes.IndexByte(key[1:], 0)] // the key begins with the table's name
	for _, m := range r.met {
		if m.id == id && m.table == string(table) {
			return nil
		}
	}
	m := stateSchema{string(table), id}
	r.met = append(r.met, m)
	r.schemas[m] = true
	return nil
}

// apply brings what was read into the store, for which it may have to wait for the registry.
func (r *restore) apply(ctx context.Context) error {
	for {
		unknown, err := r.keepTexts()
		if err != nil {
			return err
		}
		if unknown == 0 {
			return r.write()
		}
		if _, err := r.in.schemaText(ctx, unknown); err != nil {
			return err
		}
	}
}

// keepTexts stores the texts of the writer schemas that were met. It comes before what is written
// in them: who goes on from the store's mark does not meet them again. It returns the id of one
// whose text has to be fetched first, 0 for none.
func (r *restore) keepTexts() (unknown int32, err error) {
	var changes []statestore.Change
	for _, m := range r.met {
		if r.kept[m] {
			continue
		}
		text, ok := r.in.bind.resolver.Text(m.id)
		if !ok {
			return m.id, nil
		}
		changes = append(changes, statestore.SchemaChange(
			statestore.Schema{ID: m.id, Table: m.table, Text: text}))
	}
	if len(changes) == 0 {
		return 0, nil
	}
	if err := r.store.Apply(changes, r.store.Mark()); err != nil {
		return 0, err
	}
	for _, m := range r.met {
		r.kept[m] = true
	}
	return 0, nil
}

// write brings what was read into the store.
func (r *restore) write() error {
	r.in.cfg.Point("restoring")
	if r.position != nil {
		r.mark.Position = bytes.Clone(r.position)
	}
	r.written = time.Now()
	r.mark.Time = max(r.mark.Time, r.since)
	return r.load.Write(r.mark)
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
