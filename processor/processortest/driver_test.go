package processortest_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"pawl/processor"
	"pawl/processor/processortest"
	"pawl/schemas"
)

// paid is payment n.
func paid(id string) payment { return payment{ID: id, Cents: 100} }

func TestDriver(t *testing.T) {
	t.Parallel()
	d := processortest.New(t, velocity())
	d.At(0).Send("limits", "card-1", limit{Count: 2})
	for i, id := range []string{"p1", "p2", "p3"} {
		d.At(time.Duration(i)*time.Second).Send("payments", "card-1", paid(id))
	}
	d.WantNone("test-dlq")
	d.Want("alerts", "card-1", alert{Payment: "p3", Count: 3})
	d.WantNone("alerts")
	d.At(4*time.Second).Send("limits", "card-1", nil)
	d.At(5*time.Second).Send("payments", "card-1", paid("p4"))
	d.Crash()
	d.Want("alerts", "card-1", alert{Payment: "p4", Count: 4})
	if got, want := d.State("recent", "card-1"), (recent{Times: []time.Time{
		processortest.Time(0), processortest.Time(time.Second), processortest.Time(2 * time.Second),
		processortest.Time(5 * time.Second)}}); !reflect.DeepEqual(got, want) {
		t.Errorf("state %v, want %v", got, want)
	}
	if got := d.State("limits", "card-1"); got != nil {
		t.Errorf("limits %v, want none", got)
	}
	d.At(5*time.Minute).Send("payments", "card-2", payment{ID: "p5"})
	d.At(5*time.Minute).Send("payments", "card-2", []byte{1, 2, 3})
	d.At(5*time.Minute).Send("payments", "card-2", paid("p6")) // the idle card's timer fires
	d.At(4*time.Minute).Send("payments", "card-3", paid("p7"))
	if r := d.WantDead("Rejected"); r.Key != "card-2" || r.Topic != "payments" {
		t.Errorf("dead letter %+v", r)
	}
	d.WantDead("DecodeError")
	if r := d.WantLate("velocity"); r.Key != "card-3" ||
		r.Time != processortest.Time(4*time.Minute) {
		t.Errorf("late record %+v", r)
	}
	want := []processortest.Record{{Topic: "alerts", Key: "card-1", Value: alert{Payment: "none"},
		Time: processortest.Time(2*time.Minute + 5*time.Second)}}
	if got := d.Outputs("alerts"); !reflect.DeepEqual(got, want) {
		t.Errorf("outputs %+v, want %+v", got, want)
	}
	d.Idle(6 * time.Minute)
	d.WantNone("alerts")
	d.Idle(7 * time.Minute)
	d.Want("alerts", "card-2", alert{Payment: "none"})
}

// TestCrashLosesWhatIsNotCommitted counts in a variable what the table counts exactly.
func TestCrashLosesWhatIsNotCommitted(t *testing.T) {
	t.Parallel()
	calls := int64(0)
	p := counted(func(all tallies, out alerts) handling {
		return func(ctx *processor.Context, pay payment) error {
			calls++
			v, _ := all.Get(ctx)
			n := v.Counts["n"] + 1
			all.Set(ctx, tally{Counts: map[string]int64{"n": n}})
			out.Emit(ctx, ctx.Key(), alert{Payment: pay.ID, Count: n})
			return nil
		}
	})
	for _, partitions := range []int{1, 5} {
		calls = 0
		d := processortest.New(t, p(), processortest.Partitions(partitions))
		for i, key := range []string{"a", "b", "a"} {
			d.At(time.Duration(i)).Send("payments", key, paid("p"))
			d.Crash()
		}
		d.Want("alerts", "a", alert{Payment: "p", Count: 1})
		if calls != 1+2+3+3 {
			t.Errorf("%d calls, want the first three times and so on, and once for good", calls)
		}
		d.Crash()
		if calls != 9 {
			t.Errorf("%d calls: a committed record was processed again", calls)
		}
		d.Want("alerts", "b", alert{Payment: "p", Count: 1})
		d.Want("alerts", "a", alert{Payment: "p", Count: 2})
		if got := d.State("tallies", "a").(tally).Counts["n"]; got != 2 {
			t.Errorf("%d partitions: counted %d, want 2", partitions, got)
		}
	}
}

