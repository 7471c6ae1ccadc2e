package loadgen_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/loadgen"
	"pawl/schemas"
)

// counting makes numbered records, every tenth for a side topic, stamped a month ago.
type counting struct {
	n   int
	id  int32
	old time.Time
}

func (c *counting) Schemas() []loadgen.Schema {
	return []loadgen.Schema{{Topic: "main", Text: `"long"`}, {Topic: "side", Text: `"string"`}}
}

func (c *counting) Bind(ids map[string]int32) { c.id = ids["main"] }

func (c *counting) Next() loadgen.Record {
	c.n++
	topic := "main"
	if c.n%10 == 0 {
		topic = "side"
	}
	value := binary.AppendVarint(schemas.AppendHeader(nil, c.id), int64(c.n))
	return loadgen.Record{Topic: topic, Key: fmt.Appendf(nil, "k%d", c.n), Value: value,
		Timestamp: c.old.UnixMilli()}
}

func cluster(t *testing.T) []kgo.Opt {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(4, "main", "side"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}
}

// ends returns how many records a topic's partitions hold.
func ends(t *testing.T, opts []kgo.Opt, topic string) (total int64, used int) {
	t.Helper()
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	offsets, err := kadm.NewClient(cl).ListEndOffsets(context.Background(), topic)
	if err != nil {
		t.Fatal(err)
	}
	offsets.Each(func(o kadm.ListedOffset) {
		total += o.Offset
		if o.Offset > 0 {
			used++
		}
	})
	return total, used
}

// TestRunSendsWhatItCounts sends old records as fast as possible.
func TestRunSendsWhatItCounts(t *testing.T) {
	opts := cluster(t)
	reported := 0
	res, err := loadgen.Run(context.Background(), loadgen.Config{
		Generator: &counting{old: time.Now().Add(-30 * 24 * time.Hour)}, Options: opts,
		Registry: schemas.NewMemory(), Count: 900,
		Progress: func(loadgen.Result) { reported++ }})
	if err != nil {
		t.Fatal(err)
	}
	main, used := ends(t, opts, "main")
	side, _ := ends(t, opts, "side")
	if res.Records != 900 || main != 900 || res.Topics["side"] != side || side < 99 || side > 100 {
		t.Errorf("result %+v, broker holds %d and %d", res, main, side)
	}
	if used != 4 {
		t.Errorf("%d partitions are used, want 4", used)
	}
	if reported == 0 {
		t.Error("no progress was reported")
	}
}

// TestRunKeepsPaceAndStops runs at a rate until its context ends.
func TestRunKeepsPaceAndStops(t *testing.T) {
	opts := cluster(t)
	ctx, cancel := context.WithTimeout(context.Background(), 700*time.Millisecond)
	defer cancel()
	res, err := loadgen.Run(ctx, loadgen.Config{Generator: &counting{old: time.Now()},
		Options: opts, Registry: schemas.NewMemory(), Rate: 1_000,
		Rename: map[string]string{"main": "side", "side": "main"}})
	if err != nil {
		t.Fatal(err)
	}
	if res.Records < 300 || res.Records > 800 {
		t.Errorf("%d records in 0.7 s at 1,000/s", res.Records)
	}
	if side, _ := ends(t, opts, "side"); side != res.Records {
		t.Errorf("broker holds %d records, %+v were counted", side, res)
	}
}

// TestRunFailsOnRefusal sends to a topic that does not exist.
func TestRunFailsOnRefusal(t *testing.T) {
	opts := append(cluster(t), kgo.UnknownTopicRetries(0))
	_, err := loadgen.Run(context.Background(), loadgen.Config{Options: opts,
		Generator: &counting{old: time.Now()}, Registry: schemas.NewMemory(),
		Rename: map[string]string{"main": "nowhere"}})
	if err == nil {
		t.Fatal("no error")
	}
}

// TestSkew compares draws with Zipf's law.
func TestSkew(t *testing.T) {
	r := loadgen.NewRand(1, 2)
	for _, s := range []float64{0, 0.8, 1.3} {
		const n, draws = 50, 200_000
		skew := loadgen.NewSkew(n, s)
		var counts [n]float64
		for range draws {
			counts[skew.Draw(r)]++
		}
		sum := 0.0
		for k := range n {
			sum += math.Pow(float64(k+1), -s)
		}
		for k := range n {
			want := draws * math.Pow(float64(k+1), -s) / sum
			if math.Abs(counts[k]-want) > 6*math.Sqrt(want) {
				t.Errorf("s=%v: %d was drawn %v times, want about %v", s, k, counts[k], want)
			}
		}
	}
}
