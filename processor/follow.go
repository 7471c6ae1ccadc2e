package processor

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// standbys are all copies that this instance keeps of tasks that run elsewhere, and the follower:
// one goroutine with one read_committed client that reads all their changelogs.
type standbys struct {
	in         *Instance
	acceptable atomic.Int64 // lag at which a copy counts as caught up

	mu   sync.Mutex
	m    map[int32]*standby
	wake chan struct{}
	on   bool // the follower runs

	// the follower's own
	cl      *kgo.Client
	reading map[int32]*standby // whose changelog the client reads
	held    map[int32]bool     // paused, for one with a longer beginning of an epoch
	looked  time.Time          // when the changelogs' ends were last asked for
	tended  time.Time

	asking struct { // for a rebalance, when a warm-up has caught up
		sync.Mutex
		done bool
		at   time.Time
		wait time.Duration
	}
}

const (
	// followBatch is how many records a follower takes at a time, between looks at what is wanted.
	followBatch = 20_000
	// followWait lets records gather: a copy need not be fresh to the millisecond.
	followWait = 100 * time.Millisecond
	// followTails bounds the beginnings of epochs that are held in memory, in bytes; beyond it only
	// the longest goes on.
	followTails = 16 << 20
	// followRun is more than an epoch is by default (statestore.uncommitted.max.bytes).
	followRun = 32 << 20
	// followWrite is from how many bytes on what was read is written before a fetch is through;
	// followKeep is how much memory a copy keeps for the next time: there may be many.
	followWrite = 8 << 20
	followKeep  = 256 << 10
	// endEvery is how often the changelogs' ends are asked for, beside what fetches tell.
	endEvery = 5 * time.Second
	// tendEvery is how often lags are published.
	tendEvery = 200 * time.Millisecond
	// askEvery bounds how often a warm-up may ask for a rebalance; it doubles when it is in vain.
	askEvery = time.Second
	askMost  = time.Minute
)

func newStandbys(in *Instance) *standbys {
	return &standbys{in: in, m: make(map[int32]*standby), wake: make(chan struct{}, 1),
		reading: make(map[int32]*standby), held: make(map[int32]bool)}
}

func (f *standbys) get(p int32) *standby {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.m[p]
}

func (f *standbys) all() []*standby {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.SortedFunc(maps.Values(f.m), func(a, b *standby) int {
		return cmp.Compare(a.partition, b.partition)
	})
}

// put adds a standby, and starts the follower with the first one.
func (f *standbys) put(sb *standby) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.m[sb.partition] = sb
	if !f.on {
		f.on = true
		f.in.background(func() { f.run(f.in.ctx) })
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// take removes a standby from those that are followed, and returns it.
func (f *standbys) take(p int32) *standby {
	f.mu.Lock()
	defer f.mu.Unlock()
	sb := f.m[p]
	delete(f.m, p)
	return sb
}

func (f *standbys) drop(sb *standby) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.m[sb.partition] == sb {
		delete(f.m, sb.partition)
	}
}

// rearm lets warm-ups ask again: the leader has decided anew.
func (f *standbys) rearm(acceptable int64) {
	f.acceptable.Store(acceptable)
	f.asking.Lock()
	defer f.asking.Unlock()
	f.asking.done = false
}

// run is the follower.
func (f *standbys) run(ctx context.Context) {
	budget := int32(min(max(f.in.cfg.MemoryMax/32, 1<<20), 8<<20))
	var err error
	f.cl, err = f.in.client("standby",
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxBytes(budget),
		kgo.FetchMaxPartitionBytes(max(budget/4, 1<<20)),
		kgo.BrokerMaxReadBytes(max(2*budget, 64<<20)),
		kgo.MaxConcurrentFetches(1),
		kgo.FetchMaxWait(followWait),
		kgo.FetchMinBytes(64<<10),
	)
	if err != nil {
		f.in.die(err)
		return
	}
	defer f.in.closeClient(f.cl)
	for ctx.Err() == nil {
		if f.reread(); len(f.reading) == 0 {
			select {
			case <-ctx.Done():
			case <-f.wake:
			case <-time.After(tendEvery):
			}
			continue
		}
		poll, cancel := context.WithTimeout(ctx, tendEvery)
		fetches := f.cl.PollRecords(poll, followBatch)
		cancel()
		began := time.Now()
		if err := f.deliver(fetches); err != nil {
			f.in.die(err)
			return
		}
		if err := f.tend(ctx); err != nil {
			f.in.die(err)
			return
		}
		if fetches.NumRecords() > followBatch/10 {
			// Whoever has much to catch up with leaves at least half of a processor to the tasks.
			pause(ctx, min(time.Since(began), tendEvery))
		}
	}
}

