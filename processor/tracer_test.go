package processor

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/statestore"
)

// pursuer is a tracer that follows records whose key is "followed".
type pursuer struct {
	asked int
	seen  []string
}

func (f *pursuer) Record(_ string, rec *kgo.Record) RecordTrace {
	f.asked++
	if string(rec.Key) != "followed" {
		return nil
	}
	return f
}

func (f *pursuer) Epoch(EpochTrace, []RecordTrace) func(error) { return func(error) {} }

func (f *pursuer) Decoded()            { f.seen = append(f.seen, "decoded") }
func (f *pursuer) Traceparent() []byte { return []byte("00-a-b-01") }
func (f *pursuer) End(err error) {
	text := "end"
	if err != nil {
		text = "fail"
	}
	f.seen = append(f.seen, text)
}

// traceRig is a task around a rig's core.
func traceRig(t testing.TB, tracer Tracer) (*rig, func(key string) error) {
	p := New("shop")
	out := Output(p, "out", sampleType())
	Input(p, "in", sampleType(), func(ctx *Context, v sample) error {
		if v.Key == "fail" || v.At < 0 {
			return errors.New("down")
		}
		out.Emit(ctx, v.Key, v)
		return nil
	})
	r := newRig(t, p, statestore.NewMem())
	task := &task{in: &Instance{cfg: Config{Tracer: tracer}}, name: "shop-0", core: r.core}
	values := make(map[string][]byte)
	for _, key := range []string{"followed", "other"} {
		value, err := schemas.NewEncoder(sampleType(), 9).Append(nil, &sample{Key: key, At: 1})
		if err != nil {
			t.Fatal(err)
		}
		values[key] = value
	}
	return r, func(key string) error {
		rec := kgo.Record{Topic: "in", Key: []byte(key), Value: values[key],
			Offset: r.core.position.Inputs[0].Offset, Timestamp: time.UnixMilli(1)}
		return task.step(choice{rec: &rec})
	}
}

// TestTracer: a record that is followed leads to outputs with its header and belongs to its epoch;
// others have neither.
func TestTracer(t *testing.T) {
	f := new(pursuer)
	r, step := traceRig(t, f)
	for _, key := range []string{"other", "followed", "other"} {
		if err := step(key); err != nil {
			t.Fatal(err)
		}
	}
	if err := step("broken"); err != nil { // without a value it is dead
		t.Fatal(err)
	}
	if want := []string{"decoded", "end"}; !reflect.DeepEqual(f.seen, want) || f.asked != 4 {
		t.Errorf("told %v, asked %d times; want %v, 4", f.seen, f.asked, want)
	}
	var headers []string
	for _, out := range r.core.fx.Outputs {
		if out.Topic != "out" {
			continue
		}
		text := ""
		for _, h := range out.Headers {
			if h.Key == traceHeader {
				text += string(h.Value)
			}
		}
		headers = append(headers, text)
	}
	if want := []string{"", "00-a-b-01", ""}; !reflect.DeepEqual(headers, want) {
		t.Errorf("headers %q, want %q", headers, want)
	}
	r.seal()
	if len(r.sealed.traces) != 1 {
		t.Errorf("%d records are followed in the epoch, want 1", len(r.sealed.traces))
	}
	r.commit(0)
	if err := step("other"); err != nil {
		t.Fatal(err)
	}
	if r.seal(); len(r.sealed.traces) != 0 {
		t.Errorf("the next epoch has %d of it", len(r.sealed.traces))
	}
}

// TestTracerCostsNothing: a step allocates as much without a tracer as with one that does not
// follow the record.
func TestTracerCostsNothing(t *testing.T) {
	per := func(tracer Tracer) float64 {
		r, step := traceRig(t, tracer)
		n := testing.AllocsPerRun(300, func() {
			if err := step("other"); err != nil {
				t.Fatal(err)
			}
			r.seal()
			r.commit(0)
		})
		return n
	}
	if without, with := per(nil), per(new(pursuer)); with > without {
		t.Errorf("%v allocations with a tracer, %v without", with, without)
	}
}

// BenchmarkStepTraced compares a step without a tracer with one that does not follow the record.
func BenchmarkStepTraced(b *testing.B) {
	for name, tracer := range map[string]Tracer{"off": nil, "not followed": new(pursuer)} {
		b.Run(name, func(b *testing.B) {
			r, step := traceRig(b, tracer)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := step("other"); err != nil {
					b.Fatal(err)
				}
				if i%1000 == 999 {
					r.seal()
					r.commit(0)
				}
			}
		})
	}
}
