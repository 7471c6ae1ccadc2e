package replay

import (
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/pipelines/activity"
	"pawl/pipelines/fraud"
	"pawl/pipelines/funnel"
	"pawl/pipelines/iot"
	"pawl/pipelines/pageviews"
	"pawl/processor"
)

// load is a pipeline with traffic that has everything in it.
type load struct {
	build func() *processor.Pipeline
	gen   loadgen.Generator
	ticks int64
}

func loads() map[string]load {
	start := time.Now().Add(-time.Hour)
	const share = 0.02
	short := fraud.Config{Span: 2 * time.Second, Grace: 500 * time.Millisecond}
	return map[string]load{
		fraud.Name: {func() *processor.Pipeline { return fraud.New(short) },
			fraud.NewGenerator(fraud.LoadConfig{Pipeline: short, Seed: 5, Start: start, Rate: 400,
				Users: 300, Poison: share, Late: share, Straggle: 0.05, LimitsEvery: 30}), 3},
		iot.Name: {func() *processor.Pipeline { return iot.New(iot.Config{}) },
			iot.NewGenerator(iot.LoadConfig{Seed: 5, Sensors: 20, Start: start, Rate: 20,
				Poison: share, Late: share}), 0},
		activity.Name: {func() *processor.Pipeline { return activity.New(activity.Config{}) },
			activity.NewGenerator(activity.LoadConfig{Seed: 5, Users: 20, Start: start, Rate: 20,
				Poison: share, Late: share}), 2},
		pageviews.Name: {func() *processor.Pipeline { return pageviews.New(pageviews.Config{}) },
			pageviews.NewGenerator(pageviews.LoadConfig{Seed: 5, Start: start, Rate: 20,
				Poison: share, Late: share}), 1},
		funnel.Name: {func() *processor.Pipeline { return funnel.New(funnel.Config{}) },
			funnel.NewGenerator(funnel.LoadConfig{Seed: 5, Start: start, Rate: 5, Poison: share,
				Late: share}), 2},
	}
}

// identical demands a report of a stretch in which something happened and nothing differs.
func identical(t *testing.T, r *Report) {
	t.Helper()
	var same int64
	for name, d := range r.Topics {
		for _, e := range d.Examples {
			t.Errorf("%s: %+v", name, e)
		}
		same += d.Same
	}
	for _, e := range r.State.Examples {
		t.Errorf("state: %+v", e)
	}
	for _, p := range r.Positions {
		t.Errorf("position: %s", p)
	}
	if !r.Identical || same == 0 || r.State.Same == 0 || r.Records == 0 {
		t.Errorf("identical %v, %d outputs and %d state keys the same, %d records", r.Identical,
			same, r.State.Same, r.Records)
	}
	for name, d := range r.Topics {
		t.Logf("%s: %d same", name, d.Same)
	}
	t.Logf("state %d, records %d, %.2f s: %+v", r.State.Same, r.Records, r.Seconds, r.Tasks)
}

// TestShadowIsIdentical replays every pipeline's crashed run from its beginning, and from a
// checkpoint in its middle.
func TestShadowIsIdentical(t *testing.T) {
	for name, l := range loads() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, l.build, processor.Config{IdleTimeout: 200 * time.Millisecond})
			r.run(l.gen, 1_500, l.ticks)
			r.checkpoint()
			r.run(l.gen, 1_500, l.ticks)
			r.decided()
			for id, p := range map[string]Point{"all": {Earliest: true},
				"half": {Checkpoint: "latest"}} {
				report, err := Shadow(t.Context(), r.options(id, p))
				if err != nil {
					t.Fatal(err)
				}
				identical(t, report)
			}
		})
	}
}

// TestShadowOfAnotherConfig replays fraud with a smaller limit: what differs must be what the
// oracle, told of that limit, finds wrong with production.
func TestShadowOfAnotherConfig(t *testing.T) {
	l := loads()[fraud.Name]
	r := newRig(t, l.build, processor.Config{IdleTimeout: 200 * time.Millisecond})
	r.run(l.gen, 2_000, l.ticks)
	strict := fraud.Config{Span: 2 * time.Second, Grace: 500 * time.Millisecond, MaxCount: 4}
	want := r.check(fraud.Spec(strict))
	o := r.options("strict", Point{Earliest: true})
	o.Pipeline = fraud.New(strict)
	report, err := Shadow(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var missing, extra, different int64
	for _, d := range report.Topics {
		missing, extra, different = missing+d.Missing, extra+d.Extra, different+d.Different
	}
	if report.Identical || want.Missing == 0 || want.Different == 0 || extra != want.Missing ||
		missing != want.Extra || different != want.Different {
		t.Errorf("identical %v: %d missing, %d extra, %d different; the oracle expects %d, %d, %d",
			report.Identical, missing, extra, different, want.Extra, want.Missing, want.Different)
	}
	if !report.State.Zero() || len(report.Positions) > 0 {
		t.Errorf("the state does not depend on the limit: %+v, %v", report.State, report.Positions)
	}
	fieldsOf := report.Topics[fraud.Decisions].Examples[0].Fields
	t.Logf("%d missing, %d extra, %d different; first %v", missing, extra, different, fieldsOf)
	if len(fieldsOf) != 2 {
		t.Errorf("fields %v, want flagged and reason", fieldsOf)
	}
}
