package processor

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Member is an instance as the group knows it.
type Member struct {
	Instance string  // its instance.id
	Address  string  // host:port of its HTTP, "" when it tells none
	Tasks    []int32 // partitions of the tasks that it owns
}

// Members asks the group who is in it and who owns what. While the group rebalances, it may know
// nobody's tasks.
func (in *Instance) Members(ctx context.Context) ([]Member, error) {
	members, _, err := GroupMembers(ctx, in.adm, in.cfg.ApplicationID)
	return members, err
}

// GroupMembers asks an application's group who is in it and who owns what, and for the group's
// state as Kafka names it: Stable, Empty, PreparingRebalance, CompletingRebalance or Dead.
func GroupMembers(ctx context.Context, adm *kadm.Client, application string) (all []Member,
	state string, err error) {
	groups, err := adm.DescribeGroups(ctx, application)
	if err != nil {
		return nil, "", fmt.Errorf("describe group %s: %w", application, err)
	}
	g := groups[application]
	if errors.Is(g.Err, kerr.GroupIDNotFound) {
		return nil, "Dead", nil
	}
	if g.Err != nil {
		return nil, "", fmt.Errorf("describe group %s: %w", application, g.Err)
	}
	for _, m := range g.Members {
		one := Member{Instance: m.MemberID}
		if m.InstanceID != nil {
			one.Instance = *m.InstanceID
		}
		if joined, ok := m.Join.AsConsumer(); ok {
			_, one.Address = splitAddress(joined.UserData)
		}
		if assigned, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range assigned.Topics { // the same partitions of each
				one.Tasks = append(one.Tasks, t.Partitions...)
			}
		}
		slices.Sort(one.Tasks)
		one.Tasks = slices.Compact(one.Tasks)
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Member) int { return cmp.Compare(a.Instance, b.Instance) })
	return all, g.State, nil
}

// InstanceID is the instance's name in the group.
func (in *Instance) InstanceID() string { return in.cfg.InstanceID }

// ApplicationID is the group's name.
func (in *Instance) ApplicationID() string { return in.cfg.ApplicationID }

// A member tells where its HTTP listens at the end of the user data that it joins with, behind
// whatever else is in there:
//
//	… the rest | the address, UTF-8 | its length, 2 bytes | "pawl@1"
const addressMark = "pawl@1"

// withAddress appends an address to user data; without one they stay as they are.
func withAddress(data []byte, address string) []byte {
	if address == "" || len(address) > 1<<16-1 {
		return data
	}
	data = append(data, address...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(address)))
	return append(data, addressMark...)
}

// splitAddress takes user data apart; members of other versions may tell no address.
func splitAddress(data []byte) (rest []byte, address string) {
	const tail = 2 + len(addressMark)
	end := len(data) - tail
	if end < 0 || string(data[end+2:]) != addressMark {
		return data, ""
	}
	n := int(binary.BigEndian.Uint16(data[end:]))
	if n > end {
		return data, ""
	}
	return data[:end-n], string(data[end-n : end])
}
