package transactions

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// List gives the transactional ids that begin with the application's name, and all others that have
// something open on its topics. Another application's id may begin with the same letters: Ours says
// for sure, of what is open.
func (d *Desk) List(ctx context.Context) ([]*Transaction, error) {
	owners, err := d.owners(ctx)
	if err != nil {
		return nil, err
	}
	listed, err := d.adm.ListTransactions(ctx, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("list transactions: %w", err)
	}
	var ids []string
	for _, t := range listed.Sorted() {
		if open(t.State) || strings.HasPrefix(t.TxnID, owners.prefix) {
			ids = append(ids, t.TxnID)
		}
	}
	described, err := d.describe(ctx, owners, ids...)
	if err != nil {
		return nil, err
	}
	all := []*Transaction{}
	for _, t := range described {
		if strings.HasPrefix(t.ID, owners.prefix) || d.concerns(t) {
			all = append(all, t)
		}
	}
	return all, nil
}

// Describe gives transactions whole, with where they begin on their partitions. missing are the ids
// that no coordinator knows.
func (d *Desk) Describe(ctx context.Context, ids ...string) (all []*Transaction,
	missing []string, err error) {
	owners, err := d.owners(ctx)
	if err != nil {
		return nil, nil, err
	}
	all, err = d.describe(ctx, owners, ids...)
	if err != nil {
		return nil, nil, err
	}
	found := make(map[string]bool)
	for _, t := range all {
		found[t.ID] = true
		if err := d.fill(ctx, t); err != nil {
			return nil, nil, err
		}
	}
	for _, id := range ids {
		if !found[id] {
			missing = append(missing, id)
		}
	}
	return all, missing, nil
}

// fill asks the partitions' leaders what the transaction has there.
func (d *Desk) fill(ctx context.Context, t *Transaction) error {
	set := make(kadm.TopicsSet)
	for _, p := range t.Partitions {
		set.Add(p.Topic, p.Partition)
	}
	if len(set) == 0 {
		return nil
	}
	producers, err := d.producers(ctx, set)
	if err != nil {
		return err
	}
	for _, p := range t.Partitions {
		for _, w := range producers {
			if w.Topic == p.Topic && w.Partition == p.Partition && w.ProducerID == t.ProducerID {
				p.write(&w)
			}
		}
	}
	return nil
}

// write takes over what a partition's leader knows of a producer.
func (p *Part) write(w *kadm.DescribedProducer) {
	p.FirstOffset, p.coordinatorEpoch = w.CurrentTxnStartOffset, w.CoordinatorEpoch
	p.producerEpoch = w.ProducerEpoch
	if w.LastTimestamp > 0 {
		at := time.UnixMilli(w.LastTimestamp).UTC()
		p.LastWrite = &at
	}
}
