package processor

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// sample is a value of input and state.
type sample struct {
	Key string `avro:"key"`
	At  int64  `avro:"at"`
}

func sampleType() schemas.Type[sample] {
	return schemas.Avro[sample](`{"type":"record","name":"Sample","fields":[
		{"name":"key","type":"string"},{"name":"at","type":"long"}]}`)
}

// rig runs a pipeline's core over a store, without a cluster: one input, of samples.
type rig struct {
	t      testing.TB
	core   *core
	store  statestore.Store
	fresh  record.Position
	enc    *schemas.Encoder[sample]
	sealed *Effects
	offset int64 // of the next record
}

// newRig starts p over what the store has.
func newRig(t testing.TB, p *Pipeline, store statestore.Store) *rig {
	t.Helper()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	b := &binding{app: "app", pipeline: p, resolver: schemas.NewResolver(nil), partitions: 1,
		positionID: 1, claimID: 2, tickID: 3, disorder: 0, maxSkew: 1 << 40, provenance: true,
		dlq: boundTopic{"dlq", 1 << 20}, changelog: boundTopic{"changelog", 1 << 20}}
	ids := map[int32]string{1: record.PositionType().String(), 9: sampleType().String()}
	b.inputs = []boundInput{{topic: "in"}}
	for i, table := range p.tables {
		id := int32(10 + i)
		b.tableIDs, ids[id] = append(b.tableIDs, id), table.text()
	}
	for i, out := range p.outputs {
		b.outputs = append(b.outputs,
			boundOutput{boundTopic{out.topic(), 1 << 20}, 1, int32(100 + i)})
	}
	for _, window := range p.windows {
		b.windows = append(b.windows, boundTopic{"app-" + window + "-late", 1 << 20})
	}
	for id, text := range ids {
		if err := b.resolver.Add(id, text); err != nil {
			t.Fatal(err)
		}
	}
	r := &rig{t: t, store: store, core: newCore(b, 0, store),
		enc: schemas.NewEncoder(sampleType(), 9),
		fresh: record.Position{Watermark: noWatermark, Partitions: 1,
			Inputs: []record.Input{{Topic: "in", Passed: -1}}}}
	r.rewind()
	return r
}

// rewind drops what is not committed and goes back to what is.
func (r *rig) rewind() {
	r.t.Helper()
	if err := r.core.discard(r.fresh); err != nil {
		r.t.Fatal(err)
	}
	r.sealed = nil
	r.offset = r.core.position.Inputs[0].Offset
}

// step gives the core a record.
func (r *rig) step(v sample) error {
	r.t.Helper()
	value, err := r.enc.Append(nil, &v)
	if err != nil {
		r.t.Fatal(err)
	}
	err = r.core.step(0, &kgo.Record{Topic: "in", Key: []byte(v.Key), Value: value,
		Offset: r.offset, Timestamp: time.UnixMilli(v.At)})
	r.offset++
	return err
}

func (r *rig) seal() {
	r.t.Helper()
	var err error
	if r.sealed, err = r.core.seal("writer"); err != nil {
		r.t.Fatal(err)
	}
}

// commit applies the sealed epoch; the open one goes on over it.
func (r *rig) commit(cacheLimit int64) {
	r.t.Helper()
	err := r.store.Apply(r.sealed.Changes, statestore.Mark{Position: r.sealed.position,
		Offset: r.sealed.Position.Epoch})
	if err != nil {
		r.t.Fatal(err)
	}
	r.core.applied(r.sealed, cacheLimit)
	r.sealed = nil
}

