package processor

import (
	"context"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker answers EndTxn before the transaction's markers are written, and refuses records of the
// next one until they are (CONCURRENT_TRANSACTIONS). It, or the client, then tries again after
// 20 ms (add.partitions.to.txn.retry.backoff.ms), where the markers take one or two. So the next
// epoch is sealed when the coordinator says that the transaction is complete; until then it grows.

const (
	settleSoon  = 100 * time.Millisecond // an end that is longer ago is not asked about
	settleLimit = 20 * time.Millisecond  // longer than this, the broker may do the waiting
	settlePause = time.Millisecond       // between two questions
)

// settled says whether the last transaction's markers are written. If that is not known, the loop
// is told when it is.
func (in *Instance) settled() bool {
	c := &in.cycle
	if c.settling || time.Since(c.ended) > settleSoon {
		return !c.settling
	}
	c.settling = true
	in.background(func() {
		in.settle()
		in.post(func() { c.settling, c.ended = false, time.Time{} })
	})
	return false
}

// settle waits until our transaction is complete, but not for long, and not for an answer that does
// not come: the broker knows anyway.
func (in *Instance) settle() {
	ctx, cancel := context.WithTimeout(in.ctx, settleLimit)
	defer cancel()
	for in.completing(ctx) {
		pause(ctx, settlePause)
	}
}

// completing says that the markers of our transaction are being written.
func (in *Instance) completing(ctx context.Context) bool {
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{in.transactionalID()}
	resp, err := req.RequestWith(ctx, in.admin)
	return err == nil && len(resp.TransactionStates) == 1 &&
		strings.HasPrefix(resp.TransactionStates[0].State, "Prepare")
}
