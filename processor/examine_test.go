package processor_test

import (
	"strings"
	"testing"

	"pawl/processor"
)

// TestExamineSaysWhatAStartSays has the same done behind a stopped instance's back as the proof's
// test: the examination must refuse for the same reason, with the same mend, and change nothing.
func TestExamineSaysWhatAStartSays(t *testing.T) {
	t.Parallel()
	for _, c := range tamperings {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 1)
			in := b.start("a", counting(nil))
			b.produce(20, 2)
			b.drained("in")
			if e := examine(t, b); !e.Live || e.Tasks[0].Refused != nil || len(e.Faults) > 0 ||
				e.Tasks[0].Local.Fault == "" { // its process has it open
				t.Errorf("while it runs: %+v", e)
			}
			stop(t, in)
			e := examine(t, b)
			task := e.Tasks[0]
			if e.Live || task.Refused != nil || len(e.Faults) > 0 || len(task.Notes) > 0 ||
				task.Local.Epoch != task.Position.Epoch || task.Inputs[0].Group != 20 ||
				task.Inputs[0].State != 20 || task.Inputs[0].End != 20 ||
				task.Local.TopicID != task.Changelog.TopicID {
				t.Errorf("stopped: %+v: %+v", e, task)
			}
			c.act(b)
			e = examine(t, b)
			said := e.Faults
			for _, task := range e.Tasks {
				if task.Refused != nil {
					said = append(said, task.Refused.Error())
				}
			}
			for _, want := range c.says {
				if !strings.Contains(strings.Join(said, "\n"), want) {
					t.Errorf("it does not say %q:\n%s", want, strings.Join(said, "\n"))
				}
			}
			if !strings.Contains(c.name, "local state deleted") && b.localKeys("a", 0) != 2 {
				t.Error("the local state was changed")
			}
		})
	}
}

func examine(t *testing.T, b *bed) *processor.Examination {
	t.Helper()
	e, err := processor.Examine(t.Context(), b.config("a"), counting(nil))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestExamineBeforeTheFirstStart finds nothing to refuse, also before the topics are made.
func TestExamineBeforeTheFirstStart(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	e := examine(t, b)
	if e.Live || len(e.Faults) > 0 || len(e.Tasks) != 2 {
		t.Fatalf("%+v", e)
	}
	for _, task := range e.Tasks {
		if task.Refused != nil || task.Local != nil || task.Position != nil ||
			task.Changelog.TopicID != "" {
			t.Errorf("%+v", task)
		}
	}
	b.drop("in")
	if e := examine(t, b); len(e.Tasks) != 0 ||
		!strings.Contains(strings.Join(e.Faults, ""), "input topic in does not exist") {
		t.Errorf("without an input: %+v", e)
	}
}
