package transactions

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// FindHanging gives what holds back readers of the application's topics and is no ordinary work:
// transactions that no coordinator knows, those of instances that are gone, and those that are open
// for longer than longest. It looks twice, Recheck apart.
func (d *Desk) FindHanging(ctx context.Context, longest time.Duration) ([]*Hung, error) {
	first, err := d.look(ctx, longest)
	if err != nil || len(first) == 0 {
		return []*Hung{}, err
	}
	timer := time.NewTimer(d.o.Recheck)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	second, err := d.look(ctx, longest)
	if err != nil {
		return nil, err
	}
	still := []*Hung{}
	for _, h := range second {
		if slices.ContainsFunc(first, h.same) {
			still = append(still, h)
		}
	}
	return still, nil
}

// same says that both are one transaction, not two of one producer.
func (h *Hung) same(other *Hung) bool {
	if h.ProducerID != other.ProducerID || h.Kind != other.Kind {
		return false
	}
	if h.Kind != Hanging {
		return h.Started != nil && other.Started != nil && h.Started.Equal(*other.Started)
	}
	return slices.ContainsFunc(h.Partitions, func(p *Part) bool {
		return slices.ContainsFunc(other.Partitions, func(q *Part) bool {
			return p.Topic == q.Topic && p.Partition == q.Partition &&
				p.FirstOffset == q.FirstOffset
		})
	})
}

// look asks the partitions first and the coordinators then: what ends in between is known there.
func (d *Desk) look(ctx context.Context, longest time.Duration) ([]*Hung, error) {
	owners, err := d.owners(ctx)
	if err != nil {
		return nil, err
	}
	writers, err := d.writers(ctx)
	if err != nil {
		return nil, err
	}
	listed, err := d.adm.ListTransactions(ctx, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("list transactions: %w", err)
	}
	var ids []string
	for _, t := range listed {
		if open(t.State) || slices.ContainsFunc(writers, func(w kadm.DescribedProducer) bool {
			return w.ProducerID == t.ProducerID
		}) {
			ids = append(ids, t.TxnID)
		}
	}
	known, err := d.describe(ctx, owners, ids...)
	if err != nil {
		return nil, err
	}
	hung := d.unknown(writers, known)
	for _, t := range known {
		if t.State != ongoing || !d.concerns(t) && (!t.onlyGroups() || t.Owner == "") {
			continue
		}
		for _, p := range t.Partitions {
			for _, w := range writers {
				if w.ProducerID == t.ProducerID && w.Topic == p.Topic &&
					w.Partition == p.Partition {
					p.write(&w)
				}
			}
		}
		switch {
		case t.Alive == No:
			hung = append(hung, &Hung{t, Orphaned})
		case t.Age > longest.Seconds():
			hung = append(hung, &Hung{t, Long})
		}
	}
	return hung, nil
}

// onlyGroups says that a transaction holds offsets alone.
func (t *Transaction) onlyGroups() bool {
	return !slices.ContainsFunc(t.Partitions, func(p *Part) bool {
		return p.Topic != "__consumer_offsets"
	})
}

// unknown are the open transactions of partitions that no coordinator has there.
func (d *Desk) unknown(writers []kadm.DescribedProducer, known []*Transaction) []*Hung {
	byProducer := make(map[int64]*Hung)
	for _, w := range writers {
		if slices.ContainsFunc(known, func(t *Transaction) bool { return t.covers(&w) }) {
			continue
		}
		h := byProducer[w.ProducerID]
		if h == nil {
			h = &Hung{&Transaction{State: unknown, ProducerID: w.ProducerID,
				ProducerEpoch: w.ProducerEpoch, Coordinator: -1, Alive: Unknown,
				Partitions: []*Part{}}, Hanging}
			for _, t := range known {
				if t.ProducerID == w.ProducerID { // it goes on, and knows nothing of this one
					h.ID, h.Owner, h.Alive, h.Coordinator = t.ID, t.Owner, t.Alive, t.Coordinator
				}
			}
			byProducer[w.ProducerID] = h
		}
		part := &Part{Topic: w.Topic, Partition: w.Partition}
		part.write(&w)
		h.Partitions = append(h.Partitions, part)
		h.Ours = h.Ours || slices.Contains(d.o.Own, w.Topic)
		if part.LastWrite != nil && (h.Started == nil || part.LastWrite.Before(*h.Started)) {
			h.since(*part.LastWrite)
		}
	}
	var hung []*Hung
	for _, h := range byProducer {
		hung = append(hung, h)
	}
	slices.SortFunc(hung, func(a, b *Hung) int { return cmp.Compare(a.ProducerID, b.ProducerID) })
	return hung
}

// covers says that the coordinator will end what a producer has open on a partition.
func (t *Transaction) covers(w *kadm.DescribedProducer) bool {
	return t.ProducerID == w.ProducerID && t.Open() &&
		slices.ContainsFunc(t.Partitions, func(p *Part) bool {
			return p.Topic == w.Topic && p.Partition == w.Partition
		})
}

// writers are the producers that have a transaction open on a partition of the application's
// topics.
func (d *Desk) writers(ctx context.Context) ([]kadm.DescribedProducer, error) {
	topics, err := d.adm.ListTopics(ctx, d.o.Topics...)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	set := make(kadm.TopicsSet)
	for _, t := range topics {
		if t.Err == nil {
			set.Add(t.Topic, t.Partitions.Numbers()...)
		}
	}
	if len(set) == 0 {
		return nil, nil
	}
	all, err := d.producers(ctx, set)
	return slices.DeleteFunc(all, func(w kadm.DescribedProducer) bool {
		return w.CurrentTxnStartOffset < 0
	}), err
}

// producers asks partitions' leaders for all their producers.
func (d *Desk) producers(ctx context.Context, set kadm.TopicsSet) ([]kadm.DescribedProducer,
	error) {
	described, err := d.adm.DescribeProducers(ctx, set)
	if err != nil {
		return nil, fmt.Errorf("describe producers: %w", err)
	}
	var all []kadm.DescribedProducer
	for _, p := range described.SortedPartitions() {
		if p.Err != nil {
			return nil, fmt.Errorf("describe producers of %s-%d: %w", p.Topic, p.Partition, p.Err)
		}
		all = append(all, p.ActiveProducers.Sorted()...)
	}
	return all, nil
}
