package processor_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/processor"
	"pawl/statestore"
)

// TestOvertakenIsNotRefused commits offsets and a claim of another instance between a task's
// restore and its proof. That the group's offsets are ahead then proves nothing: the task must try
// again, and only what still differs when nobody else writes is refused.
func TestOvertakenIsNotRefused(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	b.produce(10, 1)
	var mu sync.Mutex
	var reasons []string
	var once sync.Once
	cfg := b.config("a")
	cfg.Point = func(name string) {
		if name == "restored" {
			once.Do(func() { b.overtake(5) })
		}
	}
	cfg.Listeners = append(cfg.Listeners, processor.Listener{
		TaskState: func(i processor.TaskStateInfo) {
			if i.State == processor.TaskSuspended || i.State == processor.TaskRefused {
				mu.Lock()
				defer mu.Unlock()
				reasons = append(reasons, string(i.State)+" "+i.Reason)
			}
		}})
	in := b.startWith(cfg, counting(nil))
	mustSay(t, failed(t, in), "the group's offset of in-0 is 5")
	mu.Lock()
	defer mu.Unlock()
	if len(reasons) != 2 ||
		!strings.HasPrefix(reasons[0], "SUSPENDED another instance has written") ||
		!strings.HasPrefix(reasons[1], "REFUSED") {
		t.Errorf("the task went through %q, want SUSPENDED, then REFUSED", reasons)
	}
}

// overtake commits a claim and the offset of in-0 as another instance would that has the task. It
// runs on a goroutine of the engine.
func (b *bed) overtake(offset int64) {
	cl := b.newClient(kgo.TransactionalID("app-other"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	check := func(err error) {
		if err != nil {
			b.t.Error(err)
		}
	}
	check(cl.BeginTransaction())
	check(cl.ProduceSync(b.t.Context(), &kgo.Record{Topic: changelog,
		Key: []byte(statestore.ClaimKey), Value: []byte{0}}).FirstErr())
	id, epoch, err := cl.ProducerID(b.t.Context())
	check(err)
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.ProducerID, req.ProducerEpoch = "app-other", id, epoch
	req.Group, req.Generation = "app", -1
	topic := kmsg.NewTxnOffsetCommitRequestTopic()
	topic.Topic, topic.TopicID = "in", b.cluster.Kafka().TopicInfo("in").TopicID
	part := kmsg.NewTxnOffsetCommitRequestTopicPartition()
	part.Offset = offset
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(b.t.Context(), cl)
	check(err)
	if err == nil {
		check(kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode))
	}
	check(cl.EndTransaction(b.t.Context(), kgo.TryCommit))
}
