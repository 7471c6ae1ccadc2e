package processor

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestMurmur2 compares with the vectors of Kafka's own test (UtilsTest.testMurmur2).
func TestMurmur2(t *testing.T) {
	for key, want := range map[string]int32{"21": -973932308, "foobar": -790332482,
		"a-little-bit-long-string": -985981536, "a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", key, got, want)
		}
		if p := partitionOf([]byte(key), 7); p != (want&0x7fffffff)%7 {
			t.Errorf("partition of %q is %d", key, p)
		}
	}
}

// TestSlabKeepsWhatItHandsOut fills a slab with slices of all sizes, some of which outgrow their
// room: none may change another.
func TestSlabKeepsWhatItHandsOut(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var s slab
	var kept, want [][]byte
	for n := range 5000 {
		size := r.IntN(60)
		if n%50 == 0 {
			size = r.IntN(3 * slabChunk)
		}
		fill := bytes.Repeat([]byte{byte(n)}, size)
		var b []byte
		switch n % 3 {
		case 0:
			b = s.join(fill, "")
		case 1:
			b = s.join(fill[:size/2], string(fill[size/2:]))
		default:
			s.keep(append(s.tail(), fill...)[:0]) // thrown away: its room is free again
			b = s.keep(append(s.tail(), fill...))
		}
		if cap(b) != len(b) {
			t.Fatalf("slice %d has room to write into its neighbour", n)
		}
		kept, want = append(kept, b), append(want, fill)
	}
	for n := range kept {
		if !bytes.Equal(kept[n], want[n]) {
			t.Fatalf("slice %d was overwritten", n)
		}
	}
}

// joining is a member that owns some tasks, as the group's leader sees it.
func joining(a *assignor, id string, generation int32,
	parts ...int32) kmsg.JoinGroupResponseMember {
	current := make(map[string][]int32)
	for _, topic := range a.topics {
		current[topic] = parts
	}
	m := kmsg.NewJoinGroupResponseMember()
	m.MemberID = id
	m.ProtocolMetadata = a.JoinGroupMetadata(a.topics, current, generation)
	return m
}

// balance lets the assignor plan and returns each member's partitions of each topic.
func balance(t *testing.T, a *assignor,
	members ...kmsg.JoinGroupResponseMember) map[string][][]int32 {
	t.Helper()
	b, _, err := a.MemberBalancer(members)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][][]int32)
	topics := map[string]int32{"in": 4, "limits": 4}
	for _, m := range a.Balance(b.(*kgo.ConsumerBalancer), topics).IntoSyncAssignment() {
		got, err := a.ParseSyncAssignment(m.MemberAssignment)
		if err != nil {
			t.Fatal(err)
		}
		for _, topic := range a.topics {
			slices.Sort(got[topic])
			out[m.MemberID] = append(out[m.MemberID], got[topic])
		}
	}
	return out
}

// TestAssignorReadsCopiesAndAddresses: the leader finds a member's copies in front of its address,
// and takes one that tells an address alone for one without copies.
func TestAssignorReadsCopiesAndAddresses(t *testing.T) {
	a := &assignor{topics: []string{"in"}, address: "127.0.0.1:8080",
		copies: func() []replica { return []replica{{3, copyStandby, 70, 2}} }}
	old := joining(a, "old", 1)
	var meta kmsg.ConsumerMemberMetadata
	if err := meta.ReadFrom(old.ProtocolMetadata); err != nil {
		t.Fatal(err)
	}
	if _, address := splitAddress(meta.UserData); address != a.address {
		t.Errorf("address %q", address)
	}
	meta.UserData = withAddress(nil, a.address)
	old.ProtocolMetadata = meta.AppendTo(nil)
	b, _, err := a.MemberBalancer([]kmsg.JoinGroupResponseMember{joining(a, "new", 1), old})
	if err != nil {
		t.Fatal(err)
	}
	for m, c := range candidates(b.(*kgo.ConsumerBalancer), "in", 4) {
		member, _ := b.(*kgo.ConsumerBalancer).MemberAt(m)
		plain := member.MemberID == "old"
		if c.plain != plain || !plain && !slices.Equal(c.copies, a.copies()) {
			t.Errorf("%s: %+v", member.MemberID, c)
		}
	}
}

// TestAssignorMovesWholeTasks checks that all inputs of a task go together, that what moves is free
// for one round, and that of two owners the one of the newer generation counts.
func TestAssignorMovesWholeTasks(t *testing.T) {
	a := &assignor{topics: []string{"in", "limits"}, copies: (&copies{}).list,
		told: func(duties) {}}
	check := func(got map[string][][]int32, want map[string][]int32) {
		t.Helper()
		for id, parts := range want {
			for i, topic := range a.topics {
				if !slices.Equal(got[id][i], parts) {
					t.Errorf("%s gets %v of %s, want %v", id, got[id][i], topic, parts)
				}
			}
		}
	}
	check(balance(t, a, joining(a, "a", 1, 0, 1, 2, 3), joining(a, "b", 0)),
		map[string][]int32{"a": {0, 1}, "b": nil}) // 2 and 3 are being given up
	check(balance(t, a, joining(a, "a", 2, 0, 1), joining(a, "b", 2)),
		map[string][]int32{"a": {0, 1}, "b": {2, 3}})
	check(balance(t, a, joining(a, "a", 5, 0, 1), joining(a, "b", 3, 0, 1)),
		map[string][]int32{"a": {0, 1}, "b": {2, 3}})
}
