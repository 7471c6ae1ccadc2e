package sim

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kafka makes kfake do as Kafka does where it does not, and where that would look like a fault of
// ours.
type kafka struct {
	sim *simulation

	mu      sync.Mutex
	cleaned []int64 // by partition of the changelog: where it ended at its last compaction
	id      [16]byte
	given   map[int64]int16 // the last epoch that InitProducerID gave, by producer id
}

// versionOne says that transactions are of version 1, in which a broker cannot tell a request that
// comes after its transaction's end from one of the next: exactly-once is not promised then.
func (k *kafka) versionOne() bool { return k.sim.cfg.TransactionVersion == 1 }

// compacted says whether the changelog ever was.
func (k *kafka) compacted() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.cleaned != nil
}

// compact compacts the changelog. Kafka compacts what is decided; kfake lets a record that is not
// supersede one that is. So it waits for a moment without a transaction.
func (k *kafka) compact() bool {
	infos := k.sim.cluster.PartitionInfos(k.sim.changelog())
	var ends []int64
	for _, p := range infos {
		if p.LastStableOffset != p.HighWatermark {
			return false
		}
		ends = append(ends, p.HighWatermark)
	}
	topic := k.sim.cluster.TopicInfo(k.sim.changelog())
	if topic == nil {
		return false
	}
	k.sim.cluster.Compact()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cleaned, k.id = ends, topic.TopicID
	return true
}

// wearOut uses up nearly all producer epochs of an instance id, so that its next transactions pass
// over the edge, where a new producer id takes over. kfake never comes back from timing out a
// transaction of the last epoch, so there the broker is patient, and there is no outage.
func (k *kafka) wearOut(instance string) error {
	k.sim.trace.say("sim", "EPOCHS of %s are nearly used up", instance)
	k.sim.trace.count("epoch-edge")
	txn := application + "-" + instance
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = &txn
	req.TransactionTimeoutMillis = int32((15 * time.Minute).Milliseconds())
	k.sim.out = true
	req.ProducerID, req.ProducerEpoch = -1, -1
	for last := int16(math.MaxInt16 - 2 - k.sim.random.IntN(20)); req.ProducerEpoch < last; {
		resp, err := req.RequestWith(context.Background(), k.sim.feeder.client)
		if err == nil {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err != nil {
			return fmt.Errorf("use up the producer epochs of %s: %w", txn, err)
		}
		req.ProducerID, req.ProducerEpoch = resp.ProducerID, resp.ProducerEpoch
	}
	return nil
}

// question is a request whose answer may need correction.
type question struct {
	key     kmsg.Key
	version int16
}

// mend corrects what a broker is about to send.
func (k *kafka) mend(c *conn, data []byte) []byte {
	if len(data) < 12 {
		return data
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	l := c.link
	if c.out == l.up {
		switch key := kmsg.Key(binary.BigEndian.Uint16(data[4:])); key {
		case kmsg.Fetch, kmsg.InitProducerID, kmsg.EndTxn:
			if l.questions == nil {
				l.questions = make(map[int32]question)
			}
			l.questions[int32(binary.BigEndian.Uint32(data[8:]))] =
				question{key, int16(binary.BigEndian.Uint16(data[6:]))}
		}
		return data
	}
	corr := int32(binary.BigEndian.Uint32(data[4:]))
	q, ok := l.questions[corr]
	delete(l.questions, corr)
	if !ok || q.key == kmsg.Fetch && k.cleaned == nil && len(data) > hintBytes {
		return data
	}
	return k.mendAnswer(l, data, q)
}

const (
	// hintBytes is more than an answer without records has.
	hintBytes = 1 << 10
	// maxHints is how often in a row a connection is told of a new leader.
	maxHints = 100
)

// mendAnswer looks at one answer.
func (k *kafka) mendAnswer(l *link, data []byte, q question) []byte {
	resp := q.key.Response()
	resp.SetVersion(q.version)
	head := 8
	if resp.IsFlexible() {
		head++
	}
	if err := resp.ReadFrom(data[head:]); err != nil {
		return data // the client will say so
	}
	changed := false
	switch resp := resp.(type) {
	case *kmsg.FetchResponse:
		compacted := k.cleaned != nil && k.mendFetch(resp)
		changed = l.tire(resp) || compacted
	case *kmsg.InitProducerIDResponse:
		if resp.ErrorCode == 0 {
			k.given[resp.ProducerID] = resp.ProducerEpoch
		}
	case *kmsg.EndTxnResponse:
		changed = k.mendEnd(resp)
	}
	if !changed {
		return data
	}
	out := resp.AppendTo(append([]byte(nil), data[:head]...))
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	return out
}

// mendEnd refuses whoever ends a transaction with an epoch that InitProducerID has replaced, as
// Kafka does. kfake takes that for the repetition of an EndTxn that raised the epoch, and hands the
// fenced one the epoch of its successor.
func (k *kafka) mendEnd(resp *kmsg.EndTxnResponse) bool {
	epoch, ok := k.given[resp.ProducerID]
	if resp.ErrorCode != 0 || resp.Version < 5 || !ok || epoch != resp.ProducerEpoch {
		return false
	}
	resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = kerr.ProducerFenced.Code, -1, -1
	return true
}

// tire leaves out who the new leader is when that was said often enough. While a metadata request
// is not answered, franz-go sends a fetch that is told so again at once, for as long as that takes:
// on a virtual clock, where a round trip takes microseconds, for ever.
func (l *link) tire(resp *kmsg.FetchResponse) (changed bool) {
	told := false
	for i := range resp.Topics {
		for j := range resp.Topics[i].Partitions {
			p := &resp.Topics[i].Partitions[j]
			if p.ErrorCode == 0 || p.CurrentLeader.LeaderID < 0 {
				continue
			}
			told = true
			if l.hints >= maxHints {
				p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = -1, -1
				changed = true
			}
		}
	}
	if l.hints++; !told {
		l.hints = 0
	}
	return changed
}

// mendFetch leaves out aborted transactions whose records and whose marker are gone: after a
// compaction kfake goes on to list them, and a reader would take the next transaction of that
// producer for aborted. Kafka removes both together.
func (k *kafka) mendFetch(resp *kmsg.FetchResponse) (changed bool) {
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if t.TopicID != k.id && t.Topic != k.sim.changelog() {
			continue
		}
		for j := range t.Partitions {
			p := &t.Partitions[j]
			before := len(p.AbortedTransactions)
			p.AbortedTransactions = slices.DeleteFunc(p.AbortedTransactions,
				func(a kmsg.FetchResponseTopicPartitionAbortedTransaction) bool {
					return a.FirstOffset < k.cleaned[p.Partition]
				})
			changed = changed || len(p.AbortedTransactions) != before
		}
	}
	return changed
}
