package sim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// audit judges what the instances left.
func (s *simulation) audit() error {
	if s.violated() {
		return nil
	}
	logs, err := s.readLogs()
	if err != nil {
		return err
	}
	report, err := verify.Check(context.Background(), verify.Options{Spec: s.cfg.App.Spec,
		ApplicationID: application, Source: logs, Registry: s.registry.memory})
	if err != nil {
		return fmt.Errorf("check the outputs: %w", err)
	}
	for _, e := range report.Examples {
		s.violate(invariantOf(e.Kind), e.Where, e.Kind+": "+e.Detail)
	}
	if report.Oracle != "match" && len(report.Examples) == 0 {
		s.violate("I12", "input", fmt.Sprintf("%d records are not processed", report.Unprocessed))
	}
	if report.RecordsIn == 0 {
		s.violate("I12", "simulation", "no record went through: the run was no test")
	}
	if err := s.auditChangelog(logs); err != nil {
		return err
	}
	return s.auditCheckpoints(logs)
}

// invariantOf says which invariant a difference of verify.Check breaks.
func invariantOf(kind string) string {
	switch kind {
	case "state":
		return "I2"
	case "ledger":
		return "I4"
	}
	return "I1"
}

// logs are all records that a read_committed reader sees, by topic and partition. They are a
// verify.Source.
type logs struct {
	bounds  map[string][]verify.Bounds
	records map[string][][]*kgo.Record
	offsets map[string][]int64
}

// readLogs reads every topic of the pipeline, once nothing is open any more.
func (s *simulation) readLogs() (*logs, error) {
	l := &logs{bounds: make(map[string][]verify.Bounds), offsets: make(map[string][]int64),
		records: make(map[string][][]*kgo.Record)}
	from := make(map[string]map[int32]kgo.Offset)
	left := 0
	group := s.cluster.GroupInfo(application)
	for _, topic := range s.topics() {
		parts := s.cluster.PartitionInfos(topic)
		l.records[topic] = make([][]*kgo.Record, len(parts))
		from[topic] = make(map[int32]kgo.Offset)
		for _, p := range parts {
			if p.LastStableOffset != p.HighWatermark {
				s.violate("I7", fmt.Sprintf("%s-%d", topic, p.Partition), fmt.Sprintf("a "+
					"transaction is open: last stable offset %d, high watermark %d",
					p.LastStableOffset, p.HighWatermark))
			}
			l.bounds[topic] = append(l.bounds[topic], verify.Bounds{From: p.LogStartOffset,
				To: p.LastStableOffset})
			at := int64(-1)
			if group != nil {
				if c, ok := group.Commits[topic][p.Partition]; ok {
					at = c.Offset
				}
			}
			l.offsets[topic] = append(l.offsets[topic], at)
			if p.LogStartOffset < p.LastStableOffset {
				from[topic][p.Partition] = kgo.NewOffset().At(p.LogStartOffset)
				left++
			}
		}
	}
	return l, s.readAll(l, from, left)
}

// topics are all that the pipeline reads and writes.
func (s *simulation) topics() []string {
	var names []string
	spec := s.cfg.App.Spec
	for _, in := range spec.Inputs {
		names = append(names, in.Name)
	}
	for _, out := range spec.Outputs {
		names = append(names, out.Name)
	}
	for _, w := range spec.Windows {
		names = append(names, application+"-"+w+"-late")
	}
	return append(names, application+"-dlq", application+"-ticks", s.changelog())
}

func (s *simulation) changelog() string {
	return application + "-" + s.cfg.App.Spec.Pipeline + "-changelog"
}

func (s *simulation) readAll(l *logs, from map[string]map[int32]kgo.Offset, left int) error {
	cl, err := s.client(kgo.ConsumePartitions(from), kgo.KeepControlRecords(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()))
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for left > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return fmt.Errorf("read the logs, %d partitions left: %w", left, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset == l.bounds[r.Topic][r.Partition].To-1 {
				left--
			}
			if !r.Attrs.IsControl() {
				part := &l.records[r.Topic][r.Partition]
				*part = append(*part, r)
			}
		})
	}
	return nil
}

