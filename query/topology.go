package query

import (
	"math"
	"net/http"

	"pawl/processor"
)

// shownNode is a node of the pipeline's graph with what passes it.
type shownNode struct {
	ID   string             `json:"id"`
	Kind processor.NodeKind `json:"kind"`
	Name string             `json:"name"`
	Rate float64            `json:"rate"` // records or changes per second
}

// shownEdge is an edge with what passes it.
type shownEdge struct {
	From string  `json:"from"`
	To   string  `json:"to"`
	Rate float64 `json:"rate"`
}

// topology answers with the pipeline's graph and what all tasks together move.
func (s *server) topology() *endpoint[map[string]float64] {
	return &endpoint[map[string]float64]{
		live:    true,
		partial: true,
		tasks:   everyone,
		ranges:  func(*question) []processor.StateRange { return nil },
		read: func(_ *question, v View) (map[string]float64, error) {
			return v.Rates(), nil
		},
		merge: func(q *question, parts []map[string]float64) (fields, *Problem) {
			state := s.options.State()
			if state == nil {
				return nil, refuse(http.StatusServiceUnavailable, "the instance is stopping")
			}
			sums := make(map[string]float64)
			for _, rates := range parts {
				for id, rate := range rates {
					sums[id] += rate
				}
			}
			f := shownGraph(state.Graph(), sums)
			f["pipeline"] = q.shape.Pipeline
			return f, nil
		},
	}
}

// shownGraph gives a graph its rates. An edge leads from or to a step, so that all that passes its
// other end passes it too.
func shownGraph(g processor.Graph, rates map[string]float64) fields {
	nodes, edges := []shownNode{}, []shownEdge{}
	step := make(map[string]bool)
	for _, n := range g.Nodes {
		step[n.ID] = n.Kind == processor.NodeStep
		nodes = append(nodes, shownNode{n.ID, n.Kind, n.Name, tenths(rates[n.ID])})
	}
	for _, e := range g.Edges {
		end := e.From
		if step[end] {
			end = e.To
		}
		edges = append(edges, shownEdge{e.From, e.To, tenths(rates[end])})
	}
	return fields{"nodes": nodes, "edges": edges}
}

// tenths rounds a rate: sums of fifths are not exact.
func tenths(rate float64) float64 { return math.Round(rate*10) / 10 }
