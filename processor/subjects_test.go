package processor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pawl/processor"
	"pawl/schemas"
)

// TestSubjectsAreWhatAStartBinds compares the list with what binding leaves in a registry.
func TestSubjectsAreWhatAStartBinds(t *testing.T) {
	t.Parallel()
	for strategy, input := range map[schemas.SubjectStrategy]string{
		"": "p.in-value", schemas.TopicName: "p.in-value", schemas.RecordName: "test.Event",
		schemas.TopicRecordName: "p.in-test.Event"} {
		registry := schemas.NewMemory()
		cfg := processor.Config{ApplicationID: "app", Registry: registry, TopicPrefix: "p.",
			SubjectStrategy: strategy}
		if _, err := processor.NewOffline(cfg, 1, counting(nil)); err != nil {
			t.Fatal(err)
		}
		all, err := processor.Subjects(cfg, counting(nil))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, s := range all {
			names = append(names, s.Name)
			if _, err := registry.Find(s.Name, s.Text); err != nil {
				t.Errorf("%q: %+v is not what was bound: %v", strategy, s, err)
			}
		}
		if all[0].Name != input || all[0].Topic != "p.in" || all[0].Role != processor.RoleInput {
			t.Errorf("%q: the input is %+v, want subject %s", strategy, all[0], input)
		}
		slices.Sort(names)
		names = slices.Compact(names)
		if want := registry.Subjects(); !slices.Equal(names, want) {
			t.Errorf("%q: subjects %v, a start binds %v", strategy, names, want)
		}
	}
	cfg := processor.Config{ApplicationID: "app", SubjectStrategy: "Some"}
	_, err := processor.Subjects(cfg, counting(nil))
	if err == nil || !strings.Contains(fmt.Sprint(err), "subject.name.strategy=Some") {
		t.Errorf("an unknown strategy: %v", err)
	}
}
