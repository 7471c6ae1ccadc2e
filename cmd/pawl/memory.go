package main

import (
	"os"
	"runtime/debug"
)

// gcPercent keeps less garbage than Go's 100 does: on a machine where a page of fresh memory costs
// more than marking it again, that takes less processor time too (docs/benchmarks.md).
const gcPercent = 60

// limitMemory has the Go runtime keep to memory.max, unless the environment says otherwise.
func limitMemory(memoryMax int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryMax)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
