package processor

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Fetch says how the inputs' brokers are asked for records. The zero value of a field means its
// default.
type Fetch struct {
	// MinBytes is how much a broker gathers before it answers, unless MaxWait is over. Default 1.
	MinBytes int64
	// MaxWait bounds that wait. A task that starts waits for the request in flight, so a long one
	// delays takeovers. Default 100ms.
	MaxWait time.Duration
	// MaxBytes of one answer. Default: an eighth of MemoryMax, at most 64 MiB.
	MaxBytes int64
	// MaxPartitionBytes of one partition in it. Default 1 MiB, at most MaxBytes.
	MaxPartitionBytes int64
}

func (f *Fetch) ensureDefaults(memory int64) {
	if f.MinBytes == 0 {
		f.MinBytes = 1
	}
	if f.MaxWait == 0 {
		f.MaxWait = 100 * time.Millisecond
	}
	if f.MaxBytes == 0 {
		f.MaxBytes = min(memory/8, 64<<20)
	}
	if f.MaxPartitionBytes == 0 {
		f.MaxPartitionBytes = min(1<<20, f.MaxBytes)
	}
}

// Bounds of what a client is told.
const (
	maxFetch    = 1 << 30
	maxFetchFor = 10 * time.Second
)

func (f *Fetch) validate(fault func(key string, value any, format string, args ...any)) {
	if f.MaxBytes < 1 || f.MaxBytes > maxFetch {
		fault("fetch.max.bytes", f.MaxBytes, "must lie between 1 and %d bytes; give for example "+
			"16MiB, or auto", maxFetch)
	}
	if f.MinBytes < 1 || f.MinBytes > f.MaxBytes {
		fault("fetch.min.bytes", f.MinBytes, "must lie between 1 and fetch.max.bytes (%d); give "+
			"less", f.MaxBytes)
	}
	if f.MaxPartitionBytes < 1 || f.MaxPartitionBytes > maxFetch {
		fault("max.partition.fetch.bytes", f.MaxPartitionBytes, "must lie between 1 and %d bytes; "+
			"give for example 1MiB", maxFetch)
	}
	if f.MaxWait < time.Millisecond || f.MaxWait > maxFetchFor {
		fault("fetch.max.wait", f.MaxWait, "must lie between 1ms and %v; give for example "+
			"100ms", maxFetchFor)
	}
}

// options are those of the client that reads inputs.
func (f *Fetch) options() []kgo.Opt {
	most := int32(f.MaxBytes)
	return []kgo.Opt{
		kgo.FetchMinBytes(int32(f.MinBytes)),
		// A partition that is added has to wait for the fetch in flight, so that must be short.
		kgo.FetchMaxWait(f.MaxWait),
		kgo.FetchMaxBytes(most),
		kgo.FetchMaxPartitionBytes(min(most, int32(f.MaxPartitionBytes))),
		kgo.BrokerMaxReadBytes(max(2*most, 64<<20)),
	}
}