// TestOlderSchema sends what an older producer wrote.
func TestOlderSchema(t *testing.T) {
	t.Parallel()
	type old struct {
		ID    string `avro:"id"`
		Cents int64  `avro:"cents"`
		Note  string `avro:"note"`
	}
	typ := schemas.Avro[old](`{"type":"record","name":"Payment","namespace":"shop","fields":[
		{"name":"id","type":"string"},{"name":"cents","type":"long"},
		{"name":"note","type":"string"}]}`)
	registry := schemas.NewMemory()
	id, err := registry.Register(t.Context(), "payments-value", typ.String())
	if err != nil {
		t.Fatal(err)
	}
	value, err := schemas.NewEncoder(typ, id).Append(nil, &old{ID: "p1", Cents: -1, Note: "x"})
	if err != nil {
		t.Fatal(err)
	}
	d := processortest.New(t, velocity(), processortest.Registry(registry),
		processortest.ApplicationID("shop"))
	d.Send("payments", "card-1", value)
	d.Send("payments", "card-1", append([]byte{0, 0x7f, 0, 0, 0}, value[5:]...))
	d.WantDead("Rejected")
	d.WantDead("UnknownSchema")
	d.WantNone("shop-dlq")
}

// TestFaults lists what a test is told.
func TestFaults(t *testing.T) {
	t.Parallel()
	pays := func(d *processortest.Driver) {
		d.At(0).Send("limits", "card-1", limit{})
		d.Send("payments", "card-1", paid("p1"))
	}
	for name, tc := range map[string]struct {
		run  func(d *processortest.Driver)
		want string
	}{
		"value": {func(d *processortest.Driver) {
			pays(d)
			d.Want("alerts", "card-1", alert{Payment: "p1", Count: 2})
		}, `alerts, key "card-1" at 0s: count: got 1, want 2`},
		"key": {func(d *processortest.Driver) {
			pays(d)
			d.Want("alerts", "card-2", alert{Payment: "p1", Count: 1})
		}, `alerts: the next output has key "card-1" and value {"count":1,"payment":"p1"}, want ` +
			`key "card-2" and value {"count":1,"payment":"p1"}`},
		"no output": {func(d *processortest.Driver) {
			d.Send("payments", "card-1", payment{ID: "p1"})
			d.Want("alerts", "card-1", alert{})
		}, `alerts: no output is left, want {"count":0,"payment":""} of key "card-1"; card-1 is ` +
			`dead: Rejected: payment p1 of 0 cents`},
		"some output": {func(d *processortest.Driver) {
			pays(d)
			d.WantNone("alerts")
		}, `alerts: there is an output of key "card-1" at 0s, want none: {"count":1,"payment":"p1"}`},
		"no dead letter": {func(d *processortest.Driver) { d.WantDead("NullValue") },
			"no dead letter is left, want one of NullValue"},
		"other dead letter": {func(d *processortest.Driver) {
			d.Send("payments", "card-1", nil)
			d.WantDead("Rejected")
		}, `dead letter of key "card-1": got NullValue (the value is null; topic payments needs ` +
			`one), want Rejected`},
		"nothing late": {func(d *processortest.Driver) { d.WantLate("velocity") },
			"test-velocity-late: no late record is left, want one"},
		"other type": {func(d *processortest.Driver) { d.Send("payments", "k", alert{}) },
			"topic payments: its values are of type processortest_test.payment, not " +
				"processortest_test.alert"},
		"no such input": {func(d *processortest.Driver) { d.Send("alerts", "k", alert{}) },
			"alerts is no input of the pipeline; its inputs are [limits payments]"},
		"no such output": {func(d *processortest.Driver) { d.WantNone("alert") },
			"the pipeline does not write to topic alert"},
		"no such table": {func(d *processortest.Driver) { d.State("recents", "k") },
			"the pipeline has no table recents; its tables are [limits recent timers-idle]"},
		"no such key": {func(d *processortest.Driver) { d.State("recent", 1.5) },
			"state keys are made of strings, integers and times, not float64"},
	} {
		got := failing(t, func(t testing.TB) { tc.run(processortest.New(t, velocity())) })
		if got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, tc.want)
		}
	}
	got := failing(t, func(t testing.TB) {
		processortest.New(t, processor.New("empty"), processortest.Partitions(0))
	})
	if !strings.Contains(got, "no input") || !strings.Contains(got, "0 partitions") {
		t.Errorf("empty pipeline: %s", got)
	}
}
