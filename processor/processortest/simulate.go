package processortest

import (
	"testing"

	"pawl/processor"
)

// Simulate holds a pipeline to the law of Exactly with the whole engine, its clients and a broker
// in a bubble of simulated time, network and disks. A seed decides how many instances, partitions
// and brokers there are, in what order requests and answers arrive, which of them are late or lost,
// and who is killed, frozen or cut off when. Nothing waits for real, so that an hour of outages
// takes no longer than a second. Then outputs, dead letters, late records, state and the ledger
// must equal those of one undisturbed pass over the same input, and the logs must keep the
// invariants of the engine: claims never fall, epochs count up, no store is ahead of Kafka, no
// transaction stays open.
//
// Schedules says how many seeds; -pawl.seed=N tries one alone. What happens
// between two arrivals is not the seed's to decide, so a seed that failed may need some more tries
// to fail again. The network of the bubble needs the Kafka client built for it:
//
//	go test -tags synctests -run TestName ./your/package
//
// Without the tag Simulate skips the test.
func Simulate(t *testing.T, pipeline func() *processor.Pipeline, records []Record, opts ...Option) {
	t.Helper()
	simulate(t, newSettings(opts, 0, 3), pipeline, records)
}
