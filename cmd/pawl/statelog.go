package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/settings"
	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// stateLog is an application's changelog.
type stateLog struct {
	app         *app
	cluster     *cluster
	application string
	timeout     time.Duration
}

func (a *app) changelogOf(s *settings.Settings) (*stateLog, error) {
	var missing settings.Faults
	for _, key := range []string{"application.id", "bootstrap.servers", "schema.registry.url"} {
		if s.Text(key) == "" {
			missing = append(missing, &settings.Fault{Key: key, Source: "default",
				What: "is needed to read the changelog; give --config, or --http for a live " +
					"instance"})
		}
	}
	if len(missing) > 0 {
		return nil, missing
	}
	return &stateLog{app: a, application: s.Text("application.id"),
		cluster: givenCluster(s),
		timeout: s.Duration("startup.timeout")}, nil
}

// read implements stateSource.
func (l *stateLog) read(ctx context.Context, w *stateWant, row func(stateRow) error,
	stand func(stateStanding)) error {
	topic := processor.ChangelogName(l.application, w.pipeline)
	if err := l.cluster.topicsExist(ctx, []string{topic}, l.timeout); err != nil {
		return err
	}
	source, err := verify.NewKafka(l.application, l.cluster.options()...)
	if err != nil {
		return err
	}
	defer source.Close()
	bounds, err := source.Bounds(ctx, topic)
	if err != nil {
		return err
	}
	tasks, err := w.tasks(int32(len(bounds)))
	if err != nil {
		return err
	}
	resolver := schemas.NewResolver(l.cluster.schemas())
	for _, task := range tasks {
		f, err := l.fold(ctx, source, topic, task, bounds[task], resolver, w)
		if err != nil {
			return err
		}
		stand(standingAt(fmt.Sprintf("%s-%d", w.pipeline, task), &f.at))
		if err := f.give(ctx, w, resolver, row); err != nil {
			return err
		}
	}
	return nil
}

// folds is how often a log is read before a digest that differs counts: compaction may go through
// it under the reader.
const folds = 3

// fold reads one task's log to the last position record that is wanted, and compares what it comes
// to with that record's digest.
func (l *stateLog) fold(ctx context.Context, source verify.Source, topic string, task int32,
	b verify.Bounds, resolver *schemas.Resolver, w *stateWant) (*foldedLog, error) {
	for try := 1; ; try++ {
		f := &foldedLog{want: w, resolver: resolver, rows: make(map[string][]byte),
			live: make(map[string]uint64)}
		f.from, f.to = w.bounds()
		bar := newProgress(l.app.stderr, fmt.Sprintf("reading %s-%d", topic, task), b.To-b.From)
		err := eachRecord(ctx, source, topic, task, b, func(rec *kgo.Record) error {
			bar.set(rec.Offset+1-b.From, b.To-b.From)
			return f.take(ctx, rec)
		})
		bar.finish()
		if err != nil && !errors.Is(err, errEnough) {
			return nil, fmt.Errorf("read %s-%d: %w", topic, task, err)
		}
		if err = f.judge(); err == nil {
			return f, nil
		}
		if try == folds || w.epoch > 0 && f.at.Epoch != w.epoch {
			return nil, fmt.Errorf("%s-%d %w", topic, task, err)
		}
	}
}

func eachRecord(ctx context.Context, source verify.Source, topic string, task int32,
	b verify.Bounds, fn func(*kgo.Record) error) error {
	log, err := source.Open(ctx, topic, task, b)
	if err != nil {
		return err
	}
	defer log.Close()
	for {
		rec, err := log.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = fn(rec)
		}
		if err != nil {
			return err
		}
	}
}

// foldedLog is what a log comes to. What follows the last position record is no epoch's.
type foldedLog struct {
	want     *stateWant
	from, to []byte
	resolver *schemas.Resolver
	pending  []*kgo.Record
	rows     map[string][]byte // those that are wanted
	live     map[string]uint64 // hashes of all
	sum      uint64
	at       record.Position
}

// judge says what keeps the log from being the state that was asked for.
func (f *foldedLog) judge() error {
	w, at := f.want, &f.at
	switch {
	case w.epoch > 0 && at.Epoch != w.epoch:
		return fmt.Errorf("has no position record of epoch %d any more, or not yet; it was at "+
			"epoch %d before, and compaction keeps the newest ones only", w.epoch, at.Epoch)
	case f.sum == uint64(at.Digest):
		return nil
	case w.epoch > 0 || !w.asOf.IsZero():
		return fmt.Errorf("no longer has the whole state of epoch %d: compaction has dropped "+
			"values that were overwritten since; a checkpoint may have it", at.Epoch)
	}
	return fmt.Errorf("folds to the digest %016x, but epoch %d says %016x; pawl audit %s finds "+
		"what is wrong", f.sum, at.Epoch, uint64(at.Digest), w.pipeline)
}

func (f *foldedLog) take(ctx context.Context, rec *kgo.Record) error {
	switch {
	case string(rec.Key) == statestore.PositionKey:
		return f.position(ctx, rec)
	case !statestore.Internal(rec.Key):
		f.pending = append(f.pending, rec)
	}
	return nil
}

// position ends an epoch, or the read when it is past what is wanted.
func (f *foldedLog) position(ctx context.Context, rec *kgo.Record) error {
	pos, err := decodePosition(ctx, f.resolver, rec.Value)
	if err != nil {
		return fmt.Errorf("offset %d: %w", rec.Offset, err)
	}
	if f.want.epoch > 0 && pos.Epoch > f.want.epoch ||
		!f.want.asOf.IsZero() && rec.Timestamp.After(f.want.asOf) {
		return errEnough
	}
	for _, c := range f.pending {
		key := string(c.Key)
		f.sum -= f.live[key]
		wanted := bytes.Compare(c.Key, f.from) >= 0 && bytes.Compare(c.Key, f.to) < 0
		if c.Value == nil {
			delete(f.live, key)
			delete(f.rows, key)
			continue
		}
		f.live[key] = processor.StateHash(c.Key, c.Value)
		f.sum += f.live[key]
		if wanted {
			f.rows[key] = c.Value
		}
	}
	f.pending, f.at = f.pending[:0], pos
	return nil
}

// decodePosition reads a position record by the schema that it was written with.
func decodePosition(ctx context.Context, r *schemas.Resolver, value []byte) (record.Position,
	error) {
	var pos record.Position
	id, _, err := schemas.ParseHeader(value)
	if err == nil {
		err = r.Fetch(ctx, id)
	}
	if err == nil {
		err = schemas.NewDecoder(record.PositionType(), r).Decode(value, &pos)
	}
	if err != nil {
		return pos, fmt.Errorf("position record: %w", err)
	}
	return pos, nil
}

// give gives the rows in order.
func (f *foldedLog) give(ctx context.Context, w *stateWant, r *schemas.Resolver,
	row func(stateRow) error) error {
	for _, key := range sortedKeys(f.rows) {
		value := f.rows[key]
		if id, _, err := schemas.ParseHeader(value); err == nil {
			if err := r.Fetch(ctx, id); err != nil {
				return err
			}
		}
		one, err := rowOfState(w, []byte(key), value, r)
		if err == nil {
			err = row(one)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
