package transactions_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/internal/embedded"
	"pawl/internal/transactions"
)

// bench is a cluster with the topics of application app and of nobody.
type bench struct {
	t       *testing.T
	cluster *embedded.Cluster
	adm     *kadm.Client
	desk    *transactions.Desk
}

func newBench(t *testing.T) *bench {
	t.Helper()
	cluster, err := embedded.Start(t.Context(), embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	b := &bench{t: t, cluster: cluster}
	b.adm = kadm.NewClient(b.client())
	for _, topic := range []string{"in", "app-x-changelog", "elsewhere"} {
		if _, err := b.adm.CreateTopic(t.Context(), 2, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	b.desk, err = transactions.Open(transactions.Options{ApplicationID: "app",
		Kafka:  []kgo.Opt{kgo.SeedBrokers(strings.Split(cluster.Addr(), ",")...)},
		Topics: []string{"in", "app-x-changelog", "not-made-yet"},
		Own:    []string{"app-x-changelog"}, Recheck: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.desk.Close)
	return b
}

func (b *bench) client(opts ...kgo.Opt) *kgo.Client {
	b.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(strings.Split(b.cluster.Addr(), ",")...)}, opts...)...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(cl.Close)
	return cl
}

// open leaves a transaction of an id open, with a record on each partition of a topic.
func (b *bench) open(id, topic string) *kgo.Client {
	b.t.Helper()
	cl := b.client(kgo.TransactionalID(id), kgo.TransactionTimeout(10*time.Minute),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := cl.BeginTransaction(); err != nil {
		b.t.Fatal(err)
	}
	for p := range int32(2) {
		r := &kgo.Record{Topic: topic, Partition: p, Value: []byte("v")}
		if err := cl.ProduceSync(b.t.Context(), r).FirstErr(); err != nil {
			b.t.Fatal(err)
		}
	}
	return cl
}

// held says how many partitions of a topic have an undecided end.
func (b *bench) held(topic string) (n int) {
	b.t.Helper()
	ends, err := b.adm.ListEndOffsets(b.t.Context(), topic)
	if err != nil {
		b.t.Fatal(err)
	}
	stable, err := b.adm.ListCommittedOffsets(b.t.Context(), topic)
	if err != nil {
		b.t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		if at, _ := stable.Lookup(topic, o.Partition); at.Offset < o.Offset {
			n++
		}
	})
	return n
}

func (b *bench) hung(longest time.Duration) string {
	b.t.Helper()
	hung, err := b.desk.FindHanging(b.t.Context(), longest)
	if err != nil {
		b.t.Fatal(err)
	}
	var all []string
	for _, h := range hung {
		var parts []string
		for _, p := range h.Partitions {
			parts = append(parts, fmt.Sprintf("%s-%d@%d", p.Topic, p.Partition, p.FirstOffset))
		}
		all = append(all, fmt.Sprintf("%s %s %s", h.Kind, h.ID, strings.Join(parts, ",")))
	}
	return strings.Join(all, "; ")
}

// refused demands that an abort is refused for a reason, and changes nothing.
func (b *bench) refused(id string, force bool, why string) {
	b.t.Helper()
	_, err := b.desk.Abort(b.t.Context(), id, force, false)
	var refusal *transactions.RefusedError
	if !errors.As(err, &refusal) || !strings.Contains(refusal.Why, why) {
		b.t.Errorf("abort %s, force %v: %v, want %q", id, force, err, why)
	}
}

// TestOrphan: what an instance that is gone has open is listed, found, and aborted when told to.
func TestOrphan(t *testing.T) {
	b := newBench(t)
	cl := b.open("app-gone", "app-x-changelog")
	all, err := b.desk.List(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != "app-gone" || !all[0].Open() || !all[0].Ours ||
		all[0].Alive != transactions.No || all[0].Owner != "gone" || all[0].Timeout != 600 ||
		all[0].Started == nil || len(all[0].Partitions) != 2 {
		t.Fatalf("list: %+v, %v", all, err)
	}
	want := "orphaned app-gone app-x-changelog-0@0,app-x-changelog-1@0"
	if got := b.hung(time.Hour); got != want {
		t.Errorf("hanging: %q, want %q", got, want)
	}
	some, missing, err := b.desk.Describe(t.Context(), "app-gone", "app-never")
	if err != nil || len(some) != 1 || some[0].Partitions[1].FirstOffset != 0 ||
		strings.Join(missing, " ") != "app-never" {
		t.Errorf("describe: %+v, %v, %v", some, missing, err)
	}
	dry, err := b.desk.Abort(t.Context(), "app-gone", false, true)
	if err != nil || !dry.DryRun || dry.Way != transactions.ByFence ||
		b.held("app-x-changelog") != 2 {
		t.Errorf("dry run: %+v, %v", dry, err)
	}
	done, err := b.desk.Abort(t.Context(), "app-gone", false, false)
	if err != nil || done.DryRun || done.After != "CompleteAbort" && done.After != "Empty" ||
		b.held("app-x-changelog") != 0 {
		t.Errorf("abort: %+v, %v, %d held", done, err, b.held("app-x-changelog"))
	}
	if err := cl.EndTransaction(t.Context(), kgo.TryCommit); err == nil {
		t.Error("its owner committed it after that")
	}
	if got := b.hung(0); got != "" {
		t.Errorf("still hanging: %s", got)
	}
	b.refused("app-gone", true, "nothing open")
}

// TestOwners: nobody's transaction is aborted whose owner lives, or may live, unless by force; and
// another application's never.
func TestOwners(t *testing.T) {
	b := newBench(t)
	member := b.client(kgo.ConsumerGroup("app"), kgo.InstanceID("here"), kgo.ConsumeTopics("in"))
	joined := func() bool {
		groups, err := b.adm.DescribeGroups(t.Context(), "app")
		return err == nil && groups["app"].State == "Stable"
	}
	for began := time.Now(); !joined(); {
		if time.Since(began) > 30*time.Second {
			t.Fatal("the member never joined")
		}
		wait, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		member.PollFetches(wait)
		cancel()
	}
	b.open("app-here", "app-x-changelog")
	b.open("upstream", "in")
	b.open("app-deadletter", "in")
	b.open("other", "elsewhere")
	b.open("app-eu-one", "elsewhere")
	var listed []string
	all, err := b.desk.List(t.Context())
	for _, one := range all {
		listed = append(listed, fmt.Sprintf("%s %s %q", one.ID, one.Alive, one.Owner))
	}
	want := `app-deadletter unknown "pawl deadletter"; app-eu-one no "eu-one"; ` +
		`app-here yes "here"; upstream unknown ""`
	if got := strings.Join(listed, "; "); err != nil || got != want {
		t.Errorf("list: %s, %v; want %s", got, err, want)
	}
	if got := b.hung(time.Hour); got != "" {
		t.Errorf("hanging: %s", got)
	}
	if got := b.hung(0); strings.Count(got, "long ") != 3 {
		t.Errorf("long: %s", got)
	}
	b.refused("app-here", false, "is in the group")
	b.refused("upstream", false, "cannot be known")
	b.refused("app-deadletter", false, "cannot be known")
	b.refused("app-eu-one", false, "another application's")
	b.refused("other", true, "none of application app")
	b.refused("nobody", true, "no coordinator knows")
	if _, err := b.desk.Abort(t.Context(), "app-here", true, false); err != nil {
		t.Error(err)
	}
	if b.held("app-x-changelog") != 0 || b.held("elsewhere") != 2 || b.held("in") != 2 {
		t.Error("something else was aborted than what was meant")
	}
}

// TestHanging: a transaction that its coordinator has forgotten is found, and ended by markers.
func TestHanging(t *testing.T) {
	b := newBench(t)
	b.open("app-lost", "in")
	b.cluster.Kafka().ControlKey(int16(kmsg.ListTransactions), func(r kmsg.Request) (kmsg.Response,
		error, bool) {
		b.cluster.Kafka().KeepControl()
		return r.ResponseKind(), nil, true
	})
	if got := b.hung(time.Hour); got != "hanging  in-0@0,in-1@0" {
		t.Fatalf("hanging: %q", got)
	}
	hung, err := b.desk.FindHanging(t.Context(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	id := hung[0].ProducerID
	_, err = b.desk.AbortHanging(t.Context(), id+1, true, false)
	var refusal *transactions.RefusedError
	if !errors.As(err, &refusal) {
		t.Errorf("another producer: %v", err)
	}
	dry, err := b.desk.AbortHanging(t.Context(), id, false, true)
	if err != nil || dry.Way != transactions.ByMarkers || b.held("in") != 2 {
		t.Errorf("dry run: %+v, %v", dry, err)
	}
	if _, err := b.desk.AbortHanging(t.Context(), id, false, false); err != nil ||
		b.held("in") != 0 {
		t.Errorf("abort: %v, %d partitions held", err, b.held("in"))
	}
}
