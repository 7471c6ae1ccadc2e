//go:build unix

package peer

import (
	"iter"
	"testing"
	"time"

	"pawl/processor"
	"pawl/schemas"
)

// folded is the state of a window: the events in it, in the order of folding.
type folded struct {
	Seqs []int64 `avro:"seqs"`
}

func foldedType() schemas.Type[folded] {
	return schemas.Avro[folded](`{"type": "record", "name": "Folded", "namespace": "peer",
		"fields": [{"name": "seqs", "type": {"type": "array", "items": "long"}}]}`)
}

func add(f folded, e event) folded { return folded{Seqs: append(f.Seqs, e.Seq)} }

func merge(earlier, later folded) folded {
	return folded{Seqs: append(earlier.Seqs, later.Seqs...)}
}

// window is a window's result.
type window struct {
	Start int64   `avro:"start"` // ms
	End   int64   `avro:"end"`
	Seqs  []int64 `avro:"seqs"`
}

func windowType() schemas.Type[window] {
	return schemas.Avro[window](`{"type": "record", "name": "Window", "namespace": "peer",
		"fields": [{"name": "start", "type": "long"}, {"name": "end", "type": "long"},
			{"name": "seqs", "type": {"type": "array", "items": "long"}}]}`)
}

// pair is a join's result.
type pair struct {
	Left  int64 `avro:"left"`
	Right int64 `avro:"right"` // none when there is no partner
}

const none = -1

func pairType() schemas.Type[pair] {
	return schemas.Avro[pair](`{"type": "record", "name": "Pair", "namespace": "peer",
		"fields": [{"name": "left", "type": "long"}, {"name": "right", "type": "long"}]}`)
}

// kind is a kind of window or join, with the case of Peer.java that it is compared with.
type kind struct {
	name      string
	streams   string
	durations []time.Duration
	pipeline  func(p *processor.Pipeline)
	compare   func(t *testing.T, s *stage, k kind)
}

func pawlTopic(p *processor.Pipeline) string { return "pawl-" + p.Name() }

// windows declares a pipeline whose results are windows.
func windows(p *processor.Pipeline,
	build func(emit func(*processor.Context, processor.Span, folded)) processor.Handler[event]) {
	out := processor.Output(p, pawlTopic(p), windowType())
	processor.Input(p, eventsTopic, eventType(),
		build(func(ctx *processor.Context, s processor.Span, f folded) {
			out.Emit(ctx, ctx.Key(), window{Start: s.Start.UnixMilli(), End: s.End.UnixMilli(),
				Seqs: f.Seqs})
		}))
}

func aligned(w processor.Window) func(p *processor.Pipeline) {
	return func(p *processor.Pipeline) {
		windows(p, func(
			emit func(*processor.Context, processor.Span, folded)) processor.Handler[event] {
			return processor.Aggregate(p, "win", w, foldedType(), add, emit)
		})
	}
}

func session(w processor.Session) func(p *processor.Pipeline) {
	return func(p *processor.Pipeline) {
		windows(p, func(
			emit func(*processor.Context, processor.Span, folded)) processor.Handler[event] {
			return processor.AggregateSessions(p, "win", w, foldedType(), add, merge, emit)
		})
	}
}

func sliding(w processor.SlidingWindow) func(p *processor.Pipeline) {
	return func(p *processor.Pipeline) {
		windows(p, func(
			emit func(*processor.Context, processor.Span, folded)) processor.Handler[event] {
			return processor.Sliding(p, "win", w, eventType(), func(ctx *processor.Context,
				s processor.Span, values iter.Seq2[time.Time, event]) error {
				var f folded
				for _, e := range values {
					f = add(f, e)
				}
				emit(ctx, s, f)
				return nil
			})
		})
	}
}

// joined declares a pipeline whose results are pairs of a left and a right event.
func joined(in processor.Interval, left bool) func(p *processor.Pipeline) {
	return func(p *processor.Pipeline) {
		out := processor.Output(p, pawlTopic(p), pairType())
		emit := func(ctx *processor.Context, l, r event, matched bool) {
			res := pair{Left: l.Seq, Right: none}
			if matched {
				res.Right = r.Seq
			}
			out.Emit(ctx, ctx.Key(), res)
		}
		typ := eventType()
		var l, r processor.Handler[event]
		if left {
			l, r = processor.LeftJoin(p, "win", in, typ, typ, emit)
		} else {
			l, r = processor.Join(p, "win", in, typ, typ,
				func(ctx *processor.Context, l, r event) { emit(ctx, l, r, true) })
		}
		is := func(side string) func(event) bool {
			return func(e event) bool { return e.Side == side }
		}
		processor.Input(p, eventsTopic, typ,
			processor.Branch(processor.Filter(is("L"), l), processor.Filter(is("R"), r)))
	}
}
