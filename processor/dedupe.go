package processor

import (
	"time"

	"pawl/schemas/record"
	"pawl/statestore"
)

// Dedupe hands on the first record of each id. The id is remembered, per key, from its first
// record at t until the watermark reaches t + horizon; records with it are counted as deduplicated
// meanwhile.
func Dedupe[V any](p *Pipeline, name string, horizon time.Duration, id func(V) string,
	next Handler[V]) Handler[V] {
	p.positive("dedupe", name, "horizon", horizon)
	if id == nil || next == nil {
		p.fault("dedupe %q needs an id function and a handler", name)
	}
	seen := Keyed(p, name, record.TimerType())
	forget := NewTimers(p, name, func(ctx *Context) error {
		seen.DeleteAt(ctx, statestore.Key(ctx.key)) // the timer is for the table's key
		return nil
	})
	return func(ctx *Context, v V) error {
		ctx.brief = ctx.brief[:0].Bytes(ctx.key).String(id(v))
		key := ctx.brief
		if _, known := seen.GetAt(ctx, key); known {
			ctx.drop(fateDeduplicated)
			return nil
		}
		at := ctx.time + horizon.Milliseconds()
		seen.SetAt(ctx, key, record.Timer{At: at})
		forget.set(ctx, key, at)
		return next(ctx, v)
	}
}