// Bounds implements verify.Source.
func (l *logs) Bounds(_ context.Context, topic string) ([]verify.Bounds, error) {
	return append([]verify.Bounds(nil), l.bounds[topic]...), nil
}

// Committed implements verify.Source.
func (l *logs) Committed(_ context.Context, topic string) ([]int64, error) {
	return append([]int64(nil), l.offsets[topic]...), nil
}

// Open implements verify.Source.
func (l *logs) Open(_ context.Context, topic string, partition int32, b verify.Bounds) (verify.Log,
	error) {
	c := &cursor{}
	for _, r := range l.records[topic][partition] {
		if r.Offset >= b.From && r.Offset < b.To {
			c.records = append(c.records, r)
		}
	}
	return c, nil
}

// cursor reads one partition of logs.
type cursor struct{ records []*kgo.Record }

// Next implements verify.Log.
func (c *cursor) Next(context.Context) (*kgo.Record, error) {
	if len(c.records) == 0 {
		return nil, io.EOF
	}
	r := c.records[0]
	c.records = c.records[1:]
	return r, nil
}

// Close implements verify.Log.
func (c *cursor) Close() {}

// auditChangelog checks I6: position records count up by one, claims never fall, and each is a
// claim record before it. A claim after it may be a zombie's, who cannot commit more than that.
func (s *simulation) auditChangelog(l *logs) error {
	if s.kafka.compacted() {
		return nil // claims and earlier positions are gone; verify.Check has looked at the rest
	}
	resolver := schemas.NewResolver(s.registry.memory)
	dec := schemas.NewDecoder(record.PositionType(), resolver)
	for p, records := range l.records[s.changelog()] {
		claims := make(map[int64]bool)
		last := record.Position{Epoch: -1, Claim: -1}
		for _, r := range records {
			if string(r.Key) == statestore.ClaimKey {
				claims[r.Offset] = true
			}
			if string(r.Key) != statestore.PositionKey {
				continue
			}
			where := fmt.Sprintf("%s-%d offset %d", r.Topic, p, r.Offset)
			pos, err := decodePosition(dec, resolver, r.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
			if !claims[pos.Claim] || pos.Claim < last.Claim {
				s.violate("I6", where, fmt.Sprintf("epoch %d is of claim %d, after one of %d",
					pos.Epoch, pos.Claim, last.Claim))
			}
			if last.Epoch >= 0 && pos.Epoch != last.Epoch+1 {
				s.violate("I6", where, fmt.Sprintf("epoch %d after %d", pos.Epoch, last.Epoch))
			}
			last = pos
		}
	}
	return nil
}

func decodePosition(dec *schemas.Decoder[record.Position], r *schemas.Resolver, value []byte) (
	record.Position, error) {
	var pos record.Position
	err := dec.Decode(value, &pos)
	var unknown *schemas.UnknownIDError
	if errors.As(err, &unknown) {
		if err = r.Fetch(context.Background(), unknown.ID); err == nil {
			err = dec.Decode(value, &pos)
		}
	}
	if err != nil {
		return pos, fmt.Errorf("decode a position record: %w", err)
	}
	return pos, nil
}

// auditImage checks I5: a store on a crashed disk never holds what Kafka has not committed.
func (s *simulation) auditImage(h *host, disk *statestore.MemoryDisk,
	committed []*kfake.PartitionInfo) {
	// A copy: to open a store is to write to it.
	env := disk.Image(s.chance("image"), 100).Env(1<<20, func(error) {})
	defer env.Close()
	for p, info := range committed {
		dir := fmt.Sprintf("%s/%s/%s-%d", h.dir, application, s.cfg.App.Spec.Pipeline, p)
		store, err := env.OpenPebble(dir)
		if err != nil {
			continue // the engine's to mend
		}
		if at := store.Mark().Offset; at > info.LastStableOffset {
			s.violate("I5", fmt.Sprintf("%s %s", h.name, dir), fmt.Sprintf("the store stands at "+
				"changelog offset %d, committed is %d", at, info.LastStableOffset))
		}
		_ = store.Close()
	}
}
