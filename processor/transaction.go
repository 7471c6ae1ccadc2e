package processor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/internal/mutant"
	"pawl/statestore"
)

// The transaction of an epoch, and what a death at each arrow leaves. "Kafka has" is what a
// read_committed reader can see; the restart path is the same for all rows: fence, claim, restore
// to the claim, prove, go on from the position record.
//
//	   Begin                     nothing sent yet
//	→  before-begin              Kafka has epoch n-1, disk has ≤ n-1; restart reprocesses n
//	   produce outputs, changes, the position record last on its partition
//	→  first-ack                 an open transaction: invisible, aborted by the restart's
//	                             InitProducerID; reprocesses n
//	   Flush; every promise must be good: kgo commits whatever succeeded
//	→  flushed                   as above
//	   TxnOffsetCommit with the member and generation of the last rebalance callback
//	→  offsets-pending           as above; the group's offsets are pending, so nobody else can
//	                             read stale ones (RequireStable)
//	   EndTxn(commit)
//	→  end-sent                  either outcome; the restart reads which from the changelog
//	→  end-answered              Kafka has n, disk has ≤ n-1; restore replays n from the changelog
//	   apply changes and position to the store, together
//	→  applying, applied         as above: the store is behind or level, never ahead
//
// An epoch is aborted when the broker was told to abort and said yes. Everything else that is not a
// confirmed commit is unknown, and unknown is settled by the restart path, never guessed.

// outcome is what became of an epoch's transaction.
type outcome int

const (
	committed outcome = iota
	aborted           // certainly: nothing of it will ever be visible
	unknown           // recover: a new producer id settles it, the changelog tells
)

// verdict is an outcome with its reason.
type verdict struct {
	outcome outcome
	reason  string // short, for the metric
	err     error
	fenced  bool  // another producer has our transactional id
	culprit *task // whose record the broker refused, where that is the reason
}

// producer is the transactional client of an instance.
type producer struct {
	in *Instance
	cl *kgo.Client
	id string // transactional id
	v2 bool   // transactions v2 (KIP-890): offsets need no AddOffsetsToTxn
}

// newProducer makes the client and gets its producer id, which aborts what an earlier process, or
// an earlier producer of this one, left open under the same transactional id.
func newProducer(ctx context.Context, in *Instance) (*producer, error) {
	p := &producer{in: in, id: in.transactionalID(), v2: in.txnV2}
	codec, err := compression(in.cfg.Compression)
	if err != nil {
		return nil, err
	}
	p.cl, err = in.client("produce",
		kgo.TransactionalID(p.id),
		kgo.TransactionTimeout(in.cfg.TransactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codec),
		kgo.ProducerBatchMaxBytesFn(in.batchLimit),
		kgo.BrokerMaxWriteBytes(100<<20),
		kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(1<<30),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RetryTimeout(in.cfg.TransactionTimeout),
		kgo.RequestRetries(1<<20),
		kgo.WithHooks(&endHook{in}),
	)
	if err != nil {
		return nil, err
	}
	if _, _, err := p.cl.ProducerID(ctx); err != nil {
		in.closeClient(p.cl)
		err = denied(err, ResourceTransactional, p.id, OpWrite)
		return nil, fmt.Errorf("initialise transactional id %s: %w", p.id, err)
	}
	return p, nil
}

// endHook sees the EndTxn request leave: the only way to die between its sending and its answer.
type endHook struct{ in *Instance }

// OnBrokerWrite implements kgo.HookBrokerWrite.
func (h *endHook) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration,
	err error) {
	if key == (&kmsg.EndTxnRequest{}).Key() && err == nil {
		h.in.ending.Store(true)
		h.in.cfg.Point("end-sent")
	}
}

// membership is the fence against a zombie: the group refuses offsets of another generation.
type membership struct {
	id         string
	generation int32
}

// send collects the fate of an epoch's records.
type send struct {
	err   atomic.Pointer[error]
	first atomic.Bool
	point func(string)
}

// promise returns what takes the fate of a task's records.
func (s *send) promise(owner *task) func(*kgo.Record, error) {
	return func(r *kgo.Record, err error) {
		if err != nil {
			failed := fmt.Errorf("produce to %s-%d: %w", r.Topic, r.Partition,
				denied(err, ResourceTopic, r.Topic, OpWrite))
			if isRefusal(err) {
				failed = &refusedRecord{owner: owner, err: failed}
			}
			s.err.CompareAndSwap(nil, &failed)
			return
		}
		if !s.first.Load() && !s.first.Swap(true) {
			s.point("first-ack")
		}
	}
}

// refusedRecord is a record that the broker will never take. No epoch with it can commit, so its
// task is left out of the next ones: the others must not suffer for it.
type refusedRecord struct {
	owner *task
	err   error
}

