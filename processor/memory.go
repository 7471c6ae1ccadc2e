package processor

import (
	"os"
	"strconv"
	"strings"
)

const (
	memoryCap      = 2 << 30
	memoryFallback = 1 << 30
)

// defaultMemory is half of what the container or the machine has, at most 2 GiB.
func defaultMemory() int64 {
	limit := int64(0)
	for _, path := range []string{"/sys/fs/cgroup/memory.max",
		"/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if n, ok := readNumber(path); ok {
			limit = n
			break
		}
	}
	if total := machineMemory(); limit == 0 || total > 0 && total < limit {
		limit = total
	}
	if limit == 0 {
		limit = 2 * memoryFallback
	}
	return max(min(limit/2, memoryCap), minMemory)
}

func readNumber(path string) (int64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil && n > 0 // "max" means no limit
}

// machineMemory reads MemTotal, where there is a /proc; else it is 0, for unknown.
func machineMemory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == "MemTotal:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

// queueMax is enough to keep a task busy while the next fetch is under way. More would only be
// more live memory for the garbage collector to look at: a limit of 64 MiB a task took 12 % more
// processor time.
const queueMax = 6 << 20

// The budget memory.max is shared out so: an eighth each to Pebble's block cache, to fetched
// records, to committed changes on their way to disk, and at most an eighth to open epochs (held
// twice while one commits); a quarter to decoded caches. The rest is room for garbage.

func (in *Instance) blockCacheBytes() int64 { return in.cfg.MemoryMax / 8 }

func (in *Instance) perTask(n int64) int64 { return n / max(in.running.Load(), 1) }

func (in *Instance) queueLimit() int64 { return min(in.perTask(in.cfg.MemoryMax/8), queueMax) }
func (in *Instance) epochLimit() int64 { return in.perTask(in.cfg.UncommittedMaxBytes) }
func (in *Instance) cacheLimit() int64 { return in.perTask(in.cfg.MemoryMax / 4) }
func (in *Instance) spillLimit() int64 { return min(in.perTask(in.cfg.MemoryMax/8), 32<<20) }

// restoreLimit is the memory of what a restore has read and not written: a task that is restored
// has no decoded cache yet.
func (in *Instance) restoreLimit() int64 {
	return min(in.perTask(in.cfg.MemoryMax/4), restoreRun)
}
