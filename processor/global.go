package processor

import "pawl/schemas"

// GlobalTable is a table that every task holds whole, so that a handler can look up any key.
// Nobody but its topic writes it.
type GlobalTable[V any] struct{ table *Table[V] }

// GlobalTableInput declares a small, compacted topic of any number of partitions that every task
// keeps whole, as a table of the same name: the handlers of the other inputs read it by any key.
// It keeps the law as TableInput does: a task reads all partitions to their ends before its first
// record; from then on they are merged with the task's other inputs by record timestamp, the table
// first on ties. A null value deletes the key. What the table holds is part of each task's state.
func GlobalTableInput[V any](p *Pipeline, topic string, t schemas.Type[V]) (*Source[V],
	*GlobalTable[V]) {
	s := tableInput(p, topic, t)
	s.global = true
	return s, &GlobalTable[V]{s.table}
}

// Get returns the value of a key, as the updates merged before the current record left it. It must
// not be changed.
func (g *GlobalTable[V]) Get(ctx *Context, key string) (V, bool) {
	ctx.probe = ctx.probe[:0].String(key)
	return g.table.GetAt(ctx, ctx.probe)
}
