package law_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"pawl/internal/law"
	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
)

// words is a pipeline whose handler rejects, panics or emits as the record says; first it counts.
func words() *processor.Pipeline {
	typ := schemas.Avro[string](`"string"`)
	p := processor.New("words")
	last := processor.Keyed(p, "last", typ)
	out := processor.Output(p, "out", typ)
	later := processor.NewTimers(p, "later", func(ctx *processor.Context) error {
		if v, _ := last.Get(ctx); v == "bomb" {
			panic("boom at last")
		}
		out.Emit(ctx, ctx.Key(), "later")
		return nil
	})
	processor.Input(p, "in", typ, func(ctx *processor.Context, word string) error {
		last.Set(ctx, word)
		later.Set(ctx, ctx.Time().Add(time.Minute))
		switch word {
		case "bad":
			return processor.Reject("it is bad")
		case "boom":
			panic("boom")
		}
		out.Emit(ctx, ctx.Key(), word)
		return nil
	}).Late("words", 0)
	return p
}

// pass is an undisturbed pass over one task of words.
type pass struct {
	t     *testing.T
	model verify.Model
	value func(word string) []byte
	next  int64
}

func newPass(t *testing.T) *pass {
	t.Helper()
	registry := schemas.NewMemory()
	cfg := processor.Config{ApplicationID: app, Registry: registry, MaxOutOfOrderness: -1}
	live, err := processor.NewOffline(cfg, 1, words()) // registers, as a run does
	if err != nil {
		t.Fatal(err)
	}
	spec, err := law.Spec(words, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &pass{t: t, model: spec.NewModel(schemas.NewResolver(registry)),
		value: func(word string) []byte {
			b, err := live.Encode("in", word)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}}
}

func (p *pass) feed(word string, at int64) (verify.Outcome, error) {
	in := verify.Input{Topic: "in", Offset: p.next, Key: []byte("k"), Value: p.value(word),
		Timestamp: at}
	p.next += 3 // as with markers between
	return p.model.Feed(context.Background(), in)
}

// want demands an outcome: the fate, the words emitted, the windows it was late for.
func (p *pass) want(word string, at int64, fate verify.Fate, emitted ...string) verify.Outcome {
	p.t.Helper()
	out, err := p.feed(word, at)
	if err != nil {
		p.t.Fatal(err)
	}
	if out.Fate != fate {
		p.t.Errorf("%s: fate %v, want %v", word, out.Fate, fate)
	}
	p.emitted(out.Outputs, emitted...)
	return out
}

func (p *pass) emitted(outputs []verify.Output, want ...string) {
	p.t.Helper()
	if len(outputs) != len(want) {
		p.t.Fatalf("%d outputs, want %q", len(outputs), want)
	}
	for i, o := range outputs {
		// The model's resolver knows no schema here, so a value is shown as it is.
		text := o.Value.(verify.Wire).String()
		if o.Topic != "out" || o.Key != "k" || !strings.HasPrefix(text, hex(p.value(want[i]))) {
			p.t.Errorf("output %d is %+v, want %s", i, o, want[i])
		}
	}
}

func hex(b []byte) string { return verify.NewWire(b, schemas.NewResolver(nil)).String() }

// TestPass takes records of every fate through a task.
func TestPass(t *testing.T) {
	p := newPass(t)
	if got := p.model.Watermark(); got != math.MinInt64 || len(p.model.State()) > 0 {
		t.Errorf("before the first record: watermark %d, state %v", got, p.model.State())
	}
	p.emitted(p.model.Idle(5))
	p.want("a", 100_000, verify.Processed, "a")
	if out := p.want("bad", 110_000, verify.Dead); out.Exception != "Rejected" {
		t.Errorf("a record rejected after it changed state: %+v", out)
	}
	if out := p.want("b", 90_000, verify.Late); out.Window != "words" || len(out.LateFor) > 0 {
		t.Errorf("a late record: %+v", out)
	}
	p.emitted(p.model.Idle(159_999))
	p.emitted(p.model.Idle(160_000), "later")
	if got := p.model.Watermark(); got != 160_000 {
		t.Errorf("watermark %d, want 160000", got)
	}
	state := p.model.State()
	if v, ok := state[`"last" "k"`].(verify.Wire); len(state) != 1 || !ok ||
		v.String() != hex(p.value("a")) {
		t.Errorf("state %v, want a alone", state)
	}
}

// TestPassTellsFaults of the pipeline's own.
func TestPassTellsFaults(t *testing.T) {
	p := newPass(t)
	if _, err := p.feed("boom", 1); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("a panic gave error %v", err)
	}
	if _, err := p.feed("a", 2); err == nil {
		t.Error("it went on after a panic")
	}
	p = newPass(t)
	p.want("bomb", 1, verify.Processed, "bomb")
	p.model.Idle(100_000)
	if fault, _ := p.model.State()["(fault)"].(string); !strings.Contains(fault, "boom at last") {
		t.Errorf("a timer's panic left state %v", p.model.State())
	}
}
