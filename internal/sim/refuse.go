package sim

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// refusal is what a broker may say to a request without being broken for good.
type refusal struct {
	key  kmsg.Key
	errs []*kerr.Error
}

func refusals() []refusal {
	coordinator := []*kerr.Error{kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress,
		kerr.NotCoordinator}
	with := func(more ...*kerr.Error) []*kerr.Error {
		return append(append([]*kerr.Error(nil), coordinator...), more...)
	}
	return []refusal{
		{kmsg.Produce, []*kerr.Error{kerr.NotLeaderForPartition, kerr.RequestTimedOut,
			kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.KafkaStorageError,
			kerr.ConcurrentTransactions}},
		{kmsg.Produce, []*kerr.Error{kerr.TopicAuthorizationFailed}}, // the client gives records up
		{kmsg.Fetch, []*kerr.Error{kerr.NotLeaderForPartition, kerr.KafkaStorageError,
			kerr.UnknownTopicOrPartition, kerr.OffsetNotAvailable}},
		{kmsg.ListOffsets, []*kerr.Error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable,
			kerr.OffsetNotAvailable}},
		{kmsg.Metadata, []*kerr.Error{kerr.LeaderNotAvailable}},
		{kmsg.FindCoordinator, coordinator[:2]},
		{kmsg.JoinGroup, with(kerr.UnknownMemberID)},
		{kmsg.SyncGroup, with(kerr.RebalanceInProgress, kerr.UnknownMemberID)},
		{kmsg.Heartbeat, with(kerr.RebalanceInProgress, kerr.UnknownMemberID,
			kerr.IllegalGeneration)},
		{kmsg.OffsetFetch, with(kerr.UnstableOffsetCommit)},
		{kmsg.InitProducerID, with(kerr.ConcurrentTransactions)},
		{kmsg.AddPartitionsToTxn, with(kerr.ConcurrentTransactions)},
		{kmsg.AddOffsetsToTxn, with(kerr.ConcurrentTransactions)},
		{kmsg.TxnOffsetCommit, with(kerr.ConcurrentTransactions, kerr.RequestTimedOut,
			kerr.IllegalGeneration, kerr.RebalanceInProgress, kerr.UnknownMemberID)},
		{kmsg.TxnOffsetCommit, with(kerr.RequestTimedOut)},
		{kmsg.EndTxn, with(kerr.ConcurrentTransactions)},
		{kmsg.EndTxn, coordinator},
	}
}

// pending is a refusal that was handed to the broker.
type pending struct {
	kind   string
	handle *kfake.FaultHandle
}

// refuse has the broker refuse the next few requests of a kind. They are counted when they were.
func (s *simulation) refuse() bool {
	r, _ := some(s.random, refusals())
	err, _ := some(s.random, r.errs)
	n := []int{1, 1, 2, 3, 10}[s.random.IntN(5)]
	kind := "refused " + r.key.Name()
	s.trace.say("sim", "REFUSE %d %s with %s", n, r.key.Name(), err.Message)
	s.refused = append(s.refused, pending{kind, s.cluster.Fault(kfake.Fault{
		Keys: []kmsg.Key{r.key}, Err: err, Count: n, When: notOurs})})
	return false
}

// notOurs spares the input, which the simulation itself sends.
func notOurs(r kmsg.Request) bool {
	p, ok := r.(*kmsg.ProduceRequest)
	return !ok || p.TransactionID != nil
}

// healRefusals takes back what did not happen, and counts what did.
func (s *simulation) healRefusals() {
	for _, p := range s.refused {
		p.handle.Remove()
		for range p.handle.Hits() {
			s.trace.count(p.kind)
		}
	}
	s.refused = nil
}
