package deadletter

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
)

// Page is what a list found.
type Page struct {
	Letters  []*Letter        `json:"dead_letters"` // newest record first
	More     int64            `json:"more"`         // that match as well
	Offsets  map[string]int64 `json:"offsets"`      // by partition of the topic: read so far
	Complete bool             `json:"complete"`     // the topic was read from its beginning
}

// ListOptions say how much of a list is wanted.
type ListOptions struct {
	Limit int // so many letters at most; 0 for all
	// Scan bounds how many of the newest offsets are read, over all partitions; 0 reads all.
	Scan int64
	// Values asks for decoded values.
	Values bool
}

// List reads the dead letters that f wants.
func (d *Desk) List(ctx context.Context, f Filter, o ListOptions) (*Page, error) {
	done, err := turn(ctx, d.reading)
	if err != nil {
		return nil, err
	}
	defer done()
	bounds, err := d.bounds(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.look(ctx); err != nil {
		return nil, err
	}
	page := &Page{Offsets: make(map[string]int64), Complete: true}
	for p := range bounds {
		b := &bounds[p]
		page.Offsets[fmt.Sprintf("%s-%d", d.topic, p)] = b.To
		if share := o.Scan / int64(len(bounds)); o.Scan > 0 && b.From < b.To-max(share, 1) {
			b.From, page.Complete = b.To-max(share, 1), false
		}
	}
	found := newest{limit: o.Limit}
	err = d.each(ctx, bounds, func(l *Letter) error {
		if f.wants(l) {
			found.add(l)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	found.cut()
	page.Letters, page.More = found.letters, found.left
	if page.Letters == nil {
		page.Letters = []*Letter{}
	}
	if o.Values {
		d.decode(ctx, page.Letters...)
	}
	return page, nil
}

// each calls fn with every dead letter within the bounds, partition by partition, with its state.
func (d *Desk) each(ctx context.Context, bounds []verify.Bounds, fn func(*Letter) error) error {
	var seen, total int64
	for _, b := range bounds {
		total += max(b.To-b.From, 0)
	}
	for p, b := range bounds {
		before := seen
		err := verify.Each(ctx, d.source, d.topic, int32(p), b, func(rec *kgo.Record) error {
			seen = before + rec.Offset + 1 - b.From
			if seen%1000 == 0 {
				d.o.Progress(seen, total)
			}
			return fn(d.judged(read(rec)))
		})
		if err != nil {
			return err
		}
		seen = before + max(b.To-b.From, 0)
		d.o.Progress(seen, total)
	}
	return nil
}

// errNone says that there is no dead letter of a name.
var errNone = errors.New("there is no such dead letter")

// find reads one dead letter.
func (d *Desk) find(ctx context.Context, bounds []verify.Bounds, id ID) (*Letter, error) {
	if id.Topic != d.topic {
		return nil, fmt.Errorf("%w: the dead letters of %s are on %s", errNone, d.o.ApplicationID,
			d.topic)
	}
	if int(id.Partition) >= len(bounds) {
		return nil, fmt.Errorf("%w: %s has %d partitions", errNone, d.topic, len(bounds))
	}
	b := bounds[id.Partition]
	if id.Offset < b.From || id.Offset >= b.To {
		return nil, fmt.Errorf("%w: %s-%d holds offsets from %d to %d", errNone, d.topic,
			id.Partition, b.From, b.To-1)
	}
	var l *Letter
	one := verify.Bounds{From: id.Offset, To: id.Offset + 1}
	err := verify.Each(ctx, d.source, d.topic, id.Partition, one,
		func(rec *kgo.Record) error {
			l = d.judged(read(rec))
			return nil
		})
	if err == nil && l == nil {
		err = fmt.Errorf("%w: %s-%d has no committed record at offset %d", errNone, d.topic,
			id.Partition, id.Offset)
	}
	return l, err
}
