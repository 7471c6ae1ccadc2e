package processor

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// chained is a pipeline of a table and two streams whose results depend on the order of all
// records, table and timers included.
func chained() *Pipeline {
	typ := sampleType()
	p := New("chained")
	_, names := TableInput(p, "names", typ)
	out := Output(p, "out", typ)
	last := Keyed(p, "last", typ)
	step := func(ctx *Context, n int64) sample {
		was, _ := last.Get(ctx)
		name, _ := names.Get(ctx)
		is := sample{Key: was.Key, At: was.At*31 + 7*name.At + n}
		last.Set(ctx, is)
		return is
	}
	later := NewTimers(p, "later", func(ctx *Context) error {
		out.Emit(ctx, ctx.Key(), step(ctx, 3))
		return nil
	})
	for i, topic := range []string{"left", "right"} {
		Input(p, topic, typ, func(ctx *Context, v sample) error {
			is := step(ctx, v.At+int64(i))
			later.Set(ctx, ctx.Time().Add(5*time.Millisecond))
			if v.At%11 == 3 {
				return Reject("it is one of eleven")
			}
			out.Emit(ctx, ctx.Key(), is)
			return nil
		})
	}
	return p
}

// past is a task as it ran, with what it put out and decided.
type past struct {
	o       *Offline
	r       *rand.Rand
	task    *OfflineTask
	inputs  [3][]*kgo.Record
	fed     [3]int
	outputs []string
	ticks   []record.Tick
	applied int64
	// saved is a moment of it: the store, how much had been put out and decided.
	saved        *statestore.Mem
	outs, decide int
	stood        record.Position
}

// control makes a record a marker, as kgo has no way to.
func control(r *kgo.Record) { *(*uint8)(unsafe.Pointer(&r.Attrs)) = 1 << 5 }

func newPast(t *testing.T, seed uint64) *past {
	t.Helper()
	o, err := NewOffline(Config{ApplicationID: "app", Registry: schemas.NewMemory(),
		MaxOutOfOrderness: -1}, 1, chained())
	if err != nil {
		t.Fatal(err)
	}
	p := &past{o: o, r: rand.New(rand.NewPCG(seed, 1))}
	for i, in := range o.Inputs(0) {
		offset := int64(p.r.IntN(3))
		for n := range 60 {
			at := int64(1000 + n*2 + p.r.IntN(8))
			value, err := o.Encode(in.Topic, sample{Key: "k", At: p.r.Int64N(1000)})
			if err != nil {
				t.Fatal(err)
			}
			rec := &kgo.Record{Topic: in.Topic, Offset: offset, Key: []byte("k"), Value: value,
				Timestamp: time.UnixMilli(at)}
			if p.r.IntN(6) == 0 {
				control(rec)
				rec.Timestamp = time.UnixMilli(5000) // the broker's time
			}
			p.inputs[i] = append(p.inputs[i], rec)
			offset += int64(1 + p.r.IntN(2))
		}
	}
	return p
}

// arrive hands on some more records of an input.
func (p *past) arrive(i, n int) {
	n = min(n, len(p.inputs[i])-p.fed[i])
	recs := p.inputs[i][p.fed[i] : p.fed[i]+n]
	p.fed[i] += n
	if n > 0 {
		p.task.Feed(i, slices.Clone(recs), recs[n-1].Offset+1)
	}
}

