package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pawl/integration/harness/s3"
	"pawl/pipelines/fraud"
	"pawl/pipelines/funnel"
	"pawl/processor"
)

// TestBack takes crashed runs back to a checkpoint, from where they go on: state and outputs must
// be as if nothing had happened, and a shadow over the new stretch identical.
func TestBack(t *testing.T) {
	for _, name := range []string{fraud.Name, funnel.Name} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := loads()[name]
			r := newRig(t, l.build, processor.Config{IdleTimeout: 200 * time.Millisecond})
			r.run(l.gen, 1_000, l.ticks)
			r.checkpoint()
			r.run(l.gen, 1_000, l.ticks)
			for round := range 2 {
				r.back(t, Point{Checkpoint: "latest"}, int64(round+1))
				r.audit()
				r.resume(1)
				r.audit()
				if name == fraud.Name {
					r.verify(fraud.Spec(fraud.Config{Span: 2 * time.Second,
						Grace: 500 * time.Millisecond}))
				} else {
					r.verify(funnel.Spec(funnel.Config{}))
				}
			}
			o := r.options("after", Point{Earliest: true})
			if _, err := Shadow(t.Context(), o); err == nil {
				t.Error("a shadow from before the task was taken back")
			}
			o = r.options("after", Point{Offsets: middle(r)})
			report, err := Shadow(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			identical(t, report)
		})
	}
}

// middle is a point in the stretch that was processed again.
func middle(r *rig) map[string]map[int32]int64 {
	r.t.Helper()
	all := make(map[string]map[int32]int64)
	for _, in := range r.inputs() {
		bounds, err := r.source.Bounds(r.t.Context(), in)
		if err != nil {
			r.t.Fatal(err)
		}
		all[in] = make(map[int32]int64)
		for p, b := range bounds {
			all[in][int32(p)] = b.To * 9 / 10
		}
	}
	return all
}

func (r *rig) back(t *testing.T, p Point, incarnation int64) *Turned {
	t.Helper()
	done, err := Back(t.Context(), r.options("back", p))
	if err != nil {
		t.Fatal(err)
	}
	s, err := open(t.Context(), r.options("look", p))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, task := range s.tasks {
		if task.last.Incarnation != incarnation {
			t.Errorf("%s is of incarnation %d, want %d", task.name, task.last.Incarnation,
				incarnation)
		}
		for i, in := range task.last.Inputs {
			from := done.Plan.From[fmt.Sprintf("%s-%d", in.Topic, in.Partition)]
			if in.Offset != from {
				t.Errorf("%s stands at %d of input %d, want %d", task.name, in.Offset, i, from)
			}
		}
	}
	return done
}

// TestBackToNothing takes a run back to its beginning.
func TestBackToNothing(t *testing.T) {
	l := loads()[fraud.Name]
	r := newRig(t, l.build, processor.Config{IdleTimeout: 200 * time.Millisecond})
	r.run(l.gen, 800, l.ticks)
	r.store = nil
	r.back(t, Point{Earliest: true}, 1)
	r.resume(1)
	r.audit()
	r.verify(fraud.Spec(fraud.Config{Span: 2 * time.Second, Grace: 500 * time.Millisecond}))
}

// errDied stands for a death.
var errDied = errors.New("died")

// TestBackDies dies at each point: there is the old state or the new one, and the command can be
// repeated.
func TestBackDies(t *testing.T) {
	t.Run("folder", func(t *testing.T) { backDies(t, "file://"+t.TempDir()) })
	t.Run("s3", func(t *testing.T) { backDies(t, s3.Serve(t, nil)) })
}

