package processor

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestTuningReachesTheClient asks the client that reads inputs what it was told.
func TestTuningReachesTheClient(t *testing.T) {
	cfg := Config{ApplicationID: "app", Brokers: []string{"127.0.0.1:1"}, Rack: "r1",
		MemoryMax: 1 << 30, Fetch: Fetch{MinBytes: 5000, MaxWait: 250 * time.Millisecond,
			MaxBytes: 8 << 20, MaxPartitionBytes: 2 << 20}}
	for _, c := range []struct {
		cfg  Config
		want map[string]any
	}{
		{cfg, map[string]any{"Rack": "r1", "FetchMinBytes": int32(5000),
			"FetchMaxWait": 250 * time.Millisecond, "FetchMaxBytes": int32(8 << 20),
			"FetchMaxPartitionBytes": int32(2 << 20)}},
		{Config{ApplicationID: "app", Brokers: cfg.Brokers, MemoryMax: 1 << 30},
			map[string]any{"Rack": "", "FetchMinBytes": int32(1),
				"FetchMaxWait": 100 * time.Millisecond, "FetchMaxBytes": int32(64 << 20),
				"FetchMaxPartitionBytes": int32(1 << 20)}},
	} {
		c.cfg.EnsureDefaults()
		in := &Instance{cfg: c.cfg}
		f, err := newFetcher(in)
		if err != nil {
			t.Fatal(err)
		}
		for name, opt := range map[string]any{"Rack": kgo.Rack,
			"FetchMinBytes": kgo.FetchMinBytes, "FetchMaxWait": kgo.FetchMaxWait,
			"FetchMaxBytes":          kgo.FetchMaxBytes,
			"FetchMaxPartitionBytes": kgo.FetchMaxPartitionBytes} {
			if got := f.cl.OptValue(opt); got != c.want[name] {
				t.Errorf("%s is %v, want %v", name, got, c.want[name])
			}
		}
		in.closeClients()
	}
}

// TestCompressionReachesTheClient makes each codec.
func TestCompressionReachesTheClient(t *testing.T) {
	for name, want := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(),
		"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
		"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()} {
		if got, err := compression(name); err != nil || got != want {
			t.Errorf("%s gives %v, %v", name, got, err)
		}
	}
}
