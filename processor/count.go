package processor

import (
	"pawl/schemas"
	"pawl/schemas/record"
)

// AggregateCount folds n records of a key at a time, in the order of arrival. emit gets each full
// batch at once, with its number, from 1; there ctx.Time() is that of the record that filled it.
func AggregateCount[V, A any](p *Pipeline, name string, n int, t schemas.Type[A],
	add func(A, V) A, emit func(ctx *Context, batch int64, a A)) Handler[V] {
	if n < 1 {
		p.fault("count window %q: n=%d is out of range; give 1 or more records", name, n)
	}
	if add == nil || emit == nil {
		p.fault("count window %q needs a function to add and one to emit", name)
	}
	table := Keyed(p, name, t)
	counts := Keyed(p, name+"-count", record.CounterType())
	return func(ctx *Context, v V) error {
		c, _ := counts.Get(ctx)
		c.N++
		counts.Set(ctx, c)
		a, _ := table.Get(ctx)
		a = add(a, v)
		if c.N%int64(n) != 0 {
			table.Set(ctx, a)
			return nil
		}
		table.Delete(ctx)
		emit(ctx, c.N/int64(n), a)
		return nil
	}
}

// LastN calls h for each record with the last n records of its key, oldest first, itself included.
func LastN[V any](p *Pipeline, name string, n int, t schemas.Type[V],
	h func(ctx *Context, last []V) error) Handler[V] {
	if n < 1 {
		p.fault("last %q: n=%d is out of range; give 1 or more records", name, n)
	}
	if h == nil {
		p.fault("last %q has no handler", name)
	}
	table := Keyed(p, name, t)
	counts := Keyed(p, name+"-count", record.CounterType())
	return func(ctx *Context, v V) error {
		c, _ := counts.Get(ctx)
		c.N++
		counts.Set(ctx, c)
		table.SetAt(ctx, ctx.under(c.N), v)
		table.DeleteAt(ctx, ctx.under(c.N-int64(n)))
		var last []V
		for i := max(c.N-int64(n)+1, 1); i <= c.N; i++ {
			one, _ := table.GetAt(ctx, ctx.under(i))
			last = append(last, one)
		}
		return h(ctx, last)
	}
}
