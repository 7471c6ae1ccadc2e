package processor_test

import (
	"testing"

	"pawl/processor"
)

// TestDisplacedInstanceEnds: an instance runs, busy or idle → another process starts under its
// instance.id. One of them ends and says why, rather than both taking the tasks from each other.
func TestDisplacedInstanceEnds(t *testing.T) {
	t.Parallel()
	for name, batch := range map[string]int{"busy": 100, "idle": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 2)
			running := make(map[string]*processor.Instance)
			start := func(dir string) {
				cfg := b.config(dir)
				cfg.InstanceID = "a"
				running[dir] = b.startWith(cfg, counting(nil))
			}
			start("first")
			b.produce(100, 10)
			b.outputs(100)
			start("second")
			total := 200
			waitFor(t, "one to end", func() bool {
				b.produce(batch, 10)
				total += batch
				for dir, in := range running {
					select {
					case <-in.Done():
						mustSay(t, in.Wait(), "instance.id=a", "taken over by another process")
						delete(running, dir)
					default:
					}
				}
				return len(running) < 2
			})
			b.produce(100, 10)
			b.outputs(total)
			b.ledger(0)
			b.ledger(1)
			for _, in := range running {
				in.Stop()
				ends(t, in)
				return
			}
			t.Error("both ended")
		})
	}
}
