package processor_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"pawl/internal/faultnet"
	"pawl/processor"
)

// TestLostEndTxnIsSettled loses every EndTxn request, or every answer to it, until the instance
// has given up asking. What the broker did is then read back, not guessed: nothing is lost or
// repeated either way.
func TestLostEndTxnIsSettled(t *testing.T) {
	end := (&kmsg.EndTxnRequest{}).Key()
	answers := func(d *faultnet.Dialer) { d.LoseAnswers(end, 1<<30) }
	request := func(d *faultnet.Dialer) { d.LoseRequests(end, 1<<30) }
	old := kfake.MaxVersions(kversion.V3_9_0())
	for name, c := range map[string]struct {
		lose    func(*faultnet.Dialer)
		promise string
		options []kfake.Opt
	}{
		"answers":    {answers, "transactions v2", nil},
		"request":    {request, "transactions v2", nil},
		"answers v1": {answers, "transactions v1", []kfake.Opt{old}},
		"request v1": {request, "transactions v1", []kfake.Opt{old}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 2, c.options...)
			var net faultnet.Dialer
			var unconfirmed, epochs atomic.Int64
			cfg := b.config("a")
			cfg.Dialer = net.DialContext
			cfg.TransactionTimeout = 2 * time.Second
			cfg.Listeners = append(cfg.Listeners, processor.Listener{
				EpochCommitted: func(processor.EpochInfo) { epochs.Add(1) },
				EpochAborted: func(i processor.AbortInfo) {
					if i.Unconfirmed {
						unconfirmed.Add(1)
					}
				}})
			in, err := processor.Start(t.Context(), cfg, counting(nil))
			if err != nil {
				t.Fatal(err)
			}
			if promise := in.Status().Promise; !strings.Contains(promise, c.promise) {
				t.Fatalf("the cluster has %q, want %s", promise, c.promise)
			}
			b.produce(500, 10)
			b.outputs(500)
			before := epochs.Load()
			c.lose(&net)
			b.produce(500, 10)
			waitFor(t, "an unconfirmed epoch", func() bool { return unconfirmed.Load() > 0 })
			if net.Heal(end) == 0 {
				t.Fatal("nothing was lost")
			}
			b.produce(500, 10)
			b.outputs(1500)
			if epochs.Load() == before {
				t.Fatal("no epoch committed after the fault")
			}
			stop(t, in)
		})
	}
}

// waitFor polls until ok holds; the limit is far above what a healthy run needs.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}