// Error is the broker's refusal.
func (e *refusedRecord) Error() string { return e.err.Error() }

// Unwrap gives the broker's error.
func (e *refusedRecord) Unwrap() error { return e.err }

func isRefusal(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.InvalidRecord) ||
		errors.Is(err, kerr.InvalidTimestamp)
}

// commit runs one epoch's transaction, up to the answer of EndTxn.
func (p *producer) commit(ctx context.Context, shares []*Effects) verdict {
	point := p.in.cfg.Point
	point("before-begin")
	p.in.openedAt.Store(time.Now().UnixNano())
	defer p.in.openedAt.Store(0)
	defer p.in.ending.Store(false)
	if err := p.cl.BeginTransaction(); err != nil {
		return verdict{unknown, "begin", fmt.Errorf("begin transaction: %w", err),
			isFenced(err), nil}
	}
	s := &send{point: point}
	offsets := false
	for _, fx := range shares {
		p.produce(ctx, fx, s)
		offsets = offsets || !fx.claim
	}
	flush, cancel := context.WithTimeout(ctx, p.in.cfg.TransactionTimeout)
	err := p.cl.Flush(flush)
	cancel()
	if err == nil {
		if e := s.err.Load(); e != nil && !mutant.Is(mutant.IgnoreProduceError) {
			err = *e
		}
	}
	if err != nil {
		return p.abort(ctx, "produce", err)
	}
	point("flushed")
	if mutant.Is(mutant.ApplyBeforeCommit) {
		if err := p.in.apply(shares); err != nil {
			return verdict{outcome: unknown, err: err}
		}
	}
	if offsets {
		if err := p.commitOffsets(ctx, shares); err != nil {
			return p.abort(ctx, "offsets", err)
		}
		point("offsets-pending")
	}
	// Not ctx: a cancelled EndTxn would have an outcome that nobody learns.
	if err := p.cl.EndTransaction(context.WithoutCancel(ctx), kgo.TryCommit); err != nil {
		if mutant.Is(mutant.TrustAbort) &&
			p.cl.EndTransaction(context.WithoutCancel(ctx), kgo.TryAbort) == nil {
			return verdict{outcome: aborted, reason: "unconfirmed", err: err}
		}
		return verdict{unknown, "unconfirmed", fmt.Errorf("commit transaction: %w", err),
			isFenced(err), nil}
	}
	point("end-answered")
	return verdict{outcome: committed}
}

// produce sends a share: outputs, state changes, and the position record last of its partition.
func (p *producer) produce(ctx context.Context, fx *Effects, s *send) {
	t := fx.owner
	changelog := p.in.bind.changelog.name
	promise := s.promise(t)
	for _, r := range fx.Outputs {
		p.cl.Produce(ctx, r, promise)
	}
	for _, c := range fx.Changes {
		r := fx.records.next()
		r.Topic, r.Partition, r.Key, r.Value = changelog, t.partition, c.Key, c.Value
		p.cl.Produce(ctx, r, promise)
	}
	last := fx.records.next()
	last.Topic, last.Partition, last.Value = changelog, t.partition, fx.position
	last.Key = []byte(statestore.PositionKey)
	if fx.claim {
		last.Key = []byte(statestore.ClaimKey)
	}
	fx.last = last
	if mutant.Is(mutant.NoPosition) && !fx.claim {
		return
	}
	p.cl.Produce(ctx, last, promise)
}

// abort gives the epoch up and says whether that is certain.
func (p *producer) abort(ctx context.Context, reason string, cause error) verdict {
	v := verdict{outcome: aborted, reason: reason, err: cause, fenced: isFenced(cause)}
	var refused *refusedRecord
	if errors.As(cause, &refused) {
		v.culprit = refused.owner
	}
	if v.fenced {
		v.outcome = unknown
		return v
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.in.cfg.TransactionTimeout)
	defer cancel()
	err := p.cl.AbortBufferedRecords(end)
	if err == nil {
		err = p.cl.EndTransaction(end, kgo.TryAbort)
	}
	if err == nil && !p.v2 {
		err = p.renew(end)
	}
	if err != nil {
		v.outcome = unknown
		v.err = errors.Join(cause, fmt.Errorf("abort transaction: %w", err))
		v.fenced = isFenced(err)
	}
	return v
}

// renew begins a new producer epoch. Under transactions v2 every transaction has its own; under v1
// the next one would go on counting where records that failed left the sequence, and the broker
// could take its batches for those of the aborted transaction, sent again.
func (p *producer) renew(ctx context.Context) error {
	fresh, err := newProducer(ctx, p.in)
	if err != nil {
		return err
	}
	p.in.closeClient(p.cl)
	p.cl = fresh.cl
	return nil
}