func backDies(t *testing.T, url string) {
	l := loads()[fraud.Name]
	r := newRig(t, l.build, processor.Config{IdleTimeout: 200 * time.Millisecond})
	r.keepIn(url)
	r.run(l.gen, 600, l.ticks)
	r.checkpoint()
	r.run(l.gen, 600, l.ticks)
	turned := int64(0)
	for _, point := range Points() {
		o := r.options("back", Point{Checkpoint: "latest"})
		ctx, cancel := context.WithCancelCause(t.Context())
		o.Passed = func(name string) {
			if name == point {
				panic(errDied) // nothing more is sent
			}
		}
		func() {
			defer func() {
				if v := recover(); v != errDied {
					t.Errorf("at %s: %v", point, v)
				}
			}()
			_, err := Back(ctx, o)
			t.Errorf("at %s it ended with %v", point, err)
		}()
		cancel(nil)
		if point == "replay-ended" {
			turned++
		}
		turned++
		r.back(t, Point{Checkpoint: "latest"}, turned)
	}
	plan, err := PlanBack(t.Context(), r.options("back", Point{Checkpoint: "latest"}))
	if err != nil || plan.Records != 0 || !slices.ContainsFunc(plan.Notes, func(n string) bool {
		return strings.HasPrefix(n, "nothing is processed again")
	}) {
		t.Errorf("back where it stands: %+v, %v", plan, err)
	}
	r.resume(1)
	r.audit()
	r.verify(fraud.Spec(fraud.Config{Span: 2 * time.Second, Grace: 500 * time.Millisecond}))
}

// TestBackNeedsAnEmptyGroup refuses while an instance runs, and names it.
func TestBackNeedsAnEmptyGroup(t *testing.T) {
	l := loads()[fraud.Name]
	r := newRig(t, l.build, processor.Config{IdleTimeout: 200 * time.Millisecond})
	r.run(l.gen, 300, l.ticks)
	in := r.start(1)
	r.awaitMember()
	plan, err := PlanBack(t.Context(), r.options("back", Point{Earliest: true}))
	if err != nil || !slices.ContainsFunc(plan.Notes, func(n string) bool {
		return strings.HasPrefix(n, "the application runs: group rig has members (1): n1")
	}) {
		t.Errorf("the plan says nothing of the member: %v, %v", plan, err)
	}
	_, err = Back(t.Context(), r.options("back", Point{Earliest: true}))
	var members *MembersError
	if !errors.As(err, &members) || !strings.Contains(err.Error(), "n1") {
		t.Errorf("with a member it ended with %v", err)
	}
	r.stop(in)
	r.back(t, Point{Earliest: true}, 1)
}

func (r *rig) awaitMember() {
	r.t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		g, err := r.adm.DescribeGroups(r.t.Context(), r.app)
		if err == nil && len(g[r.app].Members) > 0 {
			return
		}
		if time.Since(began) > patient {
			r.t.Fatalf("no member after %v: %v", patient, err)
		}
	}
}

// TestPromote lets a shadow with another limit take the application's place after more has come.
func TestPromote(t *testing.T) {
	l := loads()[funnel.Name]
	r := newRig(t, l.build, processor.Config{IdleTimeout: 200 * time.Millisecond})
	r.run(l.gen, 1_000, l.ticks)
	other := func() *processor.Pipeline { return funnel.New(funnel.Config{Gap: 2 * time.Minute}) }
	o := r.options("shorter", Point{Earliest: true})
	o.Pipeline, o.Settings = other(), map[string]string{"gap": "2m"}
	before, err := Shadow(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if before.State.Zero() {
		t.Error("the state does not depend on the gap")
	}
	r.run(l.gen, 1_000, l.ticks)
	o = r.options("shorter", Point{})
	o.Pipeline, o.Settings = other(), map[string]string{"gap": "3m"}
	for _, promote := range []func() error{
		func() error { _, err := PlanPromote(t.Context(), o); return err },
		func() error { _, err := Promote(t.Context(), o); return err },
	} {
		if err := promote(); err == nil || !strings.Contains(err.Error(), "give --set gap=2m") {
			t.Errorf("with another setting: %v", err)
		}
	}
	o.Settings["gap"] = "2m"
	done, err := Promote(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("changes %v in %.2f s", done.Changes, done.Seconds)
	r.audit()
	r.build = other
	r.run(l.gen, 500, l.ticks)
	r.audit()
	// From here on the application is as if it had had the new gap all the time.
	fresh := r.options("proof", Point{Earliest: true})
	s, err := open(t.Context(), fresh)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for _, task := range s.tasks {
		if task.last.Incarnation != 1 {
			t.Errorf("%s is of incarnation %d", task.name, task.last.Incarnation)
		}
	}
	state := r.check(funnel.Spec(funnel.Config{Gap: 2 * time.Minute}))
	if state.StateDifferent != 0 || state.StateKeys == 0 {
		t.Errorf("%d of %d state entries are not what the new gap makes of all input: %v",
			state.StateDifferent, state.StateKeys, state.Examples)
	}
}
