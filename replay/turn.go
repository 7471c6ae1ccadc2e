package replay

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/schemas/record"
	"pawl/statestore"
)

// turn takes tasks from the states that they stand in to others, in one transaction:
//
//	fence      no transactional id of the application can commit any more
//	claims     a claim record on each changelog: what an earlier owner may still write is void
//	→ replay-begun
//	changes    what distinguishes the state to come from today's, a position record last
//	→ replay-flushed
//	offsets    the group's, of the positions
//	→ replay-offsets
//	EndTxn
//	→ replay-ended
//
// Until EndTxn is answered a reader of committed records sees the old state; afterwards the new
// one. A death before leaves an open transaction, which the next turn or the next start of an
// instance aborts. The turn itself can be repeated at any time: it begins with what is there.
type turn struct {
	s      *session
	writer string
	client *kgo.Client
	moves  []*move
	failed atomic.Pointer[error]
}

// move is one task's part of a turn.
type move struct {
	t        *task
	to       *statestore.Pebble // the state to come
	position record.Position
	claim    int64
}

// turnWriter ends the transactional id of turns. It begins as those of instances do, so that an
// instance that starts meanwhile may fence it.
const turnWriter = "-replay-in-place"

// Turned is what a turn did.
type Turned struct {
	Plan    *Plan            `json:"plan"`
	Changes map[string]int64 `json:"changes"` // by task: state entries written
	Seconds float64          `json:"seconds"`
}

// fence raises the producer epoch of all transactional ids that are known to write to the
// application's changelog: those in position records and those with an open transaction there.
// Another application's id may begin with the same letters, so a name alone is no reason.
func (s *session) fence(ctx context.Context) error {
	ids := map[string]bool{s.o.Config.ApplicationID + turnWriter: true} // a turn that died
	for _, id := range s.writers {
		ids[id] = true
	}
	listed, err := s.adm.ListTransactions(ctx, nil, []string{"Ongoing"})
	if err != nil {
		return fmt.Errorf("list transactions: %w", err)
	}
	if open := listed.TransactionalIDs(); len(open) > 0 {
		described, err := s.adm.DescribeTransactions(ctx, open...)
		if err != nil {
			return fmt.Errorf("describe transactions: %w", err)
		}
		for _, txn := range described {
			if _, ours := txn.Topics[s.changelog]; ours {
				ids[txn.TxnID] = true
			}
		}
	}
	for id := range ids {
		if err := s.fenceOne(ctx, id); err != nil {
			return fmt.Errorf("fence transactional id %s: %w", id, err)
		}
	}
	return nil
}

