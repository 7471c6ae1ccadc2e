package law_test

import (
	"testing"
	"time"

	"pawl/internal/law"
	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/activity"
	"pawl/pipelines/fraud"
	"pawl/pipelines/funnel"
	"pawl/processor"
	"pawl/schemas"
)

// agreement is a pipeline with a model of its own.
type agreement struct {
	build    func() *processor.Pipeline
	model    verify.Spec
	load     loadgen.Generator
	ticks    int64
	settings processor.Config
}

func agreements() map[string]agreement {
	start := time.Now().Add(-time.Hour)
	short := fraud.Config{Span: 2 * time.Second, Grace: 500 * time.Millisecond}
	return map[string]agreement{
		"fraud": {
			build: func() *processor.Pipeline { return fraud.New(short) },
			model: fraud.Spec(short),
			load: fraud.NewGenerator(fraud.LoadConfig{Pipeline: short, Seed: 5, Start: start,
				Rate: 400, Users: 300, Poison: 0.02, Late: 0.02, Straggle: 0.05, LimitsEvery: 30}),
			// Two of them say how far the tables were read, the others are idle ones.
			ticks: 4, settings: processor.Config{IdleTimeout: 200 * time.Millisecond},
		},
		"activity": {
			build: func() *processor.Pipeline { return activity.New(activity.Config{}) },
			model: activity.Spec(activity.Config{}),
			load:  activity.NewGenerator(activity.LoadConfig{Seed: 5, Start: start, Rate: 20}),
		},
		"funnel": {
			build: func() *processor.Pipeline { return funnel.New(funnel.Config{}) },
			model: funnel.Spec(funnel.Config{}),
			load:  funnel.NewGenerator(funnel.LoadConfig{Seed: 5, Start: start, Rate: 5}),
		},
	}
}

// TestAgreesWithTheModels runs pipelines that have a model of their own, crashing instances: the
// law must come to the same verdict and count the same.
func TestAgreesWithTheModels(t *testing.T) {
	for name, a := range agreements() {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, a.build, a.settings)
			r.run(a.load, 3_000, a.ticks)
			want, got := r.check(a.model, r.source), r.check(r.spec(), r.source)
			for _, e := range append(want.Examples, got.Examples...) {
				t.Error(e)
			}
			if want.Oracle != "match" || got.Oracle != "match" || got.StateKeys == 0 ||
				got.RecordsIn != want.RecordsIn || got.RecordsOut != want.RecordsOut ||
				got.DeadLettered != want.DeadLettered || got.Late != want.Late {
				got.Examples, want.Examples = nil, nil
				t.Errorf("the law says  %+v\nthe model says %+v", *got, *want)
			}
			if got.RecordsIn < 3_000 || got.RecordsOut == 0 || got.DeadLettered == 0 {
				t.Errorf("the run was no test: %+v", *got)
			}
			if !t.Failed() {
				t.Logf("%+v", *got)
			}
			if name == "fraud" && !t.Failed() {
				damages(t, r)
			}
		})
	}
}

// TestSpecRefuses what cannot be judged.
func TestSpecRefuses(t *testing.T) {
	typ := schemas.Avro[string](`"string"`)
	shedding := func() *processor.Pipeline {
		p := processor.New("shedding")
		processor.Input(p, "in", typ, func(*processor.Context, string) error { return nil }).
			Shed(processor.Shedding[string]{Priority: func(string) int { return 0 }, Below: 1,
				MaxLag: 1})
		return p
	}
	if _, err := law.Spec(shedding, processor.Config{ApplicationID: app}); err == nil {
		t.Error("a pipeline that sheds was taken")
	}
	global := func() *processor.Pipeline {
		p := processor.New("global")
		processor.GlobalTableInput(p, "rates", typ)
		processor.Input(p, "in", typ, func(*processor.Context, string) error { return nil })
		return p
	}
	if _, err := law.Spec(global, processor.Config{ApplicationID: app}); err == nil {
		t.Error("a pipeline with a global table was taken")
	}
	plain := func() *processor.Pipeline { return fraud.New(fraud.Config{}) }
	if _, err := law.Spec(plain, processor.Config{ApplicationID: app, NoProvenance: true}); err ==
		nil {
		t.Error("a run without provenance was taken")
	}
	if _, err := law.Spec(plain, processor.Config{ApplicationID: "no such name!"}); err == nil {
		t.Error("a wrong application id was taken")
	}
}
