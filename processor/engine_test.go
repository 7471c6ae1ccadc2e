package processor_test

import (
	"testing"
	"time"
)

func TestCountsOnceAcrossRestarts(t *testing.T) {
	b := newBed(t, 4)
	b.produce(1000, 10)
	in := b.start("a", counting(nil))
	b.outputs(1000)
	stop(t, in)
	b.produce(1000, 10)
	in = b.start("a", counting(nil))
	b.outputs(2000)
	stop(t, in)
}

func TestCrashLosesAndRepeatsNothing(t *testing.T) {
	b := newBed(t, 4)
	total := 0
	for range 5 {
		b.produce(2000, 10)
		total += 2000
		in := b.start("a", counting(nil))
		time.Sleep(300 * time.Millisecond)
		in.Crash()
	}
	in := b.start("a", counting(nil))
	b.outputs(total)
	stop(t, in)
}