// reread has the client read what there is to follow: positions change between two polls only, so
// what a poll returned belongs to the standby it was read for.
func (f *standbys) reread() {
	now := make(map[int32]*standby)
	from := make(map[int32]kgo.Offset)
	for _, sb := range f.all() {
		sb.mu.Lock()
		if sb.disk != nil && !sb.over && sb.halted == "" && sb.r != nil {
			now[sb.partition] = sb
			if f.reading[sb.partition] != sb {
				from[sb.partition] = sb.from()
			}
		}
		sb.mu.Unlock()
	}
	topic := f.in.bind.changelog.name
	var gone []int32
	for p, sb := range f.reading {
		if now[p] != sb {
			gone = append(gone, p)
			delete(f.held, p)
		}
	}
	if len(gone) > 0 {
		f.cl.RemoveConsumePartitions(map[string][]int32{topic: gone})
		f.cl.ResumeFetchPartitions(map[string][]int32{topic: gone})
	}
	if len(from) > 0 {
		f.cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: from})
		f.looked = time.Time{}
	}
	f.reading = now
}

// from is where the changelog is read on.
func (sb *standby) from() kgo.Offset {
	if sb.r.mark.Offset == 0 {
		return kgo.NewOffset().AtStart()
	}
	return kgo.NewOffset().At(sb.r.mark.Offset)
}

// deliver hands out what a poll brought. An error is one of the disk.
func (f *standbys) deliver(fetches kgo.Fetches) error {
	var failed error
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		sb := f.reading[p.Partition]
		if sb == nil || failed != nil {
			return
		}
		sb.mu.Lock()
		defer sb.mu.Unlock()
		if sb.over || sb.halted != "" || sb.disk == nil {
			return
		}
		if p.Err != nil {
			f.faulty(sb, p.Err)
			return
		}
		sb.end = max(sb.end, p.LastStableOffset)
		if f.missed(sb) {
			return
		}
		for _, rec := range p.Records {
			if err := sb.take(rec); err != nil {
				sb.halt(err)
				return
			}
			if sb.r.load.Full() {
				if _, failed = sb.write(); failed != nil {
					return
				}
			}
		}
		_, failed = sb.write()
		sb.publish()
	})
	return failed
}

// missed says that a copy has heard nothing for so long, as when the brokers were away, that
// compaction may have dropped a deletion that it never read; then it is to be made anew.
func (f *standbys) missed(sb *standby) bool {
	if time.Since(sb.heard) > f.in.tombstones/2 && !sb.anew {
		f.in.notice("standby of task %s: it has read nothing for half of the changelog's "+
			"delete.retention.ms; it is rebuilt, or deleted keys could come back", sb.name)
		sb.anew = true
	}
	sb.heard = time.Now()
	return sb.anew
}

// faulty sees to a fetch error that retries do not mend.
func (f *standbys) faulty(sb *standby, err error) {
	var loss *kgo.ErrDataLoss
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, kgo.ErrClientClosed):
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID):
		sb.halt(f.in.remadeError(sb.name))
	case errors.As(err, &loss), errors.Is(err, kerr.OffsetOutOfRange):
		sb.lost = true // tend sees to it, and may ask the cluster first
	default:
		f.in.waiting(sb.name, "the changelog to follow: "+err.Error(), 0)
	}
}

// renew makes a copy anew whose changelog no longer holds what comes next, or that is wrong.
func (f *standbys) renew(sb *standby) error {
	if sb.lost {
		made, err := f.remade()
		if err != nil {
			f.in.waiting(sb.name, "the changelog to follow: "+err.Error(), 0)
			return nil // tried again
		}
		sb.mu.Lock()
		defer sb.mu.Unlock()
		if made {
			sb.halt(f.in.remadeError(sb.name))
			return nil
		}
		f.in.notice("standby of task %s: the changelog no longer holds offset %d; the copy is "+
			"rebuilt from the log's start", sb.name, sb.r.mark.Offset)
	} else {
		sb.mu.Lock()
		defer sb.mu.Unlock()
	}
	if sb.over || sb.disk == nil {
		return nil
	}
	sb.lost, sb.anew = false, false
	if err := sb.rebuild(); err != nil {
		return err
	}
	topic := f.in.bind.changelog.name
	f.cl.RemoveConsumePartitions(map[string][]int32{topic: {sb.partition}})
	f.cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {sb.partition: sb.from()}})
	f.looked = time.Time{}
	return nil
}

func (in *Instance) remadeError(task string) *RefusedError {
	return &RefusedError{Task: task, What: "the changelog " + in.bind.changelog.name +
		" was deleted and made again since this instance started", Mend: mendChangelog}
}

// remade says whether the changelog is another topic than the one this instance started with.
func (f *standbys) remade() (bool, error) {
	ctx, cancel := context.WithTimeout(f.in.ctx, endEvery)
	defer cancel()
	name := f.in.bind.changelog.name
	topics, err := f.in.adm.ListTopics(ctx, name)
	if err == nil {
		err = topics.Error()
	}
	return err == nil && [16]byte(topics[name].ID) != f.in.bind.changelogID, err
}