// hashed adds up a store's entries from scratch.
func hashed(t testing.TB, s statestore.Store) (digest uint64, keys int) {
	t.Helper()
	err := s.Scan([]byte{2}, []byte{3}, func(key, value []byte) bool {
		digest += entryHash(slices.Clone(key), slices.Clone(value))
		keys++
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return digest, keys
}

// TestTableAgainstModel sets, deletes and reads under sealing, committing, dropping and eviction in
// any order: reads see the newest uncommitted value, and the rolling digest is that of the store.
func TestTableAgainstModel(t *testing.T) {
	for seed := range uint64(10) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		open, saved := map[string]int64{}, map[string]int64{}
		var sealed map[string]int64
		p := New("p")
		table := Keyed(p, "t", sampleType())
		Input(p, "in", sampleType(), func(ctx *Context, v sample) error {
			got, ok := table.Get(ctx)
			if want, live := open[v.Key]; ok != live || got.At != want {
				t.Errorf("seed %d: key %s is %d, %v; want %d, %v", seed, v.Key, got.At, ok, want,
					live)
			}
			switch rnd.IntN(4) {
			case 0:
				table.Delete(ctx)
				delete(open, v.Key)
			case 1:
				if ok {
					table.Set(ctx, got) // no change
				}
			default:
				table.Set(ctx, v)
				open[v.Key] = v.At
			}
			return nil
		})
		disk := statestore.NewMem()
		store := statestore.NewBuffered(disk) // as in a task: not all that is committed is below
		r := newRig(t, p, store)
		for n := range int64(400) {
			switch act := rnd.IntN(20); {
			case act == 0 && r.sealed == nil:
				r.seal()
				sealed = cloneMap(open)
			case act <= 2 && r.sealed != nil:
				r.commit(int64(rnd.IntN(3)) * 2000)
				saved = sealed
				if rnd.IntN(3) == 0 {
					r.checkDigest(store, disk, len(saved))
				}
			case act == 3:
				r.rewind()
				open = cloneMap(saved)
			default:
				if err := r.step(sample{fmt.Sprint("k", rnd.IntN(30)), n}); err != nil {
					t.Fatal(err)
				}
			}
		}
		checkSizes(t, r.core.tables[0].(*cache[sample]))
	}
}

// checkDigest spills what is buffered and compares the disk with the position's digest.
func (r *rig) checkDigest(store *statestore.Buffered, disk statestore.Store, want int) {
	r.t.Helper()
	if err := store.Spill(); err != nil {
		r.t.Fatal(err)
	}
	digest, keys := hashed(r.t, disk)
	if pos := r.position(); uint64(pos.Digest) != digest || keys != want {
		r.t.Fatalf("%d keys in the store, want %d; rolling digest %x, from scratch %x", keys, want,
			pos.Digest, digest)
	}
}

func cloneMap(m map[string]int64) map[string]int64 {
	out := make(map[string]int64, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// position decodes the store's position record.
func (r *rig) position() record.Position {
	r.t.Helper()
	var pos record.Position
	if err := r.core.positionDec.Decode(r.store.Mark().Position, &pos); err != nil {
		r.t.Fatal(err)
	}
	return pos
}

// checkSizes counts a cache's bytes again, and finds every entry in the clock's ring.
func checkSizes(t *testing.T, c *cache[sample]) {
	t.Helper()
	var size int64
	live := 0
	for _, e := range c.index.first {
		for ; e != nil; e = e.next {
			size += e.size
		}
	}
	for _, e := range c.ring {
		if !e.gone {
			live++
		}
	}
	if size != c.size || live != c.index.n || c.gone != len(c.ring)-live {
		t.Errorf("cache says %d bytes, has %d; %d of %d entries can be evicted; %d are gone, of %d",
			c.size, size, live, c.index.n, c.gone, len(c.ring))
	}
}

// TestDeletedKeysLeaveTheCache deletes many keys: nothing is kept of them once that is committed,
// except of a key that the open epoch sets again.
func TestDeletedKeysLeaveTheCache(t *testing.T) {
	p := New("p")
	table := Keyed(p, "t", sampleType())
	Input(p, "in", sampleType(), func(ctx *Context, v sample) error {
		if v.At == 0 {
			table.Delete(ctx)
		} else {
			table.Set(ctx, v)
		}
		return nil
	})
	r := newRig(t, p, statestore.NewMem())
	const keys = 3000
	all := func(at int64) {
		for i := range keys {
			if err := r.step(sample{fmt.Sprint("k", i), at}); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := r.core.tables[0].(*cache[sample])
	for round := range int64(3) {
		all(round + 1)
		r.seal()
		r.commit(1 << 30)
		all(0)
		r.seal()
		if err := r.step(sample{"k7", 9}); err != nil {
			t.Fatal(err)
		}
		r.commit(1 << 30)
		if c.index.n != 1 || len(c.ring) > keys/2 || c.bytes() > 1000 {
			t.Fatalf("%d entries are left of one, %d bytes; %d in the ring", c.index.n, c.bytes(),
				len(c.ring))
		}
		checkSizes(t, c)
	}
}

// TestEvictionSparesWhatIsNotStored fills a cache past its limit while epochs are open and sealed.
func TestEvictionSparesWhatIsNotStored(t *testing.T) {
	p := New("p")
	table := Keyed(p, "t", sampleType())
	Input(p, "in", sampleType(), func(ctx *Context, v sample) error {
		table.Set(ctx, v)
		return nil
	})
	r := newRig(t, p, statestore.NewMem())
	fill := func(prefix string) {
		for i := range 100 {
			if err := r.step(sample{fmt.Sprint(prefix, i), 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := r.core.tables[0].(*cache[sample])
	fill("a")
	r.seal()
	fill("b")
	c.evict(0)
	if c.index.n != 200 {
		t.Fatalf("%d entries are left of 200 that are nowhere else", c.index.n)
	}
	r.commit(1 << 30)
	c.evict(0)
	if c.index.n != 100 || c.index.get(statestore.Key(nil).String("b1")) == nil {
		t.Fatalf("%d entries are left, want the 100 of the open epoch", c.index.n)
	}
	r.rewind()
	if c.index.n != 0 || c.bytes() != 0 {
		t.Fatalf("%d entries, %d bytes after a rewind", c.index.n, c.bytes())
	}
}

// TestUnchangedStateIsNotWritten sets a value back within an epoch: the changelog sees nothing.
func TestUnchangedStateIsNotWritten(t *testing.T) {
	p := New("p")
	table := Keyed(p, "t", sampleType())
	Input(p, "in", sampleType(), func(ctx *Context, v sample) error {
		table.Set(ctx, sample{v.Key, v.At * 100})
		table.Set(ctx, sample{v.Key, 7})
		table.DeleteAt(ctx, statestore.Key(nil).String("never"))
		return nil
	})
	r := newRig(t, p, statestore.NewMem())
	for epoch, want := range []int{1, 0} {
		if err := r.step(sample{"k", int64(epoch)}); err != nil {
			t.Fatal(err)
		}
		r.seal()
		if n := len(r.sealed.Changes); n != want {
			t.Errorf("epoch %d has %d changes, want %d", epoch, n, want)
		}
		r.commit(0)
	}
	if got := r.position(); got.Epoch != 2 || !reflect.DeepEqual(got.Inputs[0], record.Input{
		Topic: "in", Offset: 2, Processed: 2, Passed: -1}) {
		t.Errorf("position %+v", got)
	}
}
