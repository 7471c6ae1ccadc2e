//go:build !synctests

package processortest

import (
	"testing"

	"pawl/processor"
)

// simulate cannot run: the Kafka client is not built for it.
func simulate(t *testing.T, _ settings, _ func() *processor.Pipeline, _ []Record) {
	t.Helper()
	t.Skipf("Simulate needs the Kafka client built for simulated time; run it with: "+
		"go test -tags synctests -run '%s' .", only(t.Name()))
}
