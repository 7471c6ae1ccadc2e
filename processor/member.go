package processor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/internal/mutant"
)

// group is the instance's place in the consumer group: who it is there and which partitions are
// its own. It changes inside rebalance callbacks only. Reading the client's generation at commit
// time instead would hand a zombie of one partition the generation that took it away.
type group struct {
	mu      sync.Mutex
	who     membership
	until   time.Time // the group cannot give who up before
	owned   map[int32]bool
	duties  duties        // what the leader wants of us beside our tasks
	changed chan struct{} // closed and replaced when who changes
	joined  bool          // it has let us in before
}

func newGroup() *group {
	return &group{owned: make(map[int32]bool), changed: make(chan struct{})}
}

// membership is who the group takes us for, and what is closed when that changes.
func (g *group) membership() (who membership, changed <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.who, g.changed
}

func (g *group) refresh(who membership) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.who.id != who.id {
		g.until = time.Time{}
	}
	g.joined = g.joined || who.id != ""
	g.who = who
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *group) own(partitions []int32, mine bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range partitions {
		if mine {
			g.owned[p] = true
		} else {
			delete(g.owned, p)
		}
	}
}

// told notes the leader's wishes; they are seen to when the callbacks come.
func (g *group) told(d duties) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.duties = d
}

func (g *group) toFollow() duties {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.duties
}

// errNotOwned says that the group has given a task of the epoch away.
var errNotOwned = errors.New("a task of the epoch was lost in a rebalance")

// fence returns the membership under which the shares' offsets may be committed. Without one they
// must not be sent at all: a broker checks nothing when there is no generation to check.
func (in *Instance) fence(shares []*Effects) (membership, error) {
	in.group.mu.Lock()
	defer in.group.mu.Unlock()
	if mutant.Is(mutant.NoMembership) {
		return in.group.who, nil
	}
	if in.group.who.id == "" || in.group.who.generation < 0 {
		return membership{}, errNotOwned
	}
	for _, fx := range shares {
		if !fx.claim && !in.group.owned[fx.owner.partition] {
			return membership{}, errNotOwned
		}
	}
	return in.group.who, nil
}

