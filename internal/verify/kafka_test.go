package verify_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/internal/verify"
)

// transactions writes the topic "log": three records committed, two aborted, and one whose
// transaction stays open.
func transactions(t *testing.T, opts []kgo.Opt) {
	t.Helper()
	ctx := context.Background()
	cl, err := kgo.NewClient(append(opts, kgo.TransactionalID("writer"),
		kgo.DefaultProduceTopic("log"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for n := range 3 - i {
			value := fmt.Appendf(nil, "%d.%d", i, n)
			if err := cl.ProduceSync(ctx, &kgo.Record{Value: value}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		if i == 2 {
			return
		}
		if err := cl.EndTransaction(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKafkaReadsWhatIsCommitted ends logs where a read_committed reader ends, and does not wait
// for records that are aborted.
func TestKafkaReadsWhatIsCommitted(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "log", "empty"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	opts := []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}
	transactions(t, opts)
	k, err := verify.NewKafka("nobody", opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	ctx := context.Background()
	bounds, err := k.Bounds(ctx, "log")
	if err != nil {
		t.Fatal(err)
	}
	if want := []verify.Bounds{{From: 0, To: 7}}; !slices.Equal(bounds, want) {
		t.Fatalf("bounds %v, want %v: 3 records, 2 aborted ones, 2 markers", bounds, want)
	}
	began := time.Now()
	var got []string
	for topic, b := range map[string]verify.Bounds{"log": bounds[0], "empty": {}} {
		log, err := k.Open(ctx, topic, 0, b)
		if err != nil {
			t.Fatal(err)
		}
		for {
			rec, err := log.Next(ctx)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(rec.Value))
		}
		log.Close()
	}
	if want := []string{"0.0", "0.1", "0.2"}; !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the end was found after %v only", took)
	}
	committed, err := k.Committed(ctx, "log")
	if err != nil || !slices.Equal(committed, []int64{-1}) {
		t.Errorf("committed %v, %v; want -1 for a group that does not exist", committed, err)
	}
	if lag, err := k.Lag(ctx, "log"); err != nil || lag != 7 {
		t.Errorf("lag %d, %v; want 7", lag, err)
	}
	if _, err := k.Bounds(ctx, "nowhere"); err == nil {
		t.Error("no error for a topic that does not exist")
	}
}

// newLog is a cluster with the transactions on its topic "log", and a reader of it.
func newLog(t *testing.T) (*kfake.Cluster, *verify.Kafka) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	opts := []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}
	transactions(t, opts)
	k, err := verify.NewKafka("nobody", opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return c, k
}

// TestKafkaSilenceIsNoEnd keeps every fetch from an answer for much longer than a log may be quiet:
// that says nothing of the log.
func TestKafkaSilenceIsNoEnd(t *testing.T) {
	c, k := newLog(t)
	k.SetQuiet(20 * time.Millisecond)
	silent := time.Now().Add(time.Second)
	c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if time.Now().Before(silent) {
			return nil, errors.New("cut off"), true
		}
		return nil, nil, false
	})
	log, err := k.Open(context.Background(), "log", 0, verify.Bounds{From: 0, To: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	rec, err := log.Next(context.Background())
	if err != nil || string(rec.Value) != "0.0" {
		t.Fatalf("record %v, error %v; want the first", rec, err)
	}
}

// TestKafkaSaysWhatHoldsALogBack reads beyond an open transaction.
func TestKafkaSaysWhatHoldsALogBack(t *testing.T) {
	_, k := newLog(t)
	log, err := k.Open(context.Background(), "log", 0, verify.Bounds{From: 5, To: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	rec, err := log.Next(context.Background())
	if err == nil || err == io.EOF {
		t.Fatalf("record %v, error %v; want an error that names the open transaction", rec, err)
	}
	t.Log(err)
}
