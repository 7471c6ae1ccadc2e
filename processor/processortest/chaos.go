package processortest

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"pawl/processor"
)

// Chaos holds a pipeline to the law of Exactly with everything that is real: processes, sockets,
// disks, a group that rebalances, transactions that end too late. Instances are killed with
// kill -9, at random and at the named points of a transaction, and frozen for longer than the group
// waits for them, while the records arrive. Then outputs, dead letters, late records, state and the
// ledger, read from the topics, must equal those of one undisturbed pass over the same input: bytes
// for bytes.
//
// The instances are processes of the test binary itself, started again with this test as the only
// one: in them Chaos does not return, it runs the pipeline. What the test does before the call is
// done in each of them, so a test should call Chaos once and do little else; a test of several
// pipelines gives each a subtest. The broker and the registry run inside the test (the package
// internal/embedded, which is no Apache Kafka but speaks its protocol).
//
// What goes wrong and when is drawn from -pawl.seed, but processes and sockets keep their own time:
// a seed that failed may pass the next time, and what it logs is then the trace to follow. It is
// skipped under -short, and where processes cannot be frozen (it needs Unix).
func Chaos(t testing.TB, pipeline func() *processor.Pipeline, records []Record, opts ...Option) {
	t.Helper()
	set := newSettings(opts, 2, 3)
	if set.duration == 0 {
		set.duration = 10 * time.Second
	}
	if set.instances == 0 {
		set.instances = 2
	}
	havoc(t, set, pipeline, records)
}

// only is the pattern that one test matches.
func only(test string) string {
	parts := strings.Split(test, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	return strings.Join(parts, "/")
}
