package main

import (
	"os"
	"runtime/debug"
)

// limitMemory has the Go runtime keep to memory.max, unless the environment says otherwise.
func limitMemory(memoryMax int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryMax)
	}
}
