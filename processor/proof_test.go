package processor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/statestore"
)

// tampered is what someone did behind a stopped instance's back, and what the proof must say.
type tampered struct {
	name string
	act  func(b *bed)
	says []string
}

// The input has one partition, which the state stands on at offset 20.
var tamperings = []tampered{
	{"offsets set back", func(b *bed) { b.commit("in", 3) },
		[]string{"group's offset of in-0 is 3", "state stands at 20", "--reset-offsets"}},
	{"offsets set ahead", func(b *bed) { b.produce(5, 1); b.commit("in", 25) },
		[]string{"group's offset of in-0 is 25", "state stands at 20", "--reset-offsets"}},
	{"group deleted", func(b *bed) {
		if _, err := b.adm.DeleteGroups(b.t.Context(), "app"); err != nil {
			b.t.Fatal(err)
		}
	}, []string{"group's offset of in-0 is not set", "state stands at 20", "--reset-offsets"}},
	{"changelog deleted", func(b *bed) { b.drop(changelog) },
		[]string{changelog, "deleted and made again", "restore the changelog"}},
	{"changelog deleted and made again", func(b *bed) {
		b.drop(changelog)
		// Every store now counts as outdated, which must not be a reason to empty it.
		b.topic(changelog, 1, map[string]*string{"delete.retention.ms": new("1")})
	}, []string{changelog, "deleted and made again", "restore the changelog"}},
	{"changelog and local state deleted", func(b *bed) {
		b.drop(changelog)
		if err := os.RemoveAll(b.dir); err != nil {
			b.t.Fatal(err)
		}
	}, []string{"group's offset of in-0 is 20", changelog, "no position record"}},
	{"input made again", func(b *bed) {
		b.drop("in")
		b.topic("in", 1, nil)
		b.client = b.newClient() // the old one remembers the old topic's id
		b.produce(30, 1)
	}, []string{"input in-0", "topic id", "bring the input topic back"}},
	{"input truncated past the position", func(b *bed) {
		b.produce(30, 1)
		o := kadm.Offsets{}
		o.Add(kadm.Offset{Topic: "in", Partition: 0, At: 30})
		if _, err := b.adm.DeleteRecords(b.t.Context(), o); err != nil {
			b.t.Fatal(err)
		}
	}, []string{"offset 20 of in-0", "log begins at 30", "bring the input topic back"}},
	{"partitions added", func(b *bed) {
		if _, err := b.adm.UpdatePartitions(b.t.Context(), 3, "in"); err != nil {
			b.t.Fatal(err)
		}
	}, []string{changelog + " has 1 partitions", "the input has 3", "bring the input back to 1"}},
}

// commit sets the group's offset of partition 0.
func (b *bed) commit(topic string, at int64) {
	b.t.Helper()
	o := kadm.Offsets{}
	o.AddOffset(topic, 0, at, -1)
	if err := b.adm.CommitAllOffsets(b.t.Context(), "app", o); err != nil {
		b.t.Fatal(err)
	}
}

// TestProofRefuses changes something behind a stopped instance's back. The next start must not
// process anything, must say what differs and how to mend it, and must leave the local state, which
// may be the last copy, as it is.
func TestProofRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range tamperings {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 1)
			in := b.start("a", counting(nil))
			b.produce(20, 2)
			b.drained("in")
			stop(t, in)
			c.act(b)
			in, err := processor.Start(t.Context(), b.config("a"), counting(nil))
			if err == nil {
				t.Cleanup(in.Crash)
				err = failed(t, in)
			}
			mustSay(t, err, c.says...)
			b.outputs(20)
			if !strings.Contains(c.name, "local state deleted") && b.localKeys("a", 0) != 2 {
				t.Errorf("the local state was changed: it holds %d keys", b.localKeys("a", 0))
			}
		})
	}
}

// localKeys counts the keys of the counting pipeline's table on a stopped instance's disk.
func (b *bed) localKeys(instance string, partition int32) int {
	b.t.Helper()
	env := statestore.NewEnv(nil, 1<<20, func(err error) { b.t.Error(err) })
	defer env.Close()
	name := []string{"counting-0", "counting-1"}[partition]
	store, err := env.OpenPebble(filepath.Join(b.dir, instance, "app", name))
	if err != nil {
		b.t.Fatal(err)
	}
	n := 0
	sums := statestore.Key(nil).String("sums")
	count := func(_, _ []byte) bool { n++; return true }
	if err := store.Scan(sums, sums.End(), count); err != nil {
		b.t.Error(err)
	}
	if err := store.Close(); err != nil {
		b.t.Error(err)
	}
	return n
}

// TestRefusedTaskStopsAlone resets one of two tasks: the other runs.
func TestRefusedTaskStopsAlone(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	put := func(partition int32, key string) {
		b.put(&kgo.Record{Topic: "in", Partition: partition, Key: []byte(key),
			Value: b.value(event{key, 1})})
	}
	in := b.start("a", counting(nil))
	put(0, "k0")
	put(1, "k1")
	b.drained("in")
	stop(t, in)
	b.commit("in", 0)
	in = b.start("a", counting(nil))
	s := taskIs(t, in, "counting-0", processor.TaskRefused)
	if !strings.Contains(s.Reason, "is 0, but the state stands at 1") || s.Mend == "" {
		t.Errorf("refused without saying why or what to do: %+v", s)
	}
	put(0, "k0")
	put(1, "k1")
	b.outputs(3)
	stop(t, in)
	b.commit("in", 1)
	in = b.start("a", counting(nil)) // mended as told
	b.outputs(4)
	stop(t, in)
}
