package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/schemas/record"
	"pawl/statestore"
)

// Mends named by the start-up proof.
const (
	mendOffsets = "set the group's offsets back to it (`kafka-consumer-groups --reset-offsets " +
		"--to-offset …` with the application stopped), or start over from nothing under a new " +
		"application.id"
	mendChangelog = "restore the changelog topic, or start over from nothing under a new " +
		"application.id; the group's offsets alone cannot bring the state back"
	mendInput = "bring the input topic back as it was, or start over from nothing under a new " +
		"application.id"
	mendGlobal = "start over from nothing under a new application.id: records may stand on the " +
		"new partitions already that earlier decisions did not know of"
)

// limits of one task's input partitions as the broker has them.
type inputLimits struct {
	start, end []int64 // by input; end is the last stable offset
}

// prove checks, before a task takes its first record, that the three accounts of where it stands
// agree: its store, which was restored from the last position record, the group's committed
// offsets, and the input logs. It returns where a task without a position starts.
func (in *Instance) prove(ctx context.Context, c *core) (record.Position, inputLimits, error) {
	lim, err := in.inputLimits(ctx, c.partition)
	if err != nil {
		return record.Position{}, lim, err
	}
	offsets, err := in.groupOffsets(ctx, c.partition)
	if err != nil {
		return record.Position{}, lim, err
	}
	fresh := in.bind.fresh(c.partition, lim.start)
	if err := c.load(fresh); err != nil {
		return fresh, lim, err
	}
	what, mend := in.differs(&c.position, c.store.Mark().Position != nil, offsets, lim)
	if what != "" {
		if err := in.overtaken(ctx, c); err != nil {
			return fresh, lim, err
		}
		return fresh, lim, &RefusedError{Task: c.name, What: what, Mend: mend}
	}
	return fresh, lim, nil
}

// fresh is where a task starts that has no position record.
func (b *binding) fresh(task int32, start []int64) record.Position {
	pos := record.Position{Watermark: noWatermark, Partitions: b.partitions}
	for i, in := range b.inputs {
		pos.Inputs = append(pos.Inputs, record.Input{Topic: in.topic, TopicID: in.topicID,
			Partition: in.of(task), Offset: start[i], Passed: -1})
	}
	return pos
}

// overtaken says why a difference proves nothing: another instance has written to the task's
// changelog since our claim. Then the group has given the task away and we have not heard of it.
func (in *Instance) overtaken(ctx context.Context, c *core) error {
	changelog := in.bind.changelog.name
	ends, err := in.adm.ListCommittedOffsets(ctx, changelog)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("list offsets of the changelog: %w", err)
	}
	end, _ := ends.Lookup(changelog, c.partition)
	if own := c.claim + 2; end.Offset > own { // the claim and its marker
		return fmt.Errorf("another instance has written to %s-%d since this one claimed the task: "+
			"the log ends at %d, not at %d", changelog, c.partition, end.Offset, own)
	}
	return nil
}

// proveChangelog checks, before a store is restored, that it was written from this changelog. It
// comes first because a restore may find reasons to empty a store that is then the last copy.
func (in *Instance) proveChangelog(task string, m statestore.Mark) error {
	if m.Position == nil || m.Topic == in.bind.changelogID {
		return nil
	}
	return &RefusedError{Task: task, What: "the changelog " + in.bind.changelog.name +
		" was deleted and made again since the local state was written", Mend: mendChangelog}
}

// differs compares a task's position with the group and the logs, and names the first difference.
func (in *Instance) differs(pos *record.Position, known bool, offsets []int64,
	lim inputLimits) (what, mend string) {
	if known && pos.Partitions != in.bind.partitions {
		return fmt.Sprintf("the inputs have %d partitions, but the state was built with %d, so "+
			"keys now belong to other tasks", in.bind.partitions, pos.Partitions), mendInput
	}
	if known {
		if what = in.bind.regrown(pos); what != "" {
			return what, mendGlobal
		}
	}
	if known && len(pos.Inputs) != len(in.bind.inputs) {
		return fmt.Sprintf("the pipeline has %d input partitions for the task, but the state was "+
				"built with %d", len(in.bind.inputs), len(pos.Inputs)),
			"run the version that built the state, or start over under a new application.id"
	}
	for i := range pos.Inputs {
		p, b := &pos.Inputs[i], &in.bind.inputs[i]
		name := fmt.Sprintf("%s-%d", b.topic, p.Partition)
		switch {
		case !known && offsets[i] >= 0:
			return fmt.Sprintf("the group's offset of %s is %d, but the changelog %s holds no "+
				"position record", name, offsets[i], in.bind.changelog.name), mendChangelog
		case !known:
			continue
		case p.Topic != b.topic || p.TopicID != b.topicID:
			return fmt.Sprintf("input %s is not the topic the state was built from (topic id %s "+
				"then, %s now)", name, p.TopicID, b.topicID), mendInput
		case offsets[i] != p.Offset && !b.global:
			return fmt.Sprintf("the group's offset of %s is %s, but the state stands at %d", name,
				offsetText(offsets[i]), p.Offset), mendOffsets
		case p.Offset < lim.start[i]:
			return fmt.Sprintf("the state stands at offset %d of %s, but the log begins at %d: "+
				"records were deleted before they were read", p.Offset, name,
				lim.start[i]), mendInput
		case p.Offset > lim.end[i]:
			return fmt.Sprintf("the state stands at offset %d of %s, but the log ends at %d: "+
				"records that were read are gone", p.Offset, name, lim.end[i]), mendInput
		}
	}
	return "", ""
}

