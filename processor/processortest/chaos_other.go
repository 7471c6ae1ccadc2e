//go:build !unix

package processortest

import (
	"testing"

	"pawl/processor"
)

// havoc cannot freeze processes here.
func havoc(t testing.TB, _ settings, _ func() *processor.Pipeline, _ []Record) {
	t.Helper()
	t.Skip("Chaos kills and freezes processes with signals, which this system lacks; run it on " +
		"Linux or another Unix")
}
