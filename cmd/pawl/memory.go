package main

import (
	"os"
	"runtime/debug"
)

// gcPercent lets the heap grow to three times what lives in it before it is collected. Nearly all
// of an epoch's garbage dies together, so a rarer collection costs little more and saves work; the
// memory limit still holds.
const gcPercent = 200

// limitMemory has the Go runtime keep to memory.max, unless the environment says otherwise.
func limitMemory(memoryMax int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryMax)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
