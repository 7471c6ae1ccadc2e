package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
)

// cluster is what an audit reads.
type cluster interface {
	verify.Source
	// Topics looks topics up; those that do not exist are left out.
	Topics(ctx context.Context, names ...string) (map[string]topic, error)
	// Ends returns the end of every partition of a topic, open transactions included.
	Ends(ctx context.Context, topic string) ([]int64, error)
	// Live says that the group has members.
	Live(ctx context.Context) (bool, error)
	// OpenTransactions lists the transactions that have not ended and have written to one of the
	// topics, or to none while their transactional id is the application's.
	OpenTransactions(ctx context.Context, topics []string) ([]open, error)
}

// open is a transaction that has not ended.
type open struct{ id, detail string }

// kafka is a cluster that is reached over a network.
type kafka struct {
	*verify.Kafka
	app    string
	client *kgo.Client
	adm    *kadm.Client
}

func newKafka(app string, opts []kgo.Opt) (*kafka, error) {
	source, err := verify.NewKafka(app, opts...)
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		source.Close()
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &kafka{Kafka: source, app: app, client: cl, adm: kadm.NewClient(cl)}, nil
}

func (k *kafka) close() {
	k.client.Close()
	k.Kafka.Close()
}

// Committed waits for offsets that are part of an open transaction: otherwise they would look older
// than a position record whose marker was faster.
func (k *kafka) Committed(ctx context.Context, topic string) ([]int64, error) {
	for began := time.Now(); ; {
		offsets, err := k.Kafka.Committed(kadm.RequireStable(ctx), topic)
		if !errors.Is(err, kerr.UnstableOffsetCommit) || time.Since(began) > patience {
			return offsets, err
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
}

// Topics implements cluster.
func (k *kafka) Topics(ctx context.Context, names ...string) (map[string]topic, error) {
	listed, err := k.adm.ListTopics(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	found := make(map[string]topic)
	var there []string
	for _, d := range listed {
		if errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
			continue
		}
		if d.Err != nil {
			return nil, fmt.Errorf("look up topic %s: %w", d.Topic, d.Err)
		}
		found[d.Topic] = topic{id: d.ID.String(), partitions: len(d.Partitions)}
		there = append(there, d.Topic)
	}
	if len(there) == 0 {
		return found, nil
	}
	configs, err := k.adm.DescribeTopicConfigs(ctx, there...)
	if err != nil {
		return nil, fmt.Errorf("read topic configs: %w", err)
	}
	for _, rc := range configs {
		t := found[rc.Name]
		for _, c := range rc.Configs {
			if c.Key == "cleanup.policy" && c.Value != nil {
				t.compacted = strings.Contains(*c.Value, "compact")
			}
		}
		found[rc.Name] = t
	}
	return found, nil
}

// Ends implements cluster.
func (k *kafka) Ends(ctx context.Context, name string) ([]int64, error) {
	listed, err := k.adm.ListEndOffsets(ctx, name)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("end offsets of topic %s: %w", name, err)
	}
	ends := make([]int64, len(listed[name]))
	for p, o := range listed[name] {
		ends[p] = o.Offset
	}
	return ends, nil
}

// Live implements cluster.
func (k *kafka) Live(ctx context.Context) (bool, error) {
	groups, err := k.adm.DescribeGroups(ctx, k.app)
	if err != nil {
		return false, fmt.Errorf("describe group %s: %w", k.app, err)
	}
	g := groups[k.app]
	if errors.Is(g.Err, kerr.GroupIDNotFound) {
		return false, nil
	}
	if g.Err != nil {
		return false, fmt.Errorf("describe group %s: %w", k.app, g.Err)
	}
	return len(g.Members) > 0 || g.State != "Empty" && g.State != "Dead", nil
}

// unended are the states of a transaction that holds something back.
var unended = []string{"Ongoing", "PrepareCommit", "PrepareAbort"}

// OpenTransactions implements cluster.
func (k *kafka) OpenTransactions(ctx context.Context, topics []string) ([]open, error) {
	listed, err := k.adm.ListTransactions(ctx, nil, unended)
	if err != nil {
		return nil, fmt.Errorf("list transactions: %w", err)
	}
	ids := listed.TransactionalIDs()
	if len(ids) == 0 {
		return nil, nil
	}
	described, err := k.adm.DescribeTransactions(ctx, ids...)
	if err != nil {
		return nil, fmt.Errorf("describe transactions: %w", err)
	}
	var all []open
	for _, t := range described {
		if errors.Is(t.Err, kerr.TransactionalIDNotFound) {
			continue // it has ended meanwhile
		}
		if t.Err != nil {
			return nil, fmt.Errorf("describe transaction %s: %w", t.TxnID, t.Err)
		}
		// Another application's id may begin with ours, so that what it writes to decides.
		ours := strings.HasPrefix(t.TxnID, k.app+"-") && onlyGroups(t.Topics)
		for name := range t.Topics {
			ours = ours || slices.Contains(topics, name)
		}
		if ours && slices.Contains(unended, t.State) {
			all = append(all, open{id: t.TxnID, detail: fmt.Sprintf("is %s, on %v", t.State,
				t.Topics.Sorted())})
		}
	}
	return all, nil
}

// onlyGroups says that a transaction holds no records of a topic.
func onlyGroups(topics kadm.TopicsSet) bool {
	for name := range topics {
		if name != "__consumer_offsets" {
			return false
		}
	}
	return true
}
