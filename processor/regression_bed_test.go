package processor_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/processor"
)

// fault has the broker refuse the next n requests of a kind without looking at them; -1: all.
func (b *bed) fault(key kmsg.Key, err *kerr.Error, n int) *kfake.FaultHandle {
	return b.cluster.Kafka().Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: err, Count: n})
}

// refence takes an instance's transactional id, as a late request of an earlier life would.
func (b *bed) refence(instance string) {
	b.t.Helper()
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID, req.TransactionTimeoutMillis = new("app-"+instance), 15000
	if resp, err := req.RequestWith(b.t.Context(), b.client); err != nil || resp.ErrorCode != 0 {
		b.t.Error(err, resp)
	}
}

// members is the size of the group, once it is not rebalancing.
func (b *bed) members() (n int) {
	b.t.Helper()
	waitFor(b.t, "the group to settle", func() bool {
		groups, err := b.adm.DescribeGroups(b.t.Context(), "app")
		n = len(groups["app"].Members)
		state := groups["app"].State
		return err == nil && (state == "Stable" || state == "Empty" || state == "Dead")
	})
	return n
}

// pointOnce is a Config.Point that calls fn once: when the named point is next passed after arming.
func pointOnce(point string, armed *atomic.Bool, fn func()) func(string) {
	return func(name string) {
		if name == point && armed.CompareAndSwap(true, false) {
			fn()
		}
	}
}

// impatience notes that an instance gave its last epoch up.
func impatience(impatient *atomic.Bool) processor.Listener {
	return processor.Listener{Notice: func(s string) {
		if strings.Contains(s, "stopping without the last epoch") {
			impatient.Store(true)
		}
	}}
}

// ends waits for an instance that was told to stop.
func ends(t *testing.T, in *processor.Instance) {
	t.Helper()
	select {
	case <-in.Done():
	case <-time.After(patience):
		t.Fatalf("Stop hangs: %+v", in.Status())
	}
	if err := in.Wait(); err != nil {
		t.Fatal(err)
	}
}

// waitUntil is waitFor inside a Point: it gives up quietly, and the test then fails at its end.
func waitUntil(ok func() bool) {
	for deadline := time.Now().Add(patience / 3); !ok() && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
}
