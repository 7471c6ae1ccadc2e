package replay

import (
	"maps"
	"slices"
	"testing"

	"pawl/schemas/record"
)

// TestCompactedTable: a table's replaced records, gone since, are no difference of a replay; a
// stream's are, and so is whatever a table has too many.
func TestCompactedTable(t *testing.T) {
	at := func(stream, table int64) *record.Position {
		return &record.Position{Watermark: 7, Inputs: []record.Input{
			{Topic: "events", Offset: 10, Processed: stream},
			{Topic: "limits", Partition: 3, Offset: 10, Processed: table - 1, Dead: 1}}}
	}
	for _, c := range []struct {
		got     *record.Position
		differs []string
		gone    map[string]int64
	}{
		{at(10, 9), []string{}, map[string]int64{}},
		{at(10, 7), []string{}, map[string]int64{"limits-3": 2}},
		{at(10, 10), []string{"t: processed of limits-3 8, replay 9"}, map[string]int64{}},
		{at(8, 9), []string{"t: processed of events-0 10, replay 8"}, map[string]int64{}},
	} {
		r := &Report{Positions: []string{}}
		gone := r.positions("t", at(10, 9), c.got, map[string]bool{"limits": true})
		if !slices.Equal(r.Positions, c.differs) || !maps.Equal(gone, c.gone) {
			t.Errorf("%v: differs %v, gone %v", c.got.Inputs, r.Positions, gone)
		}
	}
}