// isFenced reports that a producer with a newer epoch of our transactional id exists.
func isFenced(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch)
}

// commitOffsets adds the shares' input offsets to the transaction (TxnOffsetCommit). A refused
// generation is no failure yet: the group is rebalancing, and once its callback has told us the
// new generation, the tasks that are still ours may commit under it.
func (p *producer) commitOffsets(ctx context.Context, shares []*Effects) error {
	deadline := time.Now().Add(p.in.cfg.TransactionTimeout / 2)
	if !p.v2 {
		if err := p.addOffsets(ctx, deadline); err != nil {
			return err
		}
	}
	for {
		who, err := p.in.fence(shares)
		if err == nil {
			err = p.offsetsOnce(ctx, shares, who)
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, kerr.IllegalGeneration) || errors.Is(err, kerr.RebalanceInProgress):
			if e := p.in.awaitGeneration(ctx, who, deadline); e != nil {
				return errors.Join(err, e)
			}
		case isTransient(err) && time.Now().Before(deadline):
			pause(ctx, 20*time.Millisecond)
		default:
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func isTransient(err error) bool {
	for _, k := range []*kerr.Error{kerr.CoordinatorLoadInProgress, kerr.CoordinatorNotAvailable,
		kerr.NotCoordinator, kerr.ConcurrentTransactions, kerr.UnknownTopicOrPartition,
		kerr.RequestTimedOut} {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}

// addOffsets registers the group with a version-1 transaction (AddOffsetsToTxn).
func (p *producer) addOffsets(ctx context.Context, deadline time.Time) error {
	for {
		id, epoch, err := p.cl.ProducerID(ctx)
		if err != nil {
			return fmt.Errorf("producer id: %w", err)
		}
		req := kmsg.NewPtrAddOffsetsToTxnRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch = p.id, id, epoch
		req.Group = p.in.cfg.ApplicationID
		resp, err := req.RequestWith(ctx, p.cl)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err == nil || !isTransient(err) || time.Now().After(deadline) {
			return p.deniedOffset(err, "")
		}
		pause(ctx, 20*time.Millisecond)
	}
}

func (p *producer) offsetsOnce(ctx context.Context, shares []*Effects, who membership) error {
	// Asked in every epoch: under transactions v2 each EndTxn answers with a new epoch.
	id, epoch, err := p.cl.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("producer id: %w", err)
	}
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = p.id, id, epoch
	req.Group = p.in.cfg.ApplicationID
	req.MemberID, req.Generation = who.id, who.generation
	req.InstanceID = &p.in.cfg.InstanceID
	if mutant.Is(mutant.NoMembership) {
		req.MemberID, req.Generation, req.InstanceID = "", -1, nil
	}
	req.Topics = p.offsetTopics(shares)
	resp, err := req.RequestWith(ctx, p.cl)
	if err != nil {
		return fmt.Errorf("commit offsets: %w", err)
	}
	for _, t := range resp.Topics {
		for _, part := range t.Partitions {
			if err := kerr.ErrorForCode(part.ErrorCode); err != nil {
				err = p.deniedOffset(err, p.answered(&t))
				return fmt.Errorf("commit offset of partition %d: %w", part.Partition, err)
			}
		}
	}
	return nil
}

// offsetTopics lists the shares' input positions by topic; version 6 carries topic ids only, the
// versions before it names only, so both are set.
func (p *producer) offsetTopics(shares []*Effects) []kmsg.TxnOffsetCommitRequestTopic {
	var topics []kmsg.TxnOffsetCommitRequestTopic
	for i, in := range p.in.bind.inputs {
		if in.global {
			continue // each task has its own offset there, and a group only one
		}
		t := kmsg.NewTxnOffsetCommitRequestTopic()
		t.Topic, t.TopicID = in.topic, in.id
		for _, fx := range shares {
			if fx.claim {
				continue
			}
			part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			part.Partition, part.Offset = fx.owner.partition, fx.Position.Inputs[i].Offset
			t.Partitions = append(t.Partitions, part)
		}
		topics = append(topics, t)
	}
	return topics
}

// deniedOffset names what is denied when offsets of a topic are refused; "" is no topic yet.
func (p *producer) deniedOffset(err error, topic string) error {
	switch {
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return denied(err, ResourceGroup, p.in.cfg.ApplicationID, OpRead)
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		return denied(err, ResourceTransactional, p.id, OpWrite)
	case topic != "":
		return denied(err, ResourceTopic, topic, OpRead)
	}
	return err
}

// answered is the name of the topic that an answer is about, by name or by id.
func (p *producer) answered(t *kmsg.TxnOffsetCommitResponseTopic) string {
	for _, in := range p.in.bind.inputs {
		if t.Topic == "" && t.TopicID == in.id {
			return in.topic
		}
	}
	return t.Topic
}
