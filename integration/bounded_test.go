package integration

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/statestore"
)

// stateSize counts what a task's store holds.
func stateSize(t *testing.T, s statestore.Store) (keys, bytes int) {
	t.Helper()
	err := s.Scan([]byte{1}, []byte{255}, func(key, value []byte) bool {
		keys++
		bytes += len(key) + len(value)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys, bytes
}

// TestStateStaysBounded runs two hours of event time with the same users: in the second hour the
// store must not hold more than it did in the first, but for the load's own ups and downs. What is
// kept for ever would double.
func TestStateStaysBounded(t *testing.T) {
	t.Parallel()
	for _, p := range allPipelines() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			g := p.load(5)
			offline, err := processor.NewOffline(processor.Config{ApplicationID: "bounded",
				Registry: registered(t, g)}, 1, p.build())
			if err != nil {
				t.Fatal(err)
			}
			claim, err := offline.Claim(0)
			if err != nil {
				t.Fatal(err)
			}
			store := statestore.NewMem()
			none := make([]int64, len(p.inputs))
			task, err := offline.Open(0, store, processor.OfflineLogs{
				Changelog: []*kgo.Record{claim}, Ends: none,
				Offsets: slices.Repeat([]int64{-1}, len(p.inputs))})
			if err != nil {
				t.Fatal(err)
			}
			most := [2][2]int{} // by hour: keys, bytes
			ends := make([]int64, len(p.inputs))
			var began, now int64
			epochs := int64(0)
			for now-began < 2*time.Hour.Milliseconds() {
				for range 100 {
					r := g.Next()
					i := slices.Index(p.inputs, r.Topic)
					if began == 0 {
						began = r.Timestamp
					}
					now = max(now, r.Timestamp)
					rec := &kgo.Record{Topic: r.Topic, Offset: ends[i], Key: r.Key, Value: r.Value,
						Timestamp: time.UnixMilli(r.Timestamp)}
					ends[i]++
					task.Feed(i, []*kgo.Record{rec}, ends[i])
				}
				epochs++
				commit(t, task, epochs)
				hour := min((now-began)/time.Hour.Milliseconds(), 1)
				keys, bytes := stateSize(t, task.Store())
				most[hour][0] = max(most[hour][0], keys)
				most[hour][1] = max(most[hour][1], bytes)
			}
			t.Logf("at most %d keys, %d bytes in the first hour, %d and %d in the second",
				most[0][0], most[0][1], most[1][0], most[1][1])
			for i, what := range []string{"keys", "bytes"} {
				if most[0][i] == 0 || most[1][i] > most[0][i]*5/4 {
					t.Errorf("%d %s in the second hour, %d in the first", most[1][i], what,
						most[0][i])
				}
			}
		})
	}
}

// commit steps through all that was fed and brings it into the store.
func commit(t *testing.T, task *processor.OfflineTask, epoch int64) {
	t.Helper()
	for more := true; more; {
		var err error
		if more, err = task.Step(); err != nil {
			t.Fatal(err)
		}
	}
	fx, err := task.Seal()
	if err != nil || fx == nil {
		t.Fatal("nothing to commit", err)
	}
	if err := task.Apply(fx, epoch, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := task.Store().Spill(); err != nil {
		t.Fatal(err)
	}
}
