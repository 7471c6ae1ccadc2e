package processor_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas"
	"pawl/statestore"
)

// grown is a later version of the counting pipeline's state.
type grown struct {
	Key  string `avro:"key"`
	N    int64  `avro:"n"`
	Seen int64  `avro:"seen"`
}

const grownSchema = `{"type":"record","name":"Event","namespace":"test","fields":[
	{"name":"key","type":"string"},{"name":"n","type":"long"},
	{"name":"seen","type":"long","default":7}]}`

// growing is the counting pipeline with the later state; seen collects the new field as found.
func growing(schema string, seen *sync.Map) *processor.Pipeline {
	p := processor.New("counting")
	typ := schemas.Avro[event](eventSchema)
	sums := processor.Keyed(p, "sums", schemas.Avro[grown](schema))
	out := processor.Output(p, "out", typ)
	processor.Input(p, "in", typ, func(ctx *processor.Context, e event) error {
		s, _ := sums.Get(ctx)
		seen.Store(e.Key, s.Seen)
		s.Key = e.Key
		s.N += e.N
		sums.Set(ctx, s)
		out.Emit(ctx, e.Key, event{s.Key, s.N})
		return nil
	})
	return p
}

// TestOlderStateIsRead lets a later version read what an earlier one wrote, from disk and from the
// changelog, and rewrite only what it touches.
func TestOlderStateIsRead(t *testing.T) {
	t.Parallel()
	for _, local := range []string{"a", "b"} { // b restores from the changelog
		b := newBed(t, 1)
		in := b.start("a", counting(nil))
		b.produce(20, 2)
		b.drained("in")
		stop(t, in)
		var seen sync.Map
		in = b.start(local, growing(grownSchema, &seen))
		b.produce(1, 1)
		b.outputs(21)
		b.drained("in")
		stop(t, in)
		if got, _ := seen.Load("k0"); got != int64(7) {
			t.Errorf("instance %s: the new field of older state is %v, want its default", local,
				got)
		}
		ids := make(map[string]int32)
		for _, r := range b.records(changelog) {
			if !statestore.Internal(r.Key) {
				ids[string(r.Key)], _, _ = schemas.ParseHeader(r.Value)
			}
		}
		id := func(key string) int32 {
			return ids[string(statestore.Key(nil).String("sums").String(key))]
		}
		if id("k0") == id("k1") || id("k0") == 0 || id("k1") == 0 {
			t.Errorf("writer schemas of touched and untouched state: %d, %d", id("k0"), id("k1"))
		}
	}
}

// TestIncompatibleStateIsRefused starts a version whose state type cannot read the state: the
// registry refuses it at the start, and where it would not, the task does. Either names the field.
func TestIncompatibleStateIsRefused(t *testing.T) {
	t.Parallel()
	clashing := strings.Replace(grownSchema, `,"default":7`, ``, 1)
	for _, level := range []string{"BACKWARD", "NONE"} {
		b := newBed(t, 1)
		registry := schemas.NewMemory()
		if err := registry.SetLevel(changelog+"-test.Event", level); err != nil {
			t.Fatal(err)
		}
		b.registry = registry
		in := b.start("a", counting(nil))
		b.produce(20, 2)
		b.drained("in")
		stop(t, in)
		in, err := processor.Start(t.Context(), b.config("a"), growing(clashing, new(sync.Map)))
		says := []string{"seen", "default"}
		if level == "BACKWARD" {
			says = append(says, changelog+"-test.Event")
		} else if err == nil {
			t.Cleanup(in.Crash)
			err = failed(t, in)
			says = append(says, "task counting-0 refused", "table sums", "run the version")
		}
		mustSay(t, err, says...)
		b.put(&kgo.Record{Topic: "in", Key: []byte("k0"), Value: b.value(event{"k0", 1})})
		in = b.start("a", counting(nil)) // the earlier version goes on
		b.drained("in")
		b.resolver = schemas.NewResolver(registry)
		b.outputs(21)
		stop(t, in)
	}
}
