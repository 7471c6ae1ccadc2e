//go:build synctests

package sim_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"pawl/internal/loadgen"
	"pawl/internal/sim"
	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
	"pawl/statestore"
)

// tally is a count by key: what comes in is added, what comes out is the sum.
type tally struct {
	Key string `avro:"key"`
	N   int64  `avro:"n"`
}

func tallyType() schemas.Type[tally] {
	return schemas.Avro[tally](`{"type":"record","name":"Tally","namespace":"sim","fields":[
		{"name":"key","type":"string"},{"name":"n","type":"long"}]}`)
}

const (
	countIn  = "in"
	countOut = "sums"
)

// countApp is the smallest pipeline with state: every record counts, and every sum says so.
func countApp() sim.App {
	spec := verify.Spec{Pipeline: "count", Inputs: []verify.Topic{{Name: countIn}},
		Outputs:   []verify.OutputTopic{verify.NewOutput(countOut, tallyType())},
		NewModel:  newCountModel,
		Canonical: countState}
	return sim.App{Name: "count", New: countPipeline, Spec: spec, Records: 150,
		Load: func(seed uint64, start time.Time) loadgen.Generator {
			return &countLoad{random: loadgen.NewRand(seed, 1), at: start.UnixMilli()}
		}}
}

func countPipeline() *processor.Pipeline {
	p := processor.New("count")
	sums := processor.Keyed(p, "state", tallyType())
	out := processor.Output(p, countOut, tallyType())
	processor.Input(p, countIn, tallyType(), func(ctx *processor.Context, t tally) error {
		s, _ := sums.Get(ctx)
		s.Key = t.Key
		if s.N += t.N; s.N%11 == 0 {
			sums.Delete(ctx) // so that there are tombstones
		} else {
			sums.Set(ctx, s)
		}
		out.Emit(ctx, t.Key, s)
		return nil
	})
	return p
}

// countLoad makes the input.
type countLoad struct {
	random *loadgen.Rand
	enc    *schemas.Encoder[tally]
	at     int64
}

// Schemas implements loadgen.Generator.
func (g *countLoad) Schemas() []loadgen.Schema {
	return []loadgen.Schema{{Topic: countIn, Text: tallyType().String()}}
}

// Bind implements loadgen.Generator.
func (g *countLoad) Bind(ids map[string]int32) {
	g.enc = schemas.NewEncoder(tallyType(), ids[countIn])
}

// Next implements loadgen.Generator.
func (g *countLoad) Next() loadgen.Record {
	t := tally{Key: fmt.Sprintf("key-%d", g.random.IntN(7)), N: 1 + g.random.Int64N(3)}
	g.at += g.random.Int64N(300)
	value, err := g.enc.Append(nil, &t)
	if err != nil || g.random.IntN(20) == 0 {
		value = nil
	}
	return loadgen.Record{Topic: countIn, Key: []byte(t.Key), Value: value, Timestamp: g.at}
}

// countModel is the meaning of the pipeline. It implements verify.Model.
type countModel struct {
	resolver  *schemas.Resolver
	dec       *schemas.Decoder[tally]
	sums      map[string]int64
	watermark int64
}

func newCountModel(r *schemas.Resolver) verify.Model {
	return &countModel{resolver: r, dec: schemas.NewDecoder(tallyType(), r),
		sums: make(map[string]int64), watermark: math.MinInt64}
}

// Feed implements verify.Model.
func (m *countModel) Feed(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	if in.Value == nil {
		return verify.Outcome{Fate: verify.Dead, Exception: "NullValue"}, nil
	}
	var t tally
	exception, err := verify.Read(ctx, m.resolver, m.dec, in.Value, &t)
	if err != nil || exception != "" {
		return verify.Outcome{Fate: verify.Dead, Exception: exception}, err
	}
	m.watermark = max(m.watermark, in.Timestamp-2000)
	n := m.sums[t.Key] + t.N
	if m.sums[t.Key] = n; n%11 == 0 {
		delete(m.sums, t.Key)
	}
	return verify.Outcome{Outputs: []verify.Output{{Topic: countOut, Key: t.Key,
		Timestamp: in.Timestamp, Value: tally{Key: t.Key, N: n}}}}, nil
}

// Idle implements verify.Model.
func (m *countModel) Idle(watermark int64) []verify.Output {
	m.watermark = max(m.watermark, watermark)
	return nil
}

// Watermark implements verify.Model.
func (m *countModel) Watermark() int64 { return m.watermark }

// State implements verify.Model.
func (m *countModel) State() map[string]any {
	state := make(map[string]any)
	for key, n := range m.sums {
		state[key] = n
	}
	return state
}

// countState brings the changelog into the form of countModel.State.
func countState(ctx context.Context, state map[string][]byte, r *schemas.Resolver, _ int64) (
	map[string]any, error) {
	out := make(map[string]any)
	dec := schemas.NewDecoder(tallyType(), r)
	for key, value := range state {
		if !strings.HasPrefix(key, string(statestore.Key(nil).String("state"))) {
			return nil, fmt.Errorf("key %q belongs to no table", key)
		}
		var t tally
		if exception, err := verify.Read(ctx, r, dec, value, &t); err != nil || exception != "" {
			return nil, fmt.Errorf("state of key %q: %s %w", key, exception, err)
		}
		out[t.Key] = t.N
	}
	return out, nil
}
