package fraud_test

import (
	"strings"
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/fraud"
)

func load(seed uint64) fraud.LoadConfig {
	return fraud.LoadConfig{Seed: seed, Users: 2_000, Start: time.UnixMilli(1_790_000_000_000),
		Rate: 2_000, Poison: 0.02, LimitsEvery: 100}
}

// TestGeneratorIsDeterministic compares two runs of a seed, and another seed.
func TestGeneratorIsDeterministic(t *testing.T) {
	pipelinetest.Deterministic(t, 5_000, func(seed uint64) loadgen.Generator {
		return fraud.NewGenerator(load(seed))
	})
}

// TestGeneratorHeatsAndPads: one user has the share that was asked for, and every sound record is
// that much larger.
func TestGeneratorHeatsAndPads(t *testing.T) {
	const records, padding = 20_000, 300
	hot, sent, bytes := 0, 0, [2]int{}
	for i, pad := range []int{0, padding} {
		g := fraud.NewGenerator(fraud.LoadConfig{Seed: 1, Start: time.UnixMilli(1_790_000_000_000),
			Poison: -1, LimitsEvery: -1, Bursts: -1, Hot: 0.5, Padding: pad})
		g.Bind(map[string]int32{fraud.Transactions: 1, fraud.LimitsTopic: 2})
		for range records {
			rec := g.Next()
			bytes[i] += len(rec.Value)
			sent++
			if string(rec.Key) == "user-0000000" {
				hot++
			}
		}
	}
	if share := float64(hot) / float64(sent); share < 0.48 || share > 0.52 {
		t.Errorf("the hot user has %.3f of the records, want 0.5", share)
	}
	if more := (bytes[1] - bytes[0]) / records; more < padding || more > padding+2 {
		t.Errorf("records are %d bytes larger, want %d", more, padding)
	}
}

// TestGeneratorMakesEverything lets the oracle judge generated records: every kind of fault, every
// reason, late ones, limits and tombstones are among them.
func TestGeneratorMakesEverything(t *testing.T) {
	const records = 100_000
	tell := func(seen map[string]int, rec loadgen.Record, out verify.Outcome) {
		key := outcome(out)
		switch {
		case len(out.Outputs) > 0:
			key = key[strings.LastIndex(key, " ")+1:]
		case rec.Topic == fraud.LimitsTopic && rec.Value == nil:
			key = "tombstone"
		}
		seen[key]++
	}
	seen := pipelinetest.Judge(t, fraud.NewGenerator(load(1)), fraud.Spec(fraud.Config{}).NewModel,
		records, tell)
	pipelinetest.AtLeast(t, seen, 20, "NONE", "COUNT", "AMOUNT", "COUNT_AND_AMOUNT", "processed",
		"tombstone", "late fraud", "dead DecodeError", "dead UnknownSchema",
		"dead IncompatibleSchema", "dead NullValue", "dead MissingKey", "dead KeyMismatch",
		"dead InvalidAmount", "dead FutureTimestamp", "dead InvalidTimestamp")
	pipelinetest.FewLate(t, seen["late fraud"], records)
}
