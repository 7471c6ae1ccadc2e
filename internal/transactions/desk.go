package transactions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Options say whose transactions.
type Options struct {
	ApplicationID string
	Kafka         []kgo.Opt
	// Topics are all that the application reads and writes. Own are those of them that nobody else
	// may write: what has one open is the application's.
	Topics, Own []string
	// TransactionTimeout is what a fenced transactional id is initialised with.
	TransactionTimeout time.Duration
	// Recheck is how long after a first look a second one must still find what hangs: a
	// transaction that ends between two questions looks as if it did. Default 1s.
	Recheck time.Duration
}

// Desk is where transactions are looked at.
type Desk struct {
	o   Options
	cl  *kgo.Client
	adm *kadm.Client
}

// Open connects.
func Open(o Options) (*Desk, error) {
	if o.Recheck == 0 {
		o.Recheck = time.Second
	}
	if o.TransactionTimeout == 0 {
		o.TransactionTimeout = 15 * time.Second
	}
	cl, err := kgo.NewClient(o.Kafka...)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &Desk{o: o, cl: cl, adm: kadm.NewClient(cl)}, nil
}

// Close disconnects.
func (d *Desk) Close() { d.cl.Close() }

// describe asks the coordinators for some ids; those that are gone meanwhile are left out.
func (d *Desk) describe(ctx context.Context, owners *owners, ids ...string) ([]*Transaction,
	error) {
	if len(ids) == 0 {
		return nil, nil
	}
	described, err := d.adm.DescribeTransactions(ctx, ids...)
	if err != nil {
		return nil, fmt.Errorf("describe transactions: %w", err)
	}
	var all []*Transaction
	for _, t := range described.Sorted() {
		if errors.Is(t.Err, kerr.TransactionalIDNotFound) {
			continue
		}
		if t.Err != nil {
			return nil, fmt.Errorf("describe transaction %s: %w", t.TxnID, t.Err)
		}
		one := &Transaction{ID: t.TxnID, State: t.State, ProducerID: t.ProducerID,
			ProducerEpoch: t.ProducerEpoch, Coordinator: t.Coordinator,
			Timeout: (time.Duration(t.TimeoutMillis) * time.Millisecond).Seconds(),
			Owner:   owners.name(t.TxnID), Alive: owners.alive(t.TxnID), Partitions: []*Part{}}
		if open(t.State) && t.StartTimestamp > 0 {
			one.since(time.UnixMilli(t.StartTimestamp))
		}
		for _, topic := range t.Topics.Sorted() {
			one.Ours = one.Ours || slices.Contains(d.o.Own, topic.Topic)
			for _, p := range topic.Partitions {
				one.Partitions = append(one.Partitions, &Part{Topic: topic.Topic, Partition: p,
					FirstOffset: -1})
			}
		}
		all = append(all, one)
	}
	return all, nil
}

func (t *Transaction) since(at time.Time) {
	at = at.UTC()
	t.Started, t.Age = &at, max(time.Since(at).Round(time.Millisecond).Seconds(), 0)
}

// concerns says that a transaction touches a topic of the application.
func (d *Desk) concerns(t *Transaction) bool {
	return slices.ContainsFunc(t.Partitions, func(p *Part) bool {
		return slices.Contains(d.o.Topics, p.Topic)
	})
}
