package processor

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// assignor is Pawl's side of the group protocol: members tell which copies of tasks' state they
// have, and the leader gives out tasks and copies (placement.go). All inputs of a task go together,
// which Kafka's own sticky assignor does not promise. Moves are cooperative: revoked in one round,
// assigned in the next.
type assignor struct {
	topics  []string
	rules   rules
	address string // told to the group
	copies  func() []replica
	told    func(duties) // what the leader wants of this member, before its tasks change
}

// ProtocolName implements kgo.GroupBalancer.
func (a *assignor) ProtocolName() string { return "pawl-sticky" }

// IsCooperative implements kgo.GroupBalancer.
func (a *assignor) IsCooperative() bool { return true }

// JoinGroupMetadata implements kgo.GroupBalancer.
func (a *assignor) JoinGroupMetadata(interests []string, current map[string][]int32,
	generation int32) []byte {
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Version = 3
	meta.Topics = interests
	meta.Generation = generation
	for _, t := range a.topics {
		if ps := current[t]; len(ps) > 0 {
			owned := kmsg.NewConsumerMemberMetadataOwnedPartition()
			owned.Topic, owned.Partitions = t, ps
			meta.OwnedPartitions = append(meta.OwnedPartitions, owned)
		}
	}
	slices.SortFunc(meta.OwnedPartitions, func(x, y kmsg.ConsumerMemberMetadataOwnedPartition) int {
		return cmp.Compare(x.Topic, y.Topic)
	})
	meta.UserData = withAddress(encodeCopies(a.copies()), a.address)
	return meta.AppendTo(nil)
}

// ParseSyncAssignment implements kgo.GroupBalancer. A leader of a release that knows nothing of
// copies wants none; what cannot be read is taken for that, since copies only save time.
func (a *assignor) ParseSyncAssignment(b []byte) (map[string][]int32, error) {
	var assigned kmsg.ConsumerMemberAssignment
	var d duties
	if assigned.ReadFrom(b) == nil && len(assigned.UserData) > 0 {
		if read, err := decodeDuties(assigned.UserData); err == nil {
			d = read
		}
	}
	a.told(d)
	return kgo.ParseConsumerSyncAssignment(b)
}

// MemberBalancer implements kgo.GroupBalancer.
func (a *assignor) MemberBalancer(members []kmsg.JoinGroupResponseMember) (
	kgo.GroupMemberBalancer, map[string]struct{}, error) {
	b, err := kgo.NewConsumerBalancer(a, members)
	if err != nil {
		return nil, nil, err
	}
	return b, b.MemberTopics(), nil
}

// Balance implements kgo.ConsumerBalancerBalance.
func (a *assignor) Balance(b *kgo.ConsumerBalancer,
	topics map[string]int32) kgo.IntoSyncAssignment {
	plan := b.NewPlan()
	tasks := topics[a.topics[0]]
	members := candidates(b, a.topics[0], tasks)
	decided := placeTasks(members, tasks, a.rules)
	owner := make(map[int32]int)
	for m, c := range members {
		for _, p := range c.owned {
			owner[p] = m
		}
	}
	full := &fullPlan{plan: plan, duties: make(map[string]duties)}
	for m, parts := range decided.active {
		member, _ := b.MemberAt(m)
		follow := decided.standby[m]
		for _, p := range parts {
			for _, t := range a.topics {
				plan.AddPartition(member, t, p)
			}
			if from, owned := owner[p]; owned && from != m {
				follow = append(follow, following{partition: p}) // until its owner has given it up
			}
		}
		if !members[m].plain {
			slices.SortFunc(follow, byPartition)
			full.duties[member.MemberID] = duties{a.rules.acceptable, follow}
		}
	}
	plan.AdjustCooperative(b)
	return full
}

func byPartition(a, b following) int { return cmp.Compare(a.partition, b.partition) }

// fullPlan is a plan with the members' duties beside their tasks.
type fullPlan struct {
	plan   *kgo.BalancePlan
	duties map[string]duties // by member id
}

// IntoSyncAssignment implements kgo.IntoSyncAssignment.
func (f *fullPlan) IntoSyncAssignment() []kmsg.SyncGroupRequestGroupAssignment {
	all := f.plan.IntoSyncAssignment()
	for i := range all {
		d, ok := f.duties[all[i].MemberID]
		var assigned kmsg.ConsumerMemberAssignment
		if !ok || assigned.ReadFrom(all[i].MemberAssignment) != nil {
			continue
		}
		assigned.UserData = encodeDuties(d)
		all[i].MemberAssignment = assigned.AppendTo(nil)
	}
	return all
}

// candidates are the members with what they own and have; of two that claim to own a task the one
// of the newer generation does.
func candidates(b *kgo.ConsumerBalancer, topic string, tasks int32) []candidate {
	all := make([]candidate, len(b.Members()))
	for m, owned := range ownedTasks(b, topic, tasks) {
		_, meta := b.MemberAt(m)
		data, _ := splitAddress(meta.UserData)
		copies, err := decodeCopies(data)
		all[m] = candidate{plain: err != nil, owned: owned, copies: copies}
	}
	return all
}

// ownedTasks lists what each member claims to own; of two claims the newer generation's counts.
func ownedTasks(b *kgo.ConsumerBalancer, topic string, tasks int32) [][]int32 {
	owner := make(map[int32]int)
	generation := make(map[int32]int32)
	n := len(b.Members())
	for m := range n {
		_, meta := b.MemberAt(m)
		for _, o := range meta.OwnedPartitions {
			if o.Topic != topic {
				continue
			}
			for _, p := range o.Partitions {
				g, taken := generation[p]
				if p < tasks && (!taken || meta.Generation > g) {
					owner[p], generation[p] = m, meta.Generation
				}
			}
		}
	}
	owned := make([][]int32, n)
	for p := range tasks {
		if m, ok := owner[p]; ok {
			owned[m] = append(owned[m], p)
		}
	}
	return owned
}
