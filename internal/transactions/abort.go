package transactions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// RefusedError says why a transaction is left alone.
type RefusedError struct{ Why string }

// Error is the reason, with what mends it.
func (e *RefusedError) Error() string { return e.Why }

func refused(format string, args ...any) error {
	return &RefusedError{fmt.Sprintf(format, args...)}
}

// Ways of ending a transaction.
const (
	ByFence   = "fence"   // its transactional id is initialised anew
	ByMarkers = "markers" // abort markers are written to its partitions
)

// Aborted is what was, or would be, done.
type Aborted struct {
	*Transaction
	Way    string `json:"way"`
	DryRun bool   `json:"dry_run"`
	After  string `json:"state_after"` // the coordinator's word afterwards; "" of a dry run
}

// Abort ends what a transactional id has open, by fencing the id: whoever holds it can commit
// nothing any more. With force, an owner that is alive or of whom nothing is known does not matter.
func (d *Desk) Abort(ctx context.Context, id string, force, dry bool) (*Aborted, error) {
	found, _, err := d.Describe(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, refused("no coordinator knows transactional id %s; pawl transactions list "+
			"names those there are", id)
	}
	t := found[0]
	if err := d.mayFence(t, force); err != nil {
		return nil, err
	}
	done := &Aborted{Transaction: t, Way: ByFence, DryRun: dry}
	if dry {
		return done, nil
	}
	if err := d.fence(ctx, id); err != nil {
		return nil, fmt.Errorf("fence transactional id %s: %w", id, err)
	}
	done.After, err = d.ended(ctx, id)
	return done, err
}

func (d *Desk) mayFence(t *Transaction, force bool) error {
	switch {
	case !d.concerns(t) && t.Owner == "":
		return refused("%s is none of application %s: its id begins otherwise, and it has nothing "+
			"open on a topic of the application", t.ID, d.o.ApplicationID)
	case t.State != ongoing:
		return refused("%s has nothing open: it is %s", t.ID, t.State)
	case force:
		return nil
	case t.Alive == Yes:
		return refused("instance %s of %s is in the group and ends the transaction itself, within "+
			"%gs; if it was killed, the group forgets it after session.timeout; --force fences it",
			t.Owner, t.ID, t.Timeout)
	case t.Alive == Unknown:
		return refused("whether the owner of %s lives cannot be known here; the broker aborts the "+
			"transaction after %gs; --force does it now", t.ID, t.Timeout)
	case !d.concerns(t):
		return refused("%s has nothing open on a topic of application %s, so it may be another "+
			"application's; --force fences it nevertheless", t.ID, d.o.ApplicationID)
	}
	return nil
}

const (
	endLimit = 30 * time.Second      // for a coordinator to finish what it aborts
	endPause = 50 * time.Millisecond // between two questions
)

// fence raises the producer epoch of an id, which aborts what it has open.
func (d *Desk) fence(ctx context.Context, id string) error {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = &id
	req.TransactionTimeoutMillis = int32(d.o.TransactionTimeout.Milliseconds())
	for began := time.Now(); ; {
		resp, err := req.RequestWith(ctx, d.cl)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if !errors.Is(err, kerr.ConcurrentTransactions) || time.Since(began) > endLimit {
			return err
		}
		if err := rest(ctx); err != nil {
			return err
		}
	}
}

func rest(ctx context.Context) error {
	timer := time.NewTimer(endPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ended waits until the id's transaction is complete.
func (d *Desk) ended(ctx context.Context, id string) (state string, err error) {
	for began := time.Now(); ; {
		found, err := d.describe(ctx, &owners{}, id)
		if err != nil {
			return "", err
		}
		if len(found) == 0 {
			return "Dead", nil
		}
		if state = found[0].State; !open(state) {
			return state, nil
		}
		if time.Since(began) > endLimit {
			return state, fmt.Errorf("%s is %s %v after it was fenced; look at its coordinator, "+
				"broker %d", id, state, endLimit, found[0].Coordinator)
		}
		if err := rest(ctx); err != nil {
			return state, err
		}
	}
}

// AbortHanging writes the abort markers that a producer's transaction lacks, on the partitions
// where FindHanging finds it hanging, and nowhere else.
func (d *Desk) AbortHanging(ctx context.Context, producer int64, force, dry bool) (*Aborted,
	error) {
	hung, err := d.FindHanging(ctx, 0)
	if err != nil {
		return nil, err
	}
	for _, h := range hung {
		if h.ProducerID != producer || h.Kind != Hanging {
			continue
		}
		if h.Alive == Yes && !force {
			return nil, refused("instance %s, whose producer %d is, is in the group; stop it, or "+
				"give --force", h.Owner, producer)
		}
		done := &Aborted{Transaction: h.Transaction, Way: ByMarkers, DryRun: dry}
		if dry {
			return done, nil
		}
		if err := d.mark(ctx, h.Transaction); err != nil {
			return nil, err
		}
		done.After = "CompleteAbort"
		return done, nil
	}
	return nil, refused("producer %d has nothing hanging on the topics of application %s: what a "+
		"coordinator knows is aborted by its transactional id", producer, d.o.ApplicationID)
}

// mark writes abort markers, each with the epochs that its partition knows.
func (d *Desk) mark(ctx context.Context, t *Transaction) error {
	var errs []error
	for _, p := range t.Partitions {
		set := make(kadm.TopicsSet)
		set.Add(p.Topic, p.Partition)
		written, err := d.adm.WriteTxnMarkers(ctx, kadm.TxnMarkers{ProducerID: t.ProducerID,
			ProducerEpoch: p.producerEpoch, CoordinatorEpoch: max(p.coordinatorEpoch, 0),
			Topics: set})
		written.EachPartition(func(r kadm.TxnMarkersPartitionResponse) {
			err = errors.Join(err, r.Err)
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("write an abort marker to %s-%d: %w", p.Topic,
				p.Partition, err))
		}
	}
	return errors.Join(errs...)
}
