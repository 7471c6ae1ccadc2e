package processor

import "pawl/schemas"

// Filter hands on the records that keep says yes to. The others are counted as filtered, unless
// another branch makes something of them.
func Filter[V any](keep func(V) bool, next Handler[V]) Handler[V] {
	return func(ctx *Context, v V) error {
		if !keep(v) {
			ctx.drop(fateFiltered)
			return nil
		}
		return next(ctx, v)
	}
}

// Map hands on f of each record.
func Map[V, W any](f func(V) W, next Handler[W]) Handler[V] {
	return func(ctx *Context, v V) error { return next(ctx, f(v)) }
}

// Branch hands each record to all handlers, in order, until one returns an error.
func Branch[V any](next ...Handler[V]) Handler[V] {
	return func(ctx *Context, v V) error {
		for _, h := range next {
			if err := h(ctx, v); err != nil {
				return err
			}
		}
		return nil
	}
}

// Repartition emits each record under another key, to a topic that another pipeline reads: the
// two together are exactly once, as each of them is. A pipeline cannot read the topic itself,
// because its watermark would be that of the records before the topic.
func Repartition[V any](p *Pipeline, topic string, t schemas.Type[V],
	key func(V) string) Handler[V] {
	out := Output(p, topic, t)
	if key == nil {
		p.fault("repartition to %q has no key function", topic)
	}
	return func(ctx *Context, v V) error {
		out.Emit(ctx, key(v), v)
		return nil
	}
}
