package replay

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Point is where a replay begins: the newest state at or before it. Exactly one field is set.
type Point struct {
	Earliest bool
	// Offset is the same on all input partitions; nil for none.
	Offset *int64
	// Time is that of the records: of each partition the first one at or after it.
	Time time.Time
	// Offsets by topic and partition, as in Kafka's files for --from-file. Partitions that are
	// left out stay where production is.
	Offsets map[string]map[int32]int64
	// Checkpoint is "latest", or the id or epoch of a task's checkpoint: the other tasks begin at
	// the newest one that is no younger than it.
	Checkpoint string
}

// Validate demands exactly one way to say it.
func (p *Point) Validate() error {
	n := 0
	for _, set := range []bool{p.Earliest, p.Offset != nil, !p.Time.IsZero(), p.Offsets != nil,
		p.Checkpoint != ""} {
		if set {
			n++
		}
	}
	switch {
	case n != 1:
		return errors.New("say once where to begin: an offset, a time, a duration, earliest, a " +
			"checkpoint or a file")
	case p.Offset != nil && *p.Offset < 0:
		return fmt.Errorf("offset %d is negative; give 0 or more", *p.Offset)
	}
	return nil
}

// ReadOffsets reads a file of kafka-consumer-groups: lines topic,partition,offset, or the same with
// the group before them.
func ReadOffsets(r io.Reader) (map[string]map[int32]int64, error) {
	rows := csv.NewReader(r)
	rows.FieldsPerRecord, rows.TrimLeadingSpace = -1, true
	all := make(map[string]map[int32]int64)
	for {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read offsets: %w", err)
		}
		line, _ := rows.FieldPos(0)
		if len(row) == 4 {
			row = row[1:]
		}
		if len(row) != 3 {
			return nil, fmt.Errorf("line %d has %d fields; write topic,partition,offset", line,
				len(row))
		}
		partition, err1 := strconv.ParseInt(row[1], 10, 32)
		offset, err2 := strconv.ParseInt(row[2], 10, 64)
		if err1 != nil || err2 != nil || partition < 0 || offset < 0 {
			return nil, fmt.Errorf("line %d: %q is not a partition and an offset", line, row[1:])
		}
		if all[row[0]] == nil {
			all[row[0]] = make(map[int32]int64)
		}
		if _, twice := all[row[0]][int32(partition)]; twice {
			return nil, fmt.Errorf("line %d: %s-%d stands twice; keep one", line, row[0], partition)
		}
		all[row[0]][int32(partition)] = offset
	}
	if len(all) == 0 {
		return nil, errors.New("there is no line topic,partition,offset")
	}
	return all, nil
}

// places turns the point into offsets of one task's inputs, none beyond where production is.
func (s *session) places(t *task, at kadm.ListedOffsets) ([]int64, error) {
	all := make([]int64, len(t.inputs))
	p := &s.o.Point
	for i, in := range t.inputs {
		now := t.last.Inputs[i].Offset
		switch {
		case p.Earliest:
			all[i] = s.inputs[in.Topic][in.Partition].From
		case p.Offset != nil:
			all[i] = *p.Offset
		case !p.Time.IsZero():
			o, ok := at.Lookup(in.Topic, in.Partition)
			if !ok {
				return nil, fmt.Errorf("the broker gave no offset of %s-%d at %v", in.Topic,
					in.Partition, p.Time)
			}
			all[i] = o.Offset
		case p.Offsets != nil:
			all[i] = now
			if o, ok := p.Offsets[in.Topic][in.Partition]; ok {
				all[i] = o
			}
		default:
			all[i] = now
		}
		all[i] = min(all[i], now)
	}
	return all, nil
}

// knownTopics refuses a file that names what the pipeline does not read: a slip of the pen there
// would go unnoticed.
func (s *session) knownTopics() error {
	for topic, parts := range s.o.Point.Offsets {
		have, ok := s.inputs[topic]
		if !ok {
			return fmt.Errorf("the file names topic %s, which is no input of %s", topic,
				s.o.Pipeline.Name())
		}
		for p := range parts {
			if int(p) >= len(have) {
				return fmt.Errorf("the file names %s-%d, but the topic has %d partitions", topic,
					p, len(have))
			}
		}
	}
	return nil
}

// listTimes asks where the point's time is on the inputs.
func (s *session) listTimes(ctx context.Context) (kadm.ListedOffsets, error) {
	if s.o.Point.Time.IsZero() {
		return nil, nil
	}
	var names []string
	for name := range s.inputs {
		names = append(names, name)
	}
	at, err := s.adm.ListOffsetsAfterMilli(ctx, s.o.Point.Time.UnixMilli(), names...)
	if err == nil {
		err = at.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("offsets of the inputs at %v: %w", s.o.Point.Time, err)
	}
	return at, nil
}
