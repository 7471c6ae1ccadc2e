package processor_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas"
)

// TestHotKeysOfTask: a task names the key that takes most of its records, while it runs and whoever
// asks meanwhile; aborts, and the instance's death, leave the results as they are.
func TestHotKeysOfTask(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	failed := false
	in := b.start("a", counting(func(_ *processor.Context, e event, sum int64) error {
		if e.Key == "hot" && sum == 3000 && !failed {
			failed = true
			return fmt.Errorf("down for once")
		}
		return nil
	}))
	const n = 20_000
	typ := schemas.Avro[event](eventSchema)
	id, err := b.registry.Register(t.Context(), "in-value", typ.String())
	if err != nil {
		t.Fatal(err)
	}
	enc := schemas.NewEncoder(typ, id)
	load := func() {
		var recs []*kgo.Record
		for i := range n {
			e := event{Key: fmt.Sprint("k", i), N: 1}
			if i%4 == 0 { // half of partition 0
				e.Key = "hot"
			}
			value, err := enc.Append(nil, &e)
			if err != nil {
				t.Fatal(err)
			}
			recs = append(recs, &kgo.Record{Topic: "in", Partition: int32(i % 2),
				Key: []byte(e.Key), Value: value})
		}
		b.put(recs...)
	}
	load()
	waitFor(t, "the hot key", func() bool { return len(hotKeys(in)["counting-0"]) > 0 })
	b.drained("in")
	b.outputs(n)
	waitFor(t, "its share", func() bool {
		is := hotKeys(in)
		list := is["counting-0"]
		return len(is["counting-1"]) == 0 && len(list) == 1 && list[0].Key == "hot" &&
			list[0].Share > 0.47 && list[0].Share <= 0.505
	})
	in.Crash()
	cfg := b.config("a")
	cfg.NoHotKeys = true
	in = b.startWith(cfg, counting(nil))
	load()
	b.drained("in")
	b.outputs(2 * n)
	if is := hotKeys(in); len(is["counting-0"]) > 0 {
		t.Errorf("%v are shown although they are not to be", is)
	}
	stop(t, in)
}

func hotKeys(in *processor.Instance) map[string][]processor.HotKey {
	all := make(map[string][]processor.HotKey)
	for _, task := range in.Status().Tasks {
		all[task.Name] = task.HotKeys
	}
	return all
}