// tend does what is due beside reading: ends, lags, schemas, flushes, digests, and the question
// for a rebalance.
func (f *standbys) tend(ctx context.Context) error {
	now := time.Now()
	if now.Sub(f.tended) < tendEvery {
		return nil
	}
	f.tended = now
	if now.Sub(f.looked) >= endEvery {
		f.look(ctx)
	}
	ready := false
	for _, sb := range f.all() {
		if f.reading[sb.partition] != sb {
			continue
		}
		what, err := f.tendOne(sb, now)
		switch {
		case err != nil:
			return err
		case what.renew:
			if err := f.renew(sb); err != nil {
				return err
			}
		case what.schema != 0:
			f.learn(sb, what.schema)
		}
		ready = ready || what.ready
	}
	f.hold()
	if ready {
		f.ask()
	}
	return nil
}

// need is what a standby needs that may take a while, so that its lock is not held for it.
type need struct {
	ready  bool // a warm-up that has caught up
	renew  bool
	schema int32 // a writer schema whose text is not known; 0: none
}

func (f *standbys) tendOne(sb *standby, now time.Time) (need, error) {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	if sb.over || sb.halted != "" || sb.disk == nil {
		return need{}, nil
	}
	if sb.lost || sb.anew {
		return need{renew: true}, nil
	}
	unknown, err := sb.write()
	if err != nil {
		return need{}, err
	}
	sb.publish()
	if now.Sub(sb.flushed) > flushEvery && unknown == 0 {
		sb.flushed = now
		if err := errors.Join(sb.r.write(), sb.disk.Flush()); err != nil { // the mark's time, too
			return need{}, err
		}
	}
	lag := sb.lag()
	if unknown == 0 && lag == 0 {
		sb.compare(now)
	}
	ready := sb.warm.Load() && lag >= 0 && lag <= f.acceptable.Load()
	return need{ready: ready, schema: unknown}, nil
}

// learn fetches the text of a writer schema that a standby has met, one at a time: the others wait.
func (f *standbys) learn(sb *standby, id int32) {
	ctx, cancel := context.WithTimeout(f.in.ctx, schemaRetry)
	defer cancel()
	if err := f.in.bind.resolver.Fetch(ctx, id); err != nil {
		f.in.waiting(sb.name, "a state schema from the registry: "+err.Error(), 0)
	}
}

// look asks for the changelogs' ends: a fetch tells of them only when it brings something. What was
// read to its end is as fresh as the question, however long ago it was written.
func (f *standbys) look(ctx context.Context) {
	began := time.Now()
	ask, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	name := f.in.bind.changelog.name
	ends, err := f.in.adm.ListCommittedOffsets(ask, name)
	if f.looked = time.Now(); err != nil {
		return
	}
	for p, sb := range f.reading {
		end, ok := ends.Lookup(name, p)
		if !ok || end.Err != nil {
			continue
		}
		sb.mu.Lock()
		if sb.r != nil && !sb.over {
			sb.end = max(sb.end, end.Offset)
			if sb.lag() == 0 && sb.r.mark.Position != nil {
				sb.r.since, sb.heard = began.UnixMilli(), began
			}
		}
		sb.mu.Unlock()
	}
}

// hold keeps the beginnings of epochs within bounds: beyond them only the changelog with the
// longest is read on, to the end of its epoch. What waits for a schema is not read on either.
func (f *standbys) hold() {
	var total, most int64
	longest := int32(-1)
	stuck := make(map[int32]bool)
	for p, sb := range f.reading {
		sb.mu.Lock()
		total += sb.size
		if sb.size > most {
			most, longest = sb.size, p
		}
		stuck[p] = sb.r != nil && sb.r.load.Full()
		sb.mu.Unlock()
	}
	topic := f.in.bind.changelog.name
	for p := range f.reading {
		hold := stuck[p] || total > followTails && p != longest
		switch {
		case hold && !f.held[p]:
			f.cl.PauseFetchPartitions(map[string][]int32{topic: {p}})
		case !hold && f.held[p]:
			f.cl.ResumeFetchPartitions(map[string][]int32{topic: {p}})
		}
		f.held[p] = hold
	}
}

// ask has the group share its tasks out again, now that a warm-up has caught up.
func (f *standbys) ask() {
	f.asking.Lock()
	defer f.asking.Unlock()
	if f.asking.done || time.Since(f.asking.at) < f.asking.wait {
		return
	}
	if time.Since(f.asking.at) > 2*askMost {
		f.asking.wait = 0
	}
	f.asking.done, f.asking.at = true, time.Now()
	f.asking.wait = min(max(2*f.asking.wait, askEvery), askMost)
	f.in.notice("a warm-up has caught up: asking the group to move its task here")
	f.in.member.ForceRebalance()
}
