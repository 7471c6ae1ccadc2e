package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// What --profile says of itself.
const (
	profileHelp  = "write cpu.pprof and heap.pprof to this folder, for go tool pprof"
	profilesHelp = "have each instance write its profiles to a folder in this one"
)

// startProfile writes, from here until stop, where processor time goes, and at stop what memory was
// allocated and what of it is in use. Without a folder it does nothing.
func startProfile(dir string) (stop func() error, err error) {
	if dir == "" {
		return func() error { return nil }, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, usage("--profile=%s cannot be made: %v; give a folder to write to", dir, err)
	}
	cpu, err := os.Create(filepath.Join(dir, "cpu.pprof"))
	if err != nil {
		return nil, usage("--profile=%s cannot be written: %v; give a folder to write to", dir, err)
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, fmt.Errorf("start the processor profile: %w", errors.Join(err, cpu.Close()))
	}
	return func() error {
		pprof.StopCPUProfile()
		err := cpu.Close()
		heap, openErr := os.Create(filepath.Join(dir, "heap.pprof"))
		if openErr == nil {
			openErr = errors.Join(pprof.WriteHeapProfile(heap), heap.Close())
		}
		if err := errors.Join(err, openErr); err != nil {
			return fmt.Errorf("write the profiles: %w", err)
		}
		return nil
	}, nil
}
