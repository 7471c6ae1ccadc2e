package processor

import (
	"reflect"
	"strings"
	"testing"

	"pawl/statestore"
)

// TestCounters counts a record with its epoch: one that is rejected, that fails or whose epoch is
// dropped leaves no trace.
func TestCounters(t *testing.T) {
	p := New("shop")
	orders := Count(p, "shop_orders_total", "Orders by kind.", "kind", "small", "large")
	cents := Count(p, "shop_cents_total", "What was paid.", "")
	timers := NewTimers(p, "wake", func(ctx *Context) error {
		orders.Inc(ctx, OtherValue)
		return nil
	})
	seen := Keyed(p, "seen", sampleType())
	Input(p, "in", sampleType(), func(ctx *Context, v sample) error {
		orders.Inc(ctx, v.Key)
		cents.Add(ctx, "", v.At)
		cents.Add(ctx, "", -5)
		switch v.Key {
		case "reject":
			return Reject("no")
		case "spoil":
			seen.Set(ctx, v)
			return Reject("too late to say no")
		case "wake":
			timers.Set(ctx, ctx.Time())
		}
		return nil
	})
	r := newRig(t, p, statestore.NewMem())
	step := func(key string, at int64) {
		t.Helper()
		if err := r.step(sample{Key: key, At: at}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want ...Counted) {
		t.Helper()
		r.seal()
		if got := r.sealed.counted(p); !reflect.DeepEqual(got, want) {
			t.Errorf("counted %v, want %v", got, want)
		}
		r.commit(0)
	}
	step("small", 3)
	step("reject", 50)
	step("large", 4)
	step("huge", 2)
	expect(Counted{"shop_orders_total", "small", 1}, Counted{"shop_orders_total", "large", 1},
		Counted{"shop_orders_total", OtherValue, 1}, Counted{"shop_cents_total", "", 9})
	step("small", 5)
	if err := r.step(sample{Key: "spoil", At: 9}); err == nil {
		t.Error("a record that changed state was rejected")
	}
	r.rewind()
	step("large", 6)
	expect(Counted{"shop_orders_total", "large", 1}, Counted{"shop_cents_total", "", 6})
	step("wake", 100)
	step("small", 200) // and the timer
	expect(Counted{"shop_orders_total", "small", 1}, Counted{"shop_orders_total", OtherValue, 2},
		Counted{"shop_cents_total", "", 300})
	step("reject", 1)
	expect()
}

func TestCounterNames(t *testing.T) {
	good := func(name, help, label string, values ...string) error {
		p := New("shop")
		Input(p, "in", sampleType(), func(*Context, sample) error { return nil })
		Count(p, "shop_orders_total", "Orders.", "kind", "a")
		Count(p, name, help, label, values...)
		return p.Validate()
	}
	if err := good("shop_cents_total", "Cents.", ""); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ name, help, label, values, fault string }{
		{"shop_cents", "Cents.", "", "", "_total at the end"},
		{"Shop_total", "Shops.", "", "", "lower-case"},
		{"pawl_x_total", "X.", "", "", "are taken"},
		{"shop_orders_total", "Again.", "", "", "declared twice"},
		{"shop_x_total", "", "", "", "has no help"},
		{"shop_x_total", "X.", "", "a", "no label"},
		{"shop_x_total", "X.", "kind", "", "no values"},
		{"shop_x_total", "X.", "pipeline", "a", "cannot be"},
		{"shop_x_total", "X.", "a-b", "a", "cannot be"},
	} {
		err := good(c.name, c.help, c.label, strings.Fields(c.values)...)
		if err == nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s{%s}: %v; want %q", c.name, c.label, err, c.fault)
		}
	}
}
