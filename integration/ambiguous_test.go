//go:build unix

package integration

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/integration/harness"
	"pawl/internal/faultnet"
	"pawl/processor"
)

// TestLostEndTxnIsSettled loses EndTxn requests, or the broker's answers to them, until the
// instance has given up asking, on a cluster of each transaction version. Whether the epoch
// committed is then read back, never guessed.
func TestLostEndTxnIsSettled(t *testing.T) {
	t.Run("v2", func(t *testing.T) { loseEnds(t, shared.Kafka(t), "full") })
	t.Run("v1", func(t *testing.T) {
		loseEnds(t, harness.Kafka(t, harness.KafkaOptions{TransactionVersion: 1}), "v1")
	})
}

func loseEnds(t *testing.T, kafka *harness.Cluster, promise string) {
	end := (&kmsg.EndTxnRequest{}).Key()
	for name, lose := range map[string]func(*faultnet.Dialer){
		"answer":  func(d *faultnet.Dialer) { d.LoseAnswers(end, 1<<30) },
		"request": func(d *faultnet.Dialer) { d.LoseRequests(end, 1<<30) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, kafka, shared.Registry(t), 2)
			ctx, endLoad := context.WithCancel(t.Context())
			defer endLoad()
			loaded := make(chan error, 1)
			go func() {
				_, err := s.load(ctx, 2_000, 3)
				loaded <- err
			}()
			var net faultnet.Dialer
			var unconfirmed, committed atomic.Int64
			in := s.instance("a", processor.Listener{
				EpochCommitted: func(processor.EpochInfo) { committed.Add(1) },
				EpochAborted: func(i processor.AbortInfo) {
					if i.Unconfirmed {
						unconfirmed.Add(1)
					}
				},
			}, func(c *processor.Config) {
				c.Dialer = net.DialContext
				c.TransactionTimeout = 3 * time.Second
			})
			expectPromise(t, in, promise)
			for round := range int64(3) {
				before := committed.Load()
				s.until("epochs commit", func() bool { return committed.Load() > before+5 })
				lose(&net)
				s.until("an epoch is unconfirmed", func() bool {
					return unconfirmed.Load() > round
				})
				if net.Heal(end) == 0 {
					t.Fatal("nothing was lost")
				}
			}
			endLoad()
			if err := <-loaded; err != nil {
				t.Fatal(err)
			}
			s.drained(time.Minute)
			in.Stop()
			if err := in.Wait(); err != nil {
				t.Fatal(err)
			}
			s.check()
		})
	}
}

// expectPromise checks that the instance noticed the cluster's transaction version.
func expectPromise(t *testing.T, in *processor.Instance, want string) {
	t.Helper()
	if got := in.Status().Promise; !strings.Contains(got, want) {
		t.Fatalf("promise is %q, want one with %q", got, want)
	}
}
