package verify

import (
	"context"
	"fmt"
	"reflect"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// folded is what one task's changelog says.
type folded struct {
	state    map[string][]byte
	position *record.Position // of the last position record; nil when there is none
}

// fold reads a task's changelog. Position records must count up and claims must not fall, or a
// writer that had lost the task wrote on.
func (c *check) fold(ctx context.Context, partition int32) (*folded, error) {
	f := &folded{state: make(map[string][]byte)}
	topic := c.app + "-" + c.spec.Pipeline + "-changelog"
	if int(partition) >= len(c.changelog) {
		return f, nil
	}
	dec := schemas.NewDecoder(record.PositionType(), c.resolver)
	err := Each(ctx, c.source, topic, partition, c.changelog[partition], func(r *kgo.Record) error {
		switch {
		case string(r.Key) == statestore.PositionKey:
			var p record.Position
			if err := dec.DecodeFetching(ctx, r.Value, &p); err != nil {
				return fmt.Errorf("position record at %s-%d offset %d: %w", topic, partition,
					r.Offset, err)
			}
			if q := f.position; q != nil && (p.Epoch <= q.Epoch || p.Claim < q.Claim) {
				c.ledger(r, fmt.Sprintf("epoch %d of claim %d after epoch %d of claim %d",
					p.Epoch, p.Claim, q.Epoch, q.Claim))
			}
			f.position = &p
		case statestore.Internal(r.Key):
		case r.Value == nil:
			delete(f.state, string(r.Key))
		default:
			f.state[string(r.Key)] = r.Value
		}
		return nil
	})
	return f, err
}

// compareState compares a task's changelog with its model.
func (c *check) compareState(ctx context.Context, partition int32, f *folded, m Model) error {
	watermark := m.Watermark()
	where := fmt.Sprintf("%s-%s-changelog-%d", c.app, c.spec.Pipeline, partition)
	if f.position != nil && f.position.Watermark != watermark {
		c.report.StateDifferent++
		c.example("state", where, fmt.Sprintf("watermark %d, want %d", f.position.Watermark,
			watermark))
	}
	got, err := c.spec.Canonical(ctx, f.state, c.resolver, watermark)
	if err != nil {
		return fmt.Errorf("state of %s: %w", where, err)
	}
	want := m.State()
	c.report.StateKeys += int64(len(want))
	for key, w := range want {
		if g, ok := got[key]; !ok {
			c.report.StateDifferent++
			c.example("state", where, fmt.Sprintf("%s is missing, want %+v", key, w))
		} else if !reflect.DeepEqual(g, w) {
			c.report.StateDifferent++
			c.example("state", where, fmt.Sprintf("%s is %+v, want %+v", key, g, w))
		}
	}
	for key, g := range got {
		if _, ok := want[key]; !ok {
			c.report.StateDifferent++
			c.example("state", where, fmt.Sprintf("%s is %+v, want nothing", key, g))
		}
	}
	return nil
}

// counts is the model's ledger of one input partition.
type counts [fates]int64

// compareLedger compares a task's last position record with the committed offsets and the model.
func (c *check) compareLedger(partition int32, f *folded, parts []part, model []counts) {
	where := &kgo.Record{Topic: c.app + "-" + c.spec.Pipeline + "-changelog", Partition: partition,
		Offset: c.changelogEnd(partition)}
	if f.position == nil {
		for i := range model {
			if model[i] != (counts{}) {
				c.ledger(where, "there is no position record, but offsets are committed")
				return
			}
		}
		return
	}
	if len(f.position.Inputs) != len(model) {
		c.ledger(where, fmt.Sprintf("position record of %d inputs, want %d",
			len(f.position.Inputs), len(model)))
		return
	}
	for i, in := range f.position.Inputs {
		b := parts[i].bounds
		got := counts{in.Processed, in.Late, in.Dead, in.Deduplicated, in.Filtered, in.Shed}
		sum := b.From + in.Gaps
		seen := int64(0)
		for fate, n := range got {
			sum += n
			seen += model[i][fate]
			if n != model[i][fate] {
				c.ledger(where, fmt.Sprintf("%s: %d %s, want %d", in.Topic, n, Fate(fate),
					model[i][fate]))
			}
		}
		if in.Offset != b.To {
			c.ledger(where, fmt.Sprintf("%s: position %d, but the group committed %d", in.Topic,
				in.Offset, b.To))
		}
		if sum != in.Offset {
			c.ledger(where, fmt.Sprintf("%s: counts add up to offset %d, position is %d", in.Topic,
				sum, in.Offset))
		}
		if gaps := b.To - b.From - seen; in.Gaps != gaps {
			c.ledger(where, fmt.Sprintf("%s: %d gaps, want %d", in.Topic, in.Gaps, gaps))
		}
	}
}

func (c *check) changelogEnd(partition int32) int64 {
	if int(partition) < len(c.changelog) {
		return c.changelog[partition].To
	}
	return 0
}