// commit ends the epoch, and notes what it put out.
func (p *past) commit(t *testing.T) {
	t.Helper()
	fx, err := p.task.Seal()
	if err != nil || fx == nil {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	outputs, _ := p.task.Records(fx)
	p.outputs = append(p.outputs, p.texts(outputs)...)
	dec := schemas.NewDecoder(record.TickType(), p.o.Resolver())
	for _, r := range outputs {
		if r.Topic != "app-ticks" {
			continue
		}
		var tick record.Tick
		if err := dec.Decode(r.Value, &tick); err != nil {
			t.Fatal(err)
		}
		p.ticks = append(p.ticks, tick)
	}
	p.applied++
	if err := p.task.Apply(fx, p.applied, 1<<20); err != nil {
		t.Fatal(err)
	}
}

// texts are outputs as text, ticks and what a repetition may change left out.
func (p *past) texts(outputs []*kgo.Record) (all []string) {
	for _, r := range outputs {
		if r.Topic == "app-ticks" {
			continue
		}
		text := fmt.Sprintf("%s-%d %s=%x@%d", r.Topic, r.Partition, r.Key, r.Value,
			r.Timestamp.UnixMilli())
		for _, h := range r.Headers {
			if h.Key != "pawl.attempt" && h.Key != "pawl.epoch" {
				text += fmt.Sprintf(" %s=%x", h.Key, h.Value)
			}
		}
		all = append(all, text)
	}
	return all
}

// live takes the records as they arrive by chance, with idle ticks, seals and rewinds.
func (p *past) live(t *testing.T) {
	t.Helper()
	claim, err := p.o.Claim(0)
	if err != nil {
		t.Fatal(err)
	}
	ends := []int64{p.inputs[0][p.r.IntN(20)].Offset, 0, 0}
	p.task, err = p.o.Open(0, statestore.NewMem(), OfflineLogs{Changelog: []*kgo.Record{claim},
		Offsets: []int64{-1, -1, -1}, Ends: ends})
	if err != nil {
		t.Fatal(err)
	}
	for left := true; left; {
		for range p.r.IntN(3) {
			p.arrive(p.r.IntN(3), 1+p.r.IntN(8))
		}
		idle := true
		for n := p.r.IntN(40); n > 0; n-- {
			ok, err := p.task.Step()
			if errors.Is(err, ErrDiscard) {
				p.rewind(t)
				ok, err = true, nil
			}
			if err != nil {
				t.Fatal(err)
			}
			if idle = !ok; idle {
				break
			}
		}
		pos := p.task.Position()
		if idle && pos.Watermark != noWatermark && p.r.IntN(4) == 0 {
			if _, err := p.task.Idle(pos.Watermark + int64(p.r.IntN(20))); err != nil {
				t.Fatal(err)
			}
		}
		if p.r.IntN(3) == 0 {
			p.commit(t)
			p.save(t)
		}
		left = false
		for i := range p.inputs {
			left = left || pos.Inputs[i].Offset <= p.inputs[i][len(p.inputs[i])-1].Offset
		}
	}
	p.commit(t)
}

func (p *past) rewind(t *testing.T) {
	t.Helper()
	if err := p.task.Discard(); err != nil {
		t.Fatal(err)
	}
	pos := p.task.Position()
	for i := range p.inputs {
		n := p.fed[i]
		p.fed[i], _ = slices.BinarySearchFunc(p.inputs[i], pos.Inputs[i].Offset,
			func(r *kgo.Record, o int64) int { return int(r.Offset - o) })
		p.arrive(i, n-p.fed[i])
	}
}

// save keeps this moment, if by chance it is the one, or none was kept.
func (p *past) save(t *testing.T) {
	t.Helper()
	if p.applied == 0 || p.saved != nil && p.r.IntN(4) > 0 {
		return
	}
	p.saved, p.outs, p.decide = copyOf(t, p.task.Store()), len(p.outputs), len(p.ticks)
	p.stood = p.task.Position()
}

func copyOf(t *testing.T, s *statestore.Buffered) *statestore.Mem {
	t.Helper()
	if err := s.Spill(); err != nil {
		t.Fatal(err)
	}
	var all []statestore.Change
	err := s.Scan([]byte{1}, []byte{0xFF}, func(k, v []byte) bool {
		all = append(all, statestore.Change{Key: bytes.Clone(k), Value: bytes.Clone(v)})
		return true
	})
	mem := statestore.NewMem()
	if err = errors.Join(err, mem.Apply(all, s.Mark())); err != nil {
		t.Fatal(err)
	}
	return mem
}

// again repeats the history over a store and returns what came out.
func (p *past) again(t *testing.T, store statestore.Store, ticks []record.Tick,
	until record.Position) (*RerunTask, []string) {
	t.Helper()
	run, err := p.o.Rerun(0, store, Stretch{Start: make([]int64, 3), Until: until.Inputs,
		Ticks: ticks, Booted: until.Bootstrapped})
	if err != nil {
		t.Fatal(err)
	}
	at := [3]int{}
	for i, in := range run.Position().Inputs {
		at[i], _ = slices.BinarySearchFunc(p.inputs[i], in.Offset,
			func(r *kgo.Record, o int64) int { return int(r.Offset - o) })
	}
	var outputs []string
	commit := func() {
		fx, err := run.Seal()
		if err != nil {
			t.Fatal(err)
		}
		if fx == nil {
			return
		}
		recs, _ := run.Records(fx)
		outputs = append(outputs, p.texts(recs)...)
		if err := run.Apply(fx, 1, 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	for {
		ok, err := run.Step()
		switch i := run.Wants(); {
		case errors.Is(err, ErrDiscard):
			if err := run.Discard(); err != nil {
				t.Fatal(err)
			}
		case err != nil:
			t.Fatal(err)
		case !ok && i < 0:
			run.Settle()
			commit()
			return run, outputs
		case !ok:
			rest := p.inputs[i][at[i]:]
			rest = rest[:min(len(rest), 1+p.r.IntN(9))]
			if at[i] += len(rest); len(rest) == 0 {
				run.End(i)
			}
			// A reader of committed records does not see markers.
			run.Feed(i, slices.DeleteFunc(slices.Clone(rest), func(r *kgo.Record) bool {
				return r.Attrs.IsControl()
			}))
		case p.r.IntN(10) == 0:
			commit()
		}
	}
}

// TestRerun repeats histories of all kinds of arrival, from their beginning and from a moment in
// them: what comes out is the same, and the task stands where it stood.
func TestRerun(t *testing.T) {
	kinds := make(map[record.TickKind]int)
	for seed := range uint64(200) {
		p := newPast(t, seed)
		p.live(t)
		for _, tick := range p.ticks {
			kinds[tick.Kind]++
		}
		if p.saved == nil {
			continue
		}
		end, outs, ticks := p.task.Position(), p.outputs, p.ticks
		for name, c := range map[string]struct {
			store statestore.Store
			outs  []string
			ticks []record.Tick
			want  record.Position
		}{
			"whole":  {statestore.NewMem(), outs, ticks, end},
			"first":  {statestore.NewMem(), outs[:p.outs], ticks[:p.decide], p.stood},
			"second": {p.saved, outs[p.outs:], ticks[p.decide:], end},
		} {
			run, outputs := p.again(t, c.store, c.ticks, c.want)
			if !slices.Equal(outputs, c.outs) {
				t.Fatalf("seed %d, %s: put out\n%q\nnot\n%q", seed, name, outputs, c.outs)
			}
			want := c.want
			got := run.Position()
			got.Epoch, got.Claim, got.Writer = want.Epoch, want.Claim, want.Writer
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("seed %d, %s: stands at\n%+v\nnot\n%+v", seed, name, got, want)
			}
		}
	}
	t.Logf("ticks: %v", kinds)
	if kinds[record.TickDeviation] < 700 || kinds[record.TickIdle] < 200 {
		t.Errorf("the histories show little: %v", kinds)
	}
}
