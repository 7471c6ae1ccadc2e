//go:build unix

package views

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/schemas"
)

// print stands for an output record: its topic, partition, key, timestamp and value without the
// schema's id.
type print [16]byte

func printOf(topic string, partition int32, key []byte, at int64, value []byte) (p print) {
	b := make([]byte, 0, len(topic)+len(key)+len(value)+20)
	b = append(append(b, topic...), 0)
	b = binary.BigEndian.AppendUint32(b, uint32(partition))
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	b = append(binary.AppendUvarint(b, uint64(len(key))), key...)
	sum := sha256.Sum256(append(b, value...))
	copy(p[:], sum[:])
	return p
}

// truth is what the oracle makes of an input: how often each output record must be there.
type truth struct {
	outputs map[print]int32
	count   int64
	fates   map[verify.Fate]int64 // of the input records
	late    int64                 // input records that came too late for some window
}

// findTruth asks the oracle about the inputs of the arena.
func (a *arena) findTruth(ctx context.Context) (*truth, error) {
	t := &truth{outputs: make(map[print]int32)}
	err := a.oracle(ctx, t, func(p print, _ string) {
		t.outputs[p]++
		t.count++
	})
	if err == nil && t.count == 0 {
		err = errors.New("nothing comes of it: there are too few records to close a window")
	}
	if err != nil {
		return nil, fmt.Errorf("find what should come of the input of %s: %w", a.name, err)
	}
	return t, nil
}

// oracle feeds the inputs to the pipeline's model, and gives each output, with its text only when t
// is nil; otherwise the fates are counted there.
func (a *arena) oracle(ctx context.Context, t *truth, found func(print, string)) error {
	source, err := a.source("")
	if err != nil {
		return err
	}
	defer source.Close()
	if t != nil {
		t.fates = make(map[verify.Fate]int64)
	}
	encode := make(map[string]func([]byte, any) ([]byte, error))
	for _, out := range a.outputs {
		encode[out.topic] = out.encoder(0)
	}
	resolver := schemas.NewResolver(a.registry)
	var buffer []byte
	for p := range int32(a.options.Partitions) {
		model := a.spec.NewModel(resolver)
		err := a.merged(ctx, source, p, func(in verify.Input) error {
			res, err := model.Feed(ctx, in)
			if err != nil {
				return err
			}
			if t != nil {
				t.fates[res.Fate]++
				if res.Fate == verify.Late || len(res.LateFor) > 0 {
					t.late++
				}
			}
			for _, o := range res.Outputs {
				if buffer, err = encode[o.Topic](buffer[:0], o.Value); err != nil {
					return err
				}
				text := ""
				if t == nil {
					text = fmt.Sprintf("%s-%d key %q time %d: %+v", o.Topic, p, o.Key,
						o.Timestamp, o.Value)
				}
				found(printOf(o.Topic, p, []byte(o.Key), o.Timestamp,
					buffer[schemas.HeaderSize:]), text)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// merged gives the records of one partition of all inputs by their timestamps, those of the first
// input first on ties.
func (a *arena) merged(ctx context.Context, s verify.Source, partition int32,
	feed func(verify.Input) error) error {
	logs := make([]verify.Log, len(a.topics))
	heads := make([]*kgo.Record, len(a.topics))
	next := func(i int) (err error) {
		if heads[i], err = logs[i].Next(ctx); errors.Is(err, io.EOF) {
			heads[i], err = nil, nil
		}
		return err
	}
	for i, topic := range a.topics {
		bounds, err := s.Bounds(ctx, topic)
		if err == nil {
			logs[i], err = s.Open(ctx, topic, partition, bounds[partition])
		}
		if err != nil {
			return err
		}
		defer logs[i].Close()
		if err := next(i); err != nil {
			return err
		}
	}
	for {
		first := -1
		for i, r := range heads {
			if r != nil && (first < 0 || r.Timestamp.Before(heads[first].Timestamp)) {
				first = i
			}
		}
		if first < 0 {
			return nil
		}
		r := heads[first]
		err := feed(verify.Input{Topic: a.spec.Inputs[first].Name, Partition: partition,
			Offset: r.Offset, Key: r.Key, Value: r.Value, Timestamp: r.Timestamp.UnixMilli()})
		if err == nil {
			err = next(first)
		}
		if err != nil {
			return err
		}
	}
}

// Verdict is what a reader of committed records finds wrong with a contestant's outputs. One that
// is different is one that is extra, and one that is missing.
type Verdict struct {
	Outputs  int64    `json:"outputs"`
	Missing  int64    `json:"missing"`
	Extra    int64    `json:"extra"`
	Else     int64    `json:"else_different"` // of Pawl: state, order, late and broken records
	Examples []string `json:"examples,omitempty"`
}

// Right tells whether nothing is wrong.
func (v *Verdict) Right() bool { return v.Missing+v.Extra+v.Else == 0 && v.Outputs > 0 }

// String is the verdict in words.
func (v *Verdict) String() string {
	return fmt.Sprintf("%d outputs: %d missing, %d extra, %d differences else", v.Outputs,
		v.Missing, v.Extra, v.Else)
}

// examples is how many records of each kind are shown.
const examples = 5

// judge compares the output topics of a contestant, whose names begin with prefix, with the truth.
func (a *arena) judge(ctx context.Context, prefix string) (*Verdict, error) {
	source, err := a.source("")
	if err != nil {
		return nil, err
	}
	defer source.Close()
	left := maps.Clone(a.truth.outputs)
	v := new(Verdict)
	for _, out := range a.outputs {
		id, err := a.register(ctx, prefix+out.topic, out.schema)
		if err != nil {
			return nil, err
		}
		bounds, err := source.Bounds(ctx, prefix+out.topic)
		if err != nil {
			return nil, err
		}
		for p, b := range bounds {
			err := verify.Each(ctx, source, prefix+out.topic, int32(p), b,
				func(r *kgo.Record) error {
					v.take(left, out.topic, id, r)
					return nil
				})
			if err != nil {
				return nil, err
			}
		}
	}
	return v, a.missing(ctx, left, v)
}

// take crosses a record off the list of those that must be there.
func (v *Verdict) take(left map[print]int32, topic string, id int32, r *kgo.Record) {
	v.Outputs++
	as, payload, err := schemas.ParseHeader(r.Value)
	p := printOf(topic, r.Partition, r.Key, r.Timestamp.UnixMilli(), payload)
	if err == nil && as == id && left[p] > 0 {
		left[p]--
		return
	}
	if v.Extra++; v.Extra <= examples {
		v.Examples = append(v.Examples, fmt.Sprintf("extra: %s-%d at %d key %q time %d: schema "+
			"%d, %x", r.Topic, r.Partition, r.Offset, r.Key, r.Timestamp.UnixMilli(), as, payload))
	}
}

// missing counts what was never crossed off. The oracle is asked once more what it was.
func (a *arena) missing(ctx context.Context, left map[print]int32, v *Verdict) error {
	for _, n := range left {
		v.Missing += int64(n)
	}
	if v.Missing == 0 {
		return nil
	}
	shown := 0
	return a.oracle(ctx, nil, func(p print, text string) {
		if left[p] > 0 && shown < examples {
			left[p]--
			shown++
			v.Examples = append(v.Examples, "missing: "+text)
		}
	})
}
