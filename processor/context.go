package processor

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/statestore"
)

// A Context is all that a handler may see and act through: the record, the task's state, event
// time and watermark. There is no wall clock in it, so that the same input gives the same output.
// It is valid during the handler's call only.
type Context struct {
	core    *core
	rec     *kgo.Record
	input   int
	key     []byte
	time    int64
	ordinal int
	wrote   bool
	fate    fate
	tuple   statestore.Key
	probe   statestore.Key // of the last look into a global table
	brief   statestore.Key // of an operator, see briefly
	timer   statestore.Key // of the timer that is being set, or fires
	fired   []byte         // the key that the timer which fires was set for
	answers []answer       // of the record's enrichments; none in a timer
}

// fate is what operators say became of a record that led to nothing.
type fate int8

const (
	fateProcessed fate = iota
	fateDeduplicated
	fateFiltered
)

// late sends the current record to a window's late topic.
func (ctx *Context) late(window int) error {
	return ctx.core.late(ctx.rec, window, ctx.time)
}

// row is the key of something of the current key's at a time: later records come after earlier
// ones, and equal times keep the order of arrival.
func (ctx *Context) row() statestore.Key {
	return ctx.under(ctx.time).Int(int64(ctx.input)).Int(ctx.rec.Offset)
}

// under is the key of something of the current key's at ms.
func (ctx *Context) under(ms int64) statestore.Key {
	return statestore.Key(nil).Bytes(ctx.key).Int(ms)
}

// briefly is under for a key that is used at once: it lies where the next such key will.
func (ctx *Context) briefly(ms int64) statestore.Key {
	ctx.brief = ctx.brief[:0].Bytes(ctx.key).Int(ms)
	return ctx.brief
}

func (ctx *Context) enter(rec *kgo.Record, input int, key []byte, at int64) {
	ctx.rec, ctx.input, ctx.key, ctx.time = rec, input, key, at
	ctx.wrote = false
	ctx.answers = nil
	ctx.tuple = ctx.tuple[:0]
}

// Key is the record's key; in a timer, the key it was set for.
func (ctx *Context) Key() string { return string(ctx.key) }

// Time is the record's event time; in a timer, the time it was set to. Outputs carry it as their
// timestamp.
func (ctx *Context) Time() time.Time { return time.UnixMilli(ctx.time).UTC() }

// Watermark is the task's promise that it has seen event time up to here, the current record
// included. The zero Time stands for "no record yet".
func (ctx *Context) Watermark() time.Time {
	if ctx.core.watermark == noWatermark {
		return time.Time{}
	}
	return time.UnixMilli(ctx.core.watermark).UTC()
}

// Topic, Partition and Offset name the record being processed; in a timer, the record whose
// arrival moved the watermark past it.
func (ctx *Context) Topic() string { return ctx.rec.Topic }

// Partition is explained at Topic.
func (ctx *Context) Partition() int32 { return ctx.rec.Partition }

// Offset is explained at Topic.
func (ctx *Context) Offset() int64 { return ctx.rec.Offset }

// tupleKey is the state key of the current record's key.
func (ctx *Context) tupleKey() statestore.Key {
	if len(ctx.tuple) == 0 {
		ctx.tuple = ctx.tuple.Bytes(ctx.key)
	}
	return ctx.tuple
}

// drop says what becomes of the record if nothing comes of it.
func (ctx *Context) drop(f fate) { ctx.fate = f }