// awaitGeneration waits until a rebalance callback has replaced the refused membership.
func (in *Instance) awaitGeneration(ctx context.Context, refused membership,
	deadline time.Time) error {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		who, changed := in.group.membership()
		if who != refused {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return errors.New("the group did not settle in time")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// newMember joins the consumer group. The client never fetches: the fetcher does, from positions
// the tasks restored to. Membership is static, so that an instance that was killed and comes back
// takes up its tasks without a rebalance.
func (in *Instance) newMember() (*kgo.Client, error) {
	topics := in.bind.topics(false)
	cl, err := in.client("group",
		kgo.ConsumerGroup(in.cfg.ApplicationID),
		kgo.ConsumeTopics(topics...),
		kgo.InstanceID(in.cfg.InstanceID),
		kgo.Balancers(&assignor{topics: topics, rules: in.rules(), copies: in.copies.list,
			told: in.group.told, address: in.cfg.Advertise}),
		kgo.SessionTimeout(in.cfg.SessionTimeout),
		kgo.HeartbeatInterval(heartbeat(in.cfg.SessionTimeout)),
		kgo.RebalanceTimeout(max(time.Minute, in.cfg.SessionTimeout)),
		kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(in.onAssigned),
		kgo.OnPartitionsRevoked(in.onRevoked),
		kgo.OnPartitionsLost(in.onLost),
		kgo.WithHooks(&groupHook{in}),
	)
	if err != nil {
		return nil, err
	}
	cl.PauseFetchTopics(topics...)
	return cl, nil
}

// heartbeat is how often the group hears of us, and we of a rebalance: who is to take a task over
// learns of it by a heartbeat, so that is part of the pause.
func heartbeat(session time.Duration) time.Duration {
	return min(max(session/50, 50*time.Millisecond), 200*time.Millisecond)
}

// groupHook hears what ends a group session.
type groupHook struct{ in *Instance }

// OnGroupManageError implements kgo.HookGroupManageError. The client rejoins by itself, except
// where another process joined under our instance id: then one of the two has to go, and it is the
// one that was displaced.
func (h *groupHook) OnGroupManageError(err error) {
	if errors.Is(err, kerr.FencedInstanceID) {
		h.in.displaced()
	}
	if unauthorized(err) {
		h.in.outcast(denied(err, ResourceGroup, h.in.cfg.ApplicationID, OpRead))
	}
}

// outcast sees to a refusal by the group. One at the start is a fault of the set-up; one later may
// be mended as it came.
func (in *Instance) outcast(err error) {
	in.group.mu.Lock()
	joined := in.group.joined
	in.group.mu.Unlock()
	if joined {
		in.waiting("", err.Error(), 0)
		return
	}
	in.die(&StartError{err})
}

func (in *Instance) displaced() {
	in.die(fmt.Errorf("instance.id=%s of %s was taken over by another process; give every "+
		"process an instance.id and a state.dir of its own", in.cfg.InstanceID,
		in.cfg.ApplicationID))
}

// leave tells the group that a stopped instance does not come back soon: static members do not
// leave by closing.
func (in *Instance) leave(ctx context.Context) error {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = in.cfg.ApplicationID
	m := kmsg.NewLeaveGroupRequestMember()
	who, _ := in.group.membership()
	m.MemberID = who.id
	m.InstanceID = &in.cfg.InstanceID
	req.Members = append(req.Members, m)
	if _, err := req.RequestWith(ctx, in.admin); err != nil {
		return fmt.Errorf("leave group %s: %w", in.cfg.ApplicationID, err)
	}
	return nil
}

// interrupted says that the group has given us up and let us in again under another member id, and
// returns what we took for our own until now. Others may have owned it meanwhile.
func (g *group) interrupted(id string) (owned []int32, yes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Keys(g.owned)), g.who.id != "" && g.who.id != id
}

func (in *Instance) onAssigned(ctx context.Context, cl *kgo.Client, m map[string][]int32) {
	who := membership{}
	who.id, who.generation = cl.GroupMetadata()
	parts := union(m)
	kept, interrupted := in.group.interrupted(who.id)
	if interrupted {
		in.group.own(kept, false)
	}
	in.group.refresh(who)
	if interrupted && in.ctx.Err() == nil {
		// The client tells of what is new only. What it kept has to be taken over anew as well.
		in.handOver(ctx, kept, false)
		parts = append(parts, kept...)
	}
	in.group.own(parts, true)
	in.post(func() {
		in.assigned(parts)
		in.follow(in.group.toFollow())
	})
}

// onRevoked returns only when the partitions' epochs are decided and their tasks closed: the next
// owner may then start. The generation is already the new one here, in which nobody owns them,
// unless we were out of the group meanwhile: then they were somebody else's, and may be now.
func (in *Instance) onRevoked(ctx context.Context, cl *kgo.Client, m map[string][]int32) {
	parts := union(m)
	if len(parts) == 0 || in.ctx.Err() != nil {
		return
	}
	id, generation := cl.GroupMetadata()
	if _, yes := in.group.interrupted(id); yes {
		in.group.own(parts, false)
		in.handOver(ctx, parts, false)
		return
	}
	if generation >= 0 {
		in.group.refresh(membership{id, generation})
	}
	in.handOver(ctx, parts, true)
	in.group.own(parts, false)
}

func (in *Instance) onLost(ctx context.Context, _ *kgo.Client, m map[string][]int32) {
	parts := union(m)
	in.group.own(parts, false)
	in.group.refresh(membership{generation: -1})
	if len(parts) > 0 && in.ctx.Err() == nil {
		in.handOver(ctx, parts, false)
	}
}

// handOver has the loop close the partitions' tasks, after a last epoch if it may still commit.
func (in *Instance) handOver(ctx context.Context, parts []int32, seal bool) {
	done := make(chan struct{})
	in.post(func() {
		in.follow(in.group.toFollow()) // a task that is given up may stay here as a copy
		in.revoked(parts, seal, done)
	})
	select {
	case <-done:
	case <-ctx.Done():
	case <-in.ctx.Done():
	}
}

func (in *Instance) rules() rules {
	return rules{standbys: in.cfg.Standbys, warmups: in.cfg.Warmups,
		acceptable: max(in.cfg.AcceptableLag, 0)}
}

func union(m map[string][]int32) []int32 {
	var out []int32
	for _, ps := range m {
		out = append(out, ps...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
