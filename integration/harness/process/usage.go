//go:build unix

package process

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// userHertz is the unit of the times in /proc on every Linux architecture that Go runs on.
const userHertz = 100

// CPUTime is the processor time, user and system, that the child has used so far. While the
// child runs it is known on Linux only.
func (p *Process) CPUTime() (time.Duration, error) {
	if !p.Running() {
		return p.end.UserTime() + p.end.SystemTime(), nil
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return 0, fmt.Errorf("read processor time of %s: %w", p.name, err)
	}
	// The program's name, in brackets, may hold anything; utime and stime are 11 and 12 after it.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("read processor time of %s: /proc stat %q is too short", p.name, stat)
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read processor time of %s: %w", p.name, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / userHertz, nil
}

// PeakRSS is the most memory, in bytes, that the child has held resident so far. While the
// child runs it is known on Linux only.
func (p *Process) PeakRSS() (int64, error) {
	if !p.Running() {
		usage := p.end.SysUsage().(*syscall.Rusage)
		if runtime.GOOS == "darwin" {
			return int64(usage.Maxrss), nil // Darwin counts bytes, all others KiB
		}
		return int64(usage.Maxrss) << 10, nil
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return 0, fmt.Errorf("read memory of %s: %w", p.name, err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read memory of %s from %q: %w", p.name, line, err)
			}
			return n << 10, nil
		}
	}
	return 0, fmt.Errorf("read memory of %s: its /proc status has no VmHWM", p.name)
}