func (s *session) fenceOne(ctx context.Context, id string) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = &id
	req.TransactionTimeoutMillis = int32(s.o.Config.TransactionTimeout.Milliseconds())
	for began := time.Now(); ; {
		resp, err := req.RequestWith(ctx, s.client)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if !errors.Is(err, kerr.ConcurrentTransactions) || time.Since(began) > patience {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// stopped demands that the application is stopped, sees to it that nothing of it can commit, and
// looks where it stands. What is open is ended first, or it would hold back the look.
func (s *session) stopped(ctx context.Context) error {
	if err := s.empty(ctx); err != nil {
		return err
	}
	if err := s.fence(ctx); err != nil {
		return err
	}
	if err := s.look(ctx); err != nil {
		return err
	}
	return s.fence(ctx) // now with the writers that the position records name
}

// newTurn opens the producer.
func (s *session) newTurn(ctx context.Context) (*turn, error) {
	u := &turn{s: s, writer: s.o.Config.ApplicationID + turnWriter}
	limit := s.longest(ctx)
	cl, err := s.off.Client("turn", kgo.TransactionalID(u.writer), kgo.TransactionTimeout(limit),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytesFn(s.off.BatchLimit), kgo.BrokerMaxWriteBytes(100<<20),
		kgo.RetryTimeout(limit))
	if err != nil {
		return nil, err
	}
	u.client = cl
	if _, _, err := cl.ProducerID(ctx); err != nil {
		return nil, fmt.Errorf("initialise transactional id %s: %w", u.writer, err)
	}
	return u, nil
}

// run does it, and says how many changes each task took.
func (u *turn) run(ctx context.Context) (map[string]int64, error) {
	if err := u.client.BeginTransaction(); err != nil {
		return nil, fmt.Errorf("begin transaction: %w", err)
	}
	changes, err := u.fill(ctx)
	if err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return nil, errors.Join(err, u.client.AbortBufferedRecords(end),
			u.client.EndTransaction(end, kgo.TryAbort))
	}
	// Not ctx: a cancelled EndTxn would have an outcome that nobody learns.
	if err := u.client.EndTransaction(context.WithoutCancel(ctx), kgo.TryCommit); err != nil {
		return nil, fmt.Errorf("commit the transaction: %w; whether it was is told by running the "+
			"same command again: it begins with what is there", err)
	}
	u.s.o.Passed("replay-ended")
	return changes, nil
}

// fill sends everything but the end.
func (u *turn) fill(ctx context.Context) (map[string]int64, error) {
	if err := u.claims(ctx); err != nil {
		return nil, err
	}
	u.s.o.Passed("replay-begun")
	changes := make(map[string]int64)
	for _, m := range u.moves {
		n, err := u.move(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("task %s: %w", m.t.name, err)
		}
		changes[m.t.name] = n
	}
	if err := u.flush(ctx); err != nil {
		return nil, err
	}
	u.s.o.Passed("replay-flushed")
	if err := u.offsets(ctx); err != nil {
		return nil, err
	}
	u.s.o.Passed("replay-offsets")
	return changes, u.s.empty(ctx) // who starts now finds it done or not begun
}

// claims writes a claim record to each changelog. Each must be the first record behind what was
// read: otherwise somebody has written meanwhile.
func (u *turn) claims(ctx context.Context) error {
	value, err := u.s.off.EncodeClaim(u.writer)
	if err != nil {
		return err
	}
	var sent []*kgo.Record
	for _, m := range u.moves {
		r := u.record(m, []byte(statestore.ClaimKey), value)
		sent = append(sent, r)
		u.produce(ctx, r)
	}
	if err := u.flush(ctx); err != nil {
		return err
	}
	for i, m := range u.moves {
		if m.claim = sent[i].Offset; m.claim != m.t.log.To {
			return fmt.Errorf("%s-%d was written to meanwhile: it ended at offset %d, and the "+
				"claim stands at %d; is an instance starting?", u.s.changelog, m.t.partition,
				m.t.log.To, m.claim)
		}
	}
	return nil
}

func (u *turn) record(m *move, key, value []byte) *kgo.Record {
	return &kgo.Record{Topic: u.s.changelog, Partition: m.t.partition, Key: key, Value: value}
}

func (u *turn) produce(ctx context.Context, r *kgo.Record) {
	u.client.Produce(ctx, r, func(r *kgo.Record, err error) {
		if err != nil {
			err = fmt.Errorf("produce to %s-%d: %w", r.Topic, r.Partition, err)
			u.failed.CompareAndSwap(nil, &err)
		}
	})
}

// flush waits for all acks: kgo commits whatever succeeded.
func (u *turn) flush(ctx context.Context) error {
	err := u.client.Flush(ctx)
	if e := u.failed.Load(); e != nil {
		err = errors.Join(*e, err)
	}
	return err
}

// move sends what distinguishes the state to come from today's, then the position record.
func (u *turn) move(ctx context.Context, m *move) (n int64, err error) {
	err = u.s.withToday(ctx, m.t, func(today *statestore.Pebble) error {
		return compare(today, m.to, func(key, is, will []byte) error {
			if is != nil && will != nil && string(is) == string(will) {
				return ctx.Err()
			}
			if n++; n%1000 == 0 {
				u.s.o.Progress("writing "+m.t.name, n, 0)
			}
			u.produce(ctx, u.record(m, clone(key), will))
			if e := u.failed.Load(); e != nil {
				return *e
			}
			return ctx.Err()
		})
	})
	if err != nil {
		return n, err
	}
	m.position.Epoch, m.position.Incarnation = m.t.last.Epoch+1, m.t.last.Incarnation+1
	m.position.Claim, m.position.Writer = m.claim, u.writer
	m.position.Ticks = m.t.last.Ticks // of a topic that nothing is taken from
	value, err := u.s.off.EncodePosition(&m.position)
	if err != nil {
		return n, err
	}
	u.produce(ctx, u.record(m, []byte(statestore.PositionKey), value))
	return n, nil
}

// offsets adds the group's offsets to the transaction. The group is empty, so they need no member.
func (u *turn) offsets(ctx context.Context) error {
	if !u.s.off.TransactionsV2() {
		err := u.retry(ctx, func(id int64, epoch int16) error {
			req := kmsg.NewPtrAddOffsetsToTxnRequest()
			req.TransactionalID, req.ProducerID, req.ProducerEpoch = u.writer, id, epoch
			req.Group = u.s.o.Config.ApplicationID
			resp, err := req.RequestWith(ctx, u.client)
			if err == nil {
				err = kerr.ErrorForCode(resp.ErrorCode)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("add the group's offsets: %w", err)
		}
	}
	topics, err := u.topics(ctx)
	if err != nil {
		return err
	}
	return u.retry(ctx, func(id int64, epoch int16) error {
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.TransactionalID, req.ProducerID, req.ProducerEpoch = u.writer, id, epoch
		req.Group, req.Generation, req.Topics = u.s.o.Config.ApplicationID, -1, topics
		resp, err := req.RequestWith(ctx, u.client)
		if err != nil {
			return fmt.Errorf("commit the group's offsets: %w", err)
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return fmt.Errorf("commit the offset of partition %d: %w", p.Partition, err)
				}
			}
		}
		return nil
	})
}

// retry repeats what a coordinator that is busy or moving refuses.
func (u *turn) retry(ctx context.Context, fn func(id int64, epoch int16) error) error {
	for began := time.Now(); ; {
		id, epoch, err := u.client.ProducerID(ctx)
		if err == nil {
			err = fn(id, epoch)
		}
		if err == nil || !kerr.IsRetriable(err) && !isRetriable(err) ||
			time.Since(began) > u.s.o.Config.TransactionTimeout {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

func isRetriable(err error) bool {
	var k *kerr.Error
	return errors.As(err, &k) && k.Retriable
}

// topics are the positions' offsets by topic. Global inputs have none in the group.
func (u *turn) topics(ctx context.Context) ([]kmsg.TxnOffsetCommitRequestTopic, error) {
	var all []kmsg.TxnOffsetCommitRequestTopic
	at := make(map[string]int)
	var names []string
	for name := range u.s.inputs {
		names = append(names, name)
	}
	listed, err := u.s.adm.ListTopics(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("look up the inputs: %w", err)
	}
	for _, m := range u.moves {
		for i, in := range m.t.inputs {
			if in.Global {
				continue
			}
			n, ok := at[in.Topic]
			if !ok {
				t := kmsg.NewTxnOffsetCommitRequestTopic()
				t.Topic, t.TopicID = in.Topic, listed[in.Topic].ID
				n, at[in.Topic] = len(all), len(all)
				all = append(all, t)
			}
			p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset = in.Partition, m.position.Inputs[i].Offset
			all[n].Partitions = append(all[n].Partitions, p)
		}
	}
	return all, nil
}
