//go:build synctests

package processortest

import (
	"testing"

	"pawl/processor"
)

// SimulateFor is Simulate whose outcome is told to another test.
func SimulateFor(to testing.TB, t *testing.T, pipeline func() *processor.Pipeline, records []Record,
	opts ...Option) {
	judged(to, t, newSettings(opts, 0, 3), pipeline, records)
}
