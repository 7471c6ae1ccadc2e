package query

import (
	"cmp"
	"net/http"
	"slices"

	"pawl/processor"
	"pawl/schemas"
	schema "pawl/schemas/fraud"
	"pawl/statestore"
)

// velocity is what a task knows of a user's transactions.
type velocity struct {
	Known bool   `json:"known"`
	Slots []slot `json:"slots"` // by time; transactions of one millisecond may share one
}

type slot struct {
	At    int64 `json:"at"`
	Count int64 `json:"count"`
	Cents int64 `json:"cents"`
}

// Tables of the fraud pipeline, and how its trees count: a node of level 0 has 64 slots of 1 ms.
const (
	velocityTable = "velocity"
	nodesTable    = "velocity-nodes"
	nodeSlots     = 64
)

// fraudUser answers with what the next decision about a user can count.
func (s *server) fraudUser() *endpoint[velocity] {
	reads := &velocities{roots: schemas.NewDecoders(schema.VelocityType()),
		nodes: schemas.NewDecoders(schema.VelocityNodeType())}
	user := func(q *question) statestore.Key {
		return statestore.Key(nil).String(q.r.PathValue("id"))
	}
	return &endpoint[velocity]{
		tasks: func(q *question) ([]int32, *Problem) { return keyed(q, q.r.PathValue("id")), nil },
		brief: func(q *question) []processor.StateRange { // all of a user who is not busy
			return []processor.StateRange{processor.StatePoint(velocityTable, user(q))}
		},
		glance: func(q *question, v View) (velocity, error) {
			out, whole, err := reads.root(v, user(q))
			if err == nil && !whole {
				err = errMore
			}
			return out, err
		},
		ranges: func(q *question) []processor.StateRange {
			leaves := user(q).Int(0)
			return []processor.StateRange{processor.StatePoint(velocityTable, user(q)),
				{Table: nodesTable, From: leaves, To: leaves.End()}}
		},
		read:  func(q *question, v View) (velocity, error) { return reads.all(v, user(q)) },
		merge: s.mergeVelocity,
	}
}

// velocities reads what the table holds.
type velocities struct {
	roots *schemas.Decoders[schema.Velocity]
	nodes *schemas.Decoders[schema.VelocityNode]
}

// root reads a user's own entry; whole says that there is nothing beside it.
func (r *velocities) root(v View, user statestore.Key) (out velocity, whole bool, err error) {
	raw, ok, err := v.Get(velocityTable, user)
	if err != nil || !ok {
		return out, true, err
	}
	var root schema.Velocity
	if err := v.Decode(raw, typed[schema.Velocity]{r.roots, &root}); err != nil {
		return out, false, err
	}
	out.Known = true
	if root.Level == 0 {
		out.Slots = appendSlots(nil, root.Slots, root.Base)
		return out, true, nil
	}
	return out, false, nil
}

// all reads a user's transactions, be they many.
func (r *velocities) all(v View, user statestore.Key) (velocity, error) {
	out, whole, err := r.root(v, user)
	if err != nil || whole {
		return out, err
	}
	var failed error
	_, err = v.Scan(1, func(key statestore.Key, raw []byte) bool {
		var node schema.VelocityNode
		parts, err := statestore.DecodeKey(key)
		if err == nil {
			err = v.Decode(raw, typed[schema.VelocityNode]{r.nodes, &node})
		}
		if failed = err; err != nil {
			return false
		}
		out.Slots = appendSlots(out.Slots, node.Slots, number(parts[2])*nodeSlots)
		return true
	})
	return out, cmp.Or(err, failed)
}

func appendSlots(all []slot, stored []schema.Slot, base int64) []slot {
	all = slices.Grow(all, len(stored))
	for _, one := range stored {
		all = append(all, slot{At: base + one.Index, Count: one.Count, Cents: one.TotalCents})
	}
	return all
}

// field is a field of a record as JSON has it; nil when there is none.
func field(record any, name string) any {
	m, _ := record.(map[string]any)
	return m[name]
}

// number is an integer as JSON has it.
func number(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case int32:
		return int64(n)
	case float64:
		return int64(n)
	}
	return 0
}

// mergeVelocity shows the window that ends with the user's newest transaction.
func (s *server) mergeVelocity(q *question, parts []velocity) (fields, *Problem) {
	id := q.r.PathValue("id")
	slots := parts[0].Slots
	if !parts[0].Known || len(slots) == 0 {
		return nil, refuse(http.StatusNotFound, "user %.100q has no transaction that a decision "+
			"could count", id)
	}
	end := slots[len(slots)-1].At
	start := end - s.options.FraudSpan.Milliseconds()
	var count, cents int64
	first := len(slots) // of those that count
	for _, one := range slices.Backward(slots) {
		if one.At <= start {
			break
		}
		count += one.Count
		cents += one.Cents
		first--
	}
	shown := transactions(slots[max(first, len(slots)-q.limit):])
	return fields{"user_id": id, "count": count, "total_cents": cents, "transactions": shown,
		"window_start": timeOf(start), "window_end": timeOf(end)}, nil
}