// regrown names the first global topic whose partitions are not those the state was built with.
func (b *binding) regrown(pos *record.Position) string {
	for _, in := range b.inputs {
		if in.partition != in.partitions-1 || !in.global {
			continue // once a topic
		}
		then := int32(0)
		for i := range pos.Inputs {
			if pos.Inputs[i].Topic == in.topic {
				then++
			}
		}
		if then > 0 && then != in.partitions {
			return regrownText(in.topic, in.partitions, then)
		}
	}
	return ""
}

func regrownText(topic string, now, then int32) string {
	return fmt.Sprintf("the global topic %s has %d partitions, but its table was built with %d",
		topic, now, then)
}

func offsetText(offset int64) string {
	if offset < 0 {
		return "not set"
	}
	return fmt.Sprint(offset)
}

// groupOffsets reads the committed offsets of the task's inputs; -1 where none is set. It waits for
// offsets that are part of a transaction being committed (RequireStable).
func (in *Instance) groupOffsets(ctx context.Context, partition int32) ([]int64, error) {
	for began := time.Now(); ; {
		offsets, err := in.groupOffsetsOnce(ctx, partition)
		if !errors.Is(err, kerr.UnstableOffsetCommit) {
			return offsets, err
		}
		in.waiting(taskName(in.bind.pipeline.name, partition),
			"the group's offsets, which are part of an open transaction", time.Since(began))
		pause(ctx, 100*time.Millisecond)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

func (in *Instance) groupOffsetsOnce(ctx context.Context, partition int32) ([]int64, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = true
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group = in.cfg.ApplicationID
	for _, b := range in.bind.inputs {
		if b.global {
			continue // its offsets are in the position record only
		}
		t := kmsg.NewOffsetFetchRequestGroupTopic()
		t.Topic, t.TopicID, t.Partitions = b.topic, b.id, []int32{partition}
		group.Topics = append(group.Topics, t)
	}
	req.Groups = append(req.Groups, group)
	resp, err := req.RequestWith(ctx, in.admin)
	if err != nil {
		return nil, fmt.Errorf("read offsets of group %s: %w", in.cfg.ApplicationID, err)
	}
	offsets := make([]int64, len(in.bind.inputs))
	for i := range offsets {
		offsets[i] = -1
	}
	for _, g := range resp.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
			return nil, fmt.Errorf("read offsets of group %s: %w", in.cfg.ApplicationID, err)
		}
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return nil, fmt.Errorf("read offset of partition %d: %w", p.Partition, err)
				}
				for i, b := range in.bind.inputs {
					if t.Topic == b.topic || t.Topic == "" && t.TopicID == b.id {
						offsets[i] = p.Offset
					}
				}
			}
		}
	}
	return offsets, nil
}

// inputLimits asks for the first and the last stable offset of the task's input partitions.
func (in *Instance) inputLimits(ctx context.Context, partition int32) (inputLimits, error) {
	var lim inputLimits
	topics := in.bind.topics(true)
	starts, err := in.adm.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	var ends kadm.ListedOffsets
	if err == nil {
		ends, err = in.adm.ListCommittedOffsets(ctx, topics...)
	}
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return lim, fmt.Errorf("list offsets of the inputs: %w", err)
	}
	for _, b := range in.bind.inputs {
		if now := int32(len(starts[b.topic])); b.global && now > b.partitions {
			return lim, &RefusedError{Task: taskName(in.bind.pipeline.name, partition),
				What: regrownText(b.topic, now, b.partitions), Mend: mendGlobal}
		}
		start, ok1 := starts.Lookup(b.topic, b.of(partition))
		end, ok2 := ends.Lookup(b.topic, b.of(partition))
		if !ok1 || !ok2 {
			return lim, fmt.Errorf("input %s has no partition %d", b.topic, b.of(partition))
		}
		lim.start = append(lim.start, start.Offset)
		lim.end = append(lim.end, end.Offset)
	}
	return lim, nil
}
