//go:build unix

package harness

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// shared holds the servers of this package's tests.
var shared Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// quick starts a short-lived broker sooner, at the price of its full speed.
func quick() []string { return []string{"-XX:TieredStopAtLevel=1"} }

// newClient connects to a cluster and leaves when the test ends.
func newClient(t *testing.T, c *Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append(opts, kgo.SeedBrokers(strings.Split(c.Bootstrap(), ",")...),
		kgo.ProducerBatchMaxBytes(12<<20))
	client, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseAllowingRebalance)
	return client
}

// createTopic creates a topic of one partition, named after the test.
func createTopic(t *testing.T, c *Cluster, replicas int16) string {
	t.Helper()
	topic := ID(t)
	adm := kadm.NewClient(newClient(t, c))
	if _, err := adm.CreateTopic(deadline(t), 1, replicas, nil, topic); err != nil {
		t.Fatalf("create topic %s: %v", topic, err)
	}
	return topic
}

// deadline bounds what a test waits for.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// produce writes values, one record each, and fails the test unless all are acknowledged.
func produce(t *testing.T, client *kgo.Client, topic string, values ...string) {
	t.Helper()
	for _, v := range values {
		rec := &kgo.Record{Topic: topic, Value: []byte(v)}
		if err := client.ProduceSync(deadline(t), rec).FirstErr(); err != nil {
			t.Fatalf("produce %.20q to %s: %v", v, topic, err)
		}
	}
}

// consume reads the values of n records, committed ones only.
func consume(t *testing.T, c *Cluster, topic string, n int) []string {
	t.Helper()
	client := newClient(t, c, kgo.ConsumeTopics(topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxBytes(32<<20),
		kgo.FetchMaxPartitionBytes(16<<20))
	ctx := deadline(t)
	var values []string
	for len(values) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("consume %s: %v after %d of %d records", topic, err, len(values), n)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

func TestKafkaTransactions(t *testing.T) {
	c := shared.Kafka(t)
	topic := createTopic(t, c, 1)
	client := newClient(t, c, kgo.TransactionalID(topic))
	for i, value := range []string{"aborted", "committed"} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, client, topic, value)
		if err := client.EndTransaction(deadline(t), kgo.TransactionEndTry(i == 1)); err != nil {
			t.Fatalf("end transaction of %s: %v", value, err)
		}
	}
	produce(t, newClient(t, c), topic, "end")
	got := strings.Join(consume(t, c, topic, 2), " ")
	if want := "committed end"; got != want {
		t.Errorf("read_committed sees %q, want %q", got, want)
	}
}

func TestKafkaTakesLargeRecords(t *testing.T) {
	c := shared.Kafka(t)
	topic := createTopic(t, c, 1)
	large := strings.Repeat("x", 10<<20)
	produce(t, newClient(t, c, kgo.ProducerBatchCompression(kgo.NoCompression())), topic, large)
	if got := consume(t, c, topic, 1)[0]; got != large {
		t.Errorf("read %d bytes back, want %d", len(got), len(large))
	}
}

// TestKafkaRefusesTheFuture pins what Kafka 4 does with event times: any past, one hour of future.
func TestKafkaRefusesTheFuture(t *testing.T) {
	c := shared.Kafka(t)
	topic := createTopic(t, c, 1)
	client := newClient(t, c)
	for _, row := range []struct {
		ahead time.Duration
		want  error
	}{
		{-10 * 365 * 24 * time.Hour, nil},
		{50 * time.Minute, nil},
		{70 * time.Minute, kerr.InvalidTimestamp},
	} {
		rec := &kgo.Record{Topic: topic, Value: []byte("x"), Timestamp: time.Now().Add(row.ahead)}
		err := client.ProduceSync(deadline(t), rec).FirstErr()
		if !errors.Is(err, row.want) {
			t.Errorf("produce %v ahead of the clock: %v, want %v", row.ahead, err, row.want)
		}
	}
}

func TestKafkaSurvivesOneOfThree(t *testing.T) {
	c := Kafka(t, KafkaOptions{Brokers: 3, JVM: quick()})
	topic := createTopic(t, c, 3)
	client := newClient(t, c)
	large := strings.Repeat("y", 10<<20) // must pass replication, too
	produce(t, client, topic, large)

	adm := kadm.NewClient(client)
	configs, err := adm.DescribeTopicConfigs(deadline(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range configs[0].Configs {
		if config.Key == "min.insync.replicas" && config.MaybeValue() != "2" {
			t.Errorf("min.insync.replicas is %s, want 2", config.MaybeValue())
		}
	}
	leader, _ := partition(t, adm, topic)
	c.Kill(leader)
	produce(t, client, topic, "one down")
	c.Restart(leader)
	for ctx := deadline(t); ; time.Sleep(50 * time.Millisecond) {
		if _, inSync := partition(t, adm, topic); inSync == 3 {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("node %d did not catch up after its restart", leader)
		}
	}
	produce(t, client, topic, "all back")
	got := consume(t, c, topic, 3)
	if got[0] != large || got[1] != "one down" || got[2] != "all back" {
		t.Errorf("records differ after a broker's death: %.20q", got)
	}
}

// partition tells the leader of a topic's partition and how many replicas are in sync.
func partition(t *testing.T, adm *kadm.Client, topic string) (leader, inSync int) {
	t.Helper()
	topics, err := adm.ListTopics(deadline(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	p := topics[topic].Partitions[0]
	return int(p.Leader), len(p.ISR)
}

func TestKafkaTransactionVersion(t *testing.T) {
	if got := transactionVersion(t, shared.Kafka(t)); got != 2 {
		t.Errorf("transaction.version by default is %d, want 2", got)
	}
	old := Kafka(t, KafkaOptions{TransactionVersion: 1, Heap: "512m", JVM: quick()})
	if got := transactionVersion(t, old); got != 1 {
		t.Errorf("transaction.version of TransactionVersion 1 is %d, want 1", got)
	}
}

// transactionVersion asks a cluster for its finalized feature level.
func transactionVersion(t *testing.T, c *Cluster) int {
	t.Helper()
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "pawl", "test"
	resp, err := newClient(t, c).Request(deadline(t), req)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range resp.(*kmsg.ApiVersionsResponse).FinalizedFeatures {
		if f.Name == "transaction.version" {
			return int(f.MaxVersionLevel)
		}
	}
	return 0
}
