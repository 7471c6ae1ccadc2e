package audit

import (
	"context"
	"fmt"
)

// compareOffsets compares the group's offsets with the last position records. It comes after them:
// of a live application the group may have gone on, but not back.
func (a *auditor) compareOffsets(ctx context.Context) error {
	for i, in := range a.layout.inputs {
		committed, err := a.cluster.Committed(ctx, in.name)
		if err != nil {
			return err
		}
		if len(committed) != len(a.tasks) {
			return fmt.Errorf("the group's offsets of %s are those of %d partitions; it has %d",
				in.name, len(committed), len(a.tasks))
		}
		for _, t := range a.tasks {
			a.compareOffset(t, i, committed[t.partition])
		}
	}
	return nil
}

func (a *auditor) compareOffset(t *task, input int, committed int64) {
	where := part(a.layout.inputs[input].name, t.partition)
	if t.last == nil {
		if committed >= 0 && !a.report.Live {
			a.report.violated(Offsets, where, "the group's offset is %d, but task %s has no "+
				"position record", committed, t.name)
		}
		return
	}
	stands := t.last.Inputs[input].Offset
	switch {
	case committed < 0:
		a.report.violated(Offsets, where, "the group has no offset, but %s stands at %d", t.lastAt,
			stands)
	case committed < stands || committed > stands && !a.report.Live:
		a.report.violated(Offsets, where, "the group's offset is %d, but %s stands at %d",
			committed, t.lastAt, stands)
	}
}
