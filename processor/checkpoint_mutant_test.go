//go:build pawlmutants

package processor_test

import (
	"testing"

	"pawl/checkpoint"
	"pawl/internal/mutant"
	"pawl/schemas"
)

// TestStaleCheckpointShows: with the seeded bug, what came after the checkpoint is missing from the
// state and so from the next outputs. It is the check that is tested: it must see that.
func TestStaleCheckpointShows(t *testing.T) {
	k := newKeeper(t, 1, checkpoint.NewMemory())
	in := k.run("a")
	k.produce(100, 10)
	k.outputs(100)
	k.take(in, 1)
	k.produce(100, 10)
	k.outputs(200)
	in.Crash()
	k.loseDisk("a")
	t.Setenv("PAWL_MUTANT", string(mutant.StaleCheckpoint))
	in = k.run("a")
	k.restored(1)
	k.produce(10, 10)
	k.drained("in")
	stop(t, in)
	t.Setenv("PAWL_MUTANT", "")
	if got := k.wrongOutputs(); got != 10 {
		t.Errorf("%d outputs are wrong, want all 10 after the restore", got)
	}
}

// wrongOutputs counts the outputs that do not follow the one before of their key.
func (k *keeper) wrongOutputs() (wrong int) {
	last := make(map[string]int64)
	for _, rec := range k.records("out") {
		e := decode(k.bed, schemas.Avro[event](eventSchema), rec.Value)
		if e.N != last[e.Key]+1 {
			wrong++
		}
		last[e.Key] = e.N
	}
	return wrong
}
