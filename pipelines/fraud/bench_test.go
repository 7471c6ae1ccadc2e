//go:build unix

package fraud

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"pawl/schemas"
	schema "pawl/schemas/fraud"
	"pawl/statestore"
)

// benchTable does what the engine's table does on the hot path: one map look-up per access, and
// one encoding per changed key and epoch.
type benchTable[V any] struct {
	m     map[string]*benchEntry[V]
	dirty []*benchEntry[V]
	enc   *schemas.Encoder[V]
	bytes int64
	buf   []byte
}

type benchEntry[V any] struct {
	val         V
	live, dirty bool
}

func newBenchTable[V any](t schemas.Type[V]) *benchTable[V] {
	return &benchTable[V]{m: make(map[string]*benchEntry[V]), enc: schemas.NewEncoder(t, 1)}
}

func (t *benchTable[V]) load(key []byte) *benchEntry[V] {
	e := t.m[string(key)]
	if e == nil {
		e = new(benchEntry[V])
		t.m[string(key)] = e
	}
	return e
}

func (t *benchTable[V]) put(key []byte, v V, live bool) {
	e := t.load(key)
	e.val, e.live = v, live
	if !e.dirty {
		e.dirty = true
		t.dirty = append(t.dirty, e)
	}
}

func (t *benchTable[V]) seal(b *testing.B) {
	for _, e := range t.dirty {
		e.dirty = false
		if !e.live {
			continue
		}
		var err error
		if t.buf, err = t.enc.Append(t.buf[:0], &e.val); err != nil {
			b.Fatal(err)
		}
		t.bytes += int64(len(t.buf))
	}
	t.dirty = t.dirty[:0]
}

// benchNodes is one user's nodes in a benchTable.
type benchNodes struct {
	table *benchTable[schema.VelocityNode]
	key   statestore.Key
	user  int
}

func (n *benchNodes) keyOf(level int32, bucket int64) statestore.Key {
	n.key = n.key[:n.user].Int(int64(level)).Int(bucket)
	return n.key
}

func (n *benchNodes) get(level int32, bucket int64) []schema.Slot {
	return n.table.load(n.keyOf(level, bucket)).val.Slots
}

func (n *benchNodes) set(level int32, bucket int64, slots []schema.Slot) {
	n.table.put(n.keyOf(level, bucket), schema.VelocityNode{Slots: slots}, true)
}

func (n *benchNodes) delete(level int32, bucket int64) {
	key := n.keyOf(level, bucket)
	n.table.put(key, schema.VelocityNode{}, false)
	delete(n.table.m, string(key)) // as eviction does in time
}

// benchUser is one user whose transactions come evenly, some of them up to 2 s late.
type benchUser struct {
	window
	roots *benchTable[schema.Velocity]
	nodes *benchNodes
	key   statestore.Key
	rand  *rand.Rand
	n     int64
	rate  float64 // per ms
}

const (
	benchSpan  = 300_000
	benchGrace = 10_000
	benchEpoch = 1_000 // records
)

func newBenchUser(inWindow int) *benchUser {
	key := statestore.Key(nil).String("user-0012345")
	u := &benchUser{roots: newBenchTable(schema.VelocityType()), key: key,
		nodes: &benchNodes{table: newBenchTable(schema.VelocityNodeType()),
			key: slices.Clone(key), user: len(key)},
		rand: rand.New(rand.NewPCG(1, 1)), rate: float64(inWindow) / benchSpan}
	u.tree.nodes = u.nodes
	return u
}

// record judges the user's next transaction.
func (u *benchUser) record(b *testing.B) total {
	u.n++
	clock := 1_790_000_000_000 + int64(float64(u.n)/u.rate)
	at := clock
	if u.rand.IntN(10) == 0 {
		at -= u.rand.Int64N(2_000)
	}
	u.tree.forget()
	u.root = u.roots.load(u.key).val
	u.expire(clock-2_000-benchGrace-benchSpan, recordDrops)
	u.add(at, 100)
	sum := u.sum(at-benchSpan+1, at)
	u.roots.put(u.key, u.root, true)
	if u.n%benchEpoch == 0 {
		u.roots.seal(b)
		u.nodes.table.seal(b)
	}
	return sum
}

// fill brings the user to a full window.
func (u *benchUser) fill(b *testing.B, inWindow int) {
	for range inWindow + inWindow/10 + 2*benchEpoch {
		u.record(b)
	}
	u.roots.bytes, u.nodes.table.bytes = 0, 0
}

// BenchmarkVelocity is the cost of a user's window per record, and of encoding what it changed
// once per 1,000 records, with so many transactions in the window.
func BenchmarkVelocity(b *testing.B) {
	for _, n := range []int{10, 100, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			u := newBenchUser(n)
			u.fill(b, n)
			b.ReportAllocs()
			began := cpuTime()
			for b.Loop() {
				u.record(b)
			}
			b.ReportMetric(float64(cpuTime()-began)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(u.roots.bytes+u.nodes.table.bytes)/float64(b.N), "statebytes/op")
		})
	}
}

// BenchmarkRecord is BenchmarkVelocity with what every record costs besides in this package's
// hands: its decoding and the encoding of its decision.
func BenchmarkRecord(b *testing.B) {
	const id = 7
	tx := schema.Transaction{TransactionID: "t1-123456", UserID: "user-0012345", AmountCents: 4_200,
		Timestamp: time.UnixMilli(1_790_000_000_000), Merchant: "merchant-417"}
	value, err := schemas.NewEncoder(schema.TransactionType(), id).Append(nil, &tx)
	if err != nil {
		b.Fatal(err)
	}
	r := schemas.NewResolver(nil)
	if err := r.Add(id, schema.TransactionType().String()); err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{10, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			u := newBenchUser(n)
			u.fill(b, n)
			dec := schemas.NewDecoder(schema.TransactionType(), r)
			enc := schemas.NewEncoder(schema.DecisionType(), id)
			var out []byte
			b.ReportAllocs()
			began := cpuTime()
			for b.Loop() {
				if err := dec.Decode(value, &tx); err != nil {
					b.Fatal(err)
				}
				sum := u.record(b)
				if out, err = enc.Append(out[:0], &schema.Decision{TransactionID: tx.TransactionID,
					UserID: tx.UserID, Count: int(sum.count), TotalCents: sum.cents,
					Reason: schema.ReasonNone}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime()-began)/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpuTime is the CPU time that the process has used, in ns: on a busy machine wall time says
// little.
func cpuTime() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
