package processor_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas"
)

// renamed is the event with its number under a later name.
type renamed struct {
	Key   string `avro:"key"`
	Total int64  `avro:"total"`
}

const renamedSchema = `{"type":"record","name":"Event","namespace":"test","fields":[
	{"name":"key","type":"string"},{"name":"total","type":"long","aliases":["n"]}]}`

// renaming is the counting pipeline in a version that has renamed a field everywhere; its store may
// have another name, too.
func renaming(store, schema string) *processor.Pipeline {
	p := processor.New("counting")
	typ := schemas.Avro[renamed](schema)
	sums := processor.Keyed(p, store, typ)
	out := processor.Output(p, "out", typ)
	processor.Input(p, "in", typ, func(ctx *processor.Context, e renamed) error {
		s, _ := sums.Get(ctx)
		s.Key, s.Total = e.Key, s.Total+e.Total
		sums.Set(ctx, s)
		out.Emit(ctx, e.Key, s)
		return nil
	})
	return p
}

// upgradeTo plans an upgrade of an application that has processed something.
func (b *bed) upgradeTo(p *processor.Pipeline) *processor.Upgrade {
	b.t.Helper()
	u, err := processor.PlanUpgrade(b.t.Context(), b.config("a"), p, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// wantPart demands verdict and changes of the part of that name.
func wantPart(t *testing.T, parts []processor.UpgradePart, name string,
	verdict processor.UpgradeVerdict, changes string) processor.UpgradePart {
	t.Helper()
	for _, part := range parts {
		if part.Name != name {
			continue
		}
		var got []string
		for _, w := range part.Written {
			got = append(got, fmt.Sprint(w.Changes))
		}
		if part.Verdict != verdict || changes != "" && strings.Join(got, " ") != changes {
			t.Errorf("%s: %s with %v, want %s with %s", name, part.Verdict, got, verdict, changes)
		}
		return part
	}
	t.Errorf("there is no %s in %+v", name, parts)
	return processor.UpgradePart{}
}

// TestPlanUpgrade compares versions of the counting pipeline with one that runs, and then with what
// it has left.
func TestPlanUpgrade(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	if u := b.upgradeTo(counting(nil)); u.Live || u.Refused || !u.Rolling ||
		u.Stores[0].Verdict != processor.UpgradeSame || len(u.Tasks) > 0 {
		t.Errorf("before the first start: %+v", u)
	}
	in := b.start("a", counting(nil))
	b.produce(20, 4)
	b.drained("in")
	u := b.upgradeTo(counting(nil))
	if !u.Live || u.Refused || !u.Rolling || len(u.Tasks) != 2 {
		t.Errorf("the same version: %+v", u)
	}
	sums := wantPart(t, u.Stores, "sums", processor.UpgradeSame, "[]")
	if n := sums.Written[0].Values; n < 4 || sums.Written[0].Newest.IsZero() {
		t.Errorf("%d values, of 4 keys: %+v", n, sums)
	}
	wantPart(t, u.Topics, "in", processor.UpgradeSame, "[]")
	wantPart(t, u.Topics, "out", processor.UpgradeSame, "[]")
	stop(t, in)

	u = b.upgradeTo(growing(grownSchema, new(sync.Map)))
	sums = wantPart(t, u.Stores, "sums", processor.UpgradeMigrated, "[seen added (default 7)]")
	if u.Refused || !u.Rolling || sums.Older == nil || sums.Older.Clash != "" ||
		fmt.Sprint(sums.Older.Changes) != "[seen dropped]" {
		t.Errorf("a field more: %+v", u)
	}
	u = b.upgradeTo(renaming("sums", renamedSchema))
	sums = wantPart(t, u.Stores, "sums", processor.UpgradeMigrated, "[total renamed (from n)]")
	if u.Refused || u.Rolling || sums.Older == nil || !strings.Contains(sums.Older.Clash, "n:") {
		t.Errorf("a field renamed, which the version before cannot read: %+v", u)
	}
	if out := wantPart(t, u.Topics, "out", processor.UpgradeMigrated, ""); out.Older == nil ||
		!strings.Contains(out.Why, "readers of before") {
		t.Errorf("an output that its readers cannot read: %+v", out)
	}
	u = b.upgradeTo(renaming("totals", renamedSchema))
	wantPart(t, u.Stores, "totals", processor.UpgradeEmpty, "")
	wantPart(t, u.Stores, "sums", processor.UpgradeLeft, "")
	if u.Refused {
		t.Errorf("a store renamed: %+v", u)
	}
}

// TestPlanUpgradeRefuses what a start would refuse: state, with the field and the mend; and records
// that would be dead-lettered. The start says the same.
func TestPlanUpgradeRefuses(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	registry := schemas.NewMemory()
	for _, subject := range []string{"in-value", "out-value", changelog + "-test.Event"} {
		if err := registry.SetLevel(subject, "NONE"); err != nil {
			t.Fatal(err)
		}
	}
	b.registry = registry
	in := b.start("a", counting(nil))
	b.produce(20, 2)
	b.drained("in")
	stop(t, in)
	clashing := strings.Replace(renamedSchema, `,"aliases":["n"]`, ``, 1)
	u := b.upgradeTo(renaming("sums", clashing))
	for _, part := range []processor.UpgradePart{
		wantPart(t, u.Stores, "sums", processor.UpgradeRefused, ""),
		wantPart(t, u.Topics, "in", processor.UpgradeRefused, "")} {
		if !u.Refused || u.Rolling || !strings.Contains(part.Why, "total: was not written") ||
			!strings.Contains(part.Mend, "alias") {
			t.Errorf("%+v", part)
		}
	}
	if len(u.Tasks) != 1 || u.Tasks[0].Verdict != processor.UpgradeRefused {
		t.Errorf("tasks %+v", u.Tasks)
	}
	in, err := processor.Start(t.Context(), b.config("a"), renaming("sums", clashing))
	if err == nil {
		t.Cleanup(in.Crash)
		err = failed(t, in)
	}
	mustSay(t, err, "refused", "total: was not written")
}

// TestOlderVersionRefusesAndLeavesTheTask has a version without the alias meet state that a later
// one has written: it refuses the task, which loses nothing, and the later one goes on with it.
func TestOlderVersionRefusesAndLeavesTheTask(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	in := b.start("a", counting(nil))
	b.produce(20, 2)
	b.drained("in")
	stop(t, in)
	in = b.start("b", renaming("sums", renamedSchema))
	b.produce(20, 2)
	b.drained("in")
	stop(t, in)
	in, err := processor.Start(t.Context(), b.config("a"), counting(nil))
	if err == nil {
		t.Cleanup(in.Crash)
		err = failed(t, in)
	}
	mustSay(t, err, "task counting-0 refused", "table sums", "n: was not written")
	b.put(&kgo.Record{Topic: "in", Key: []byte("k0"), Value: b.value(event{"k0", 1})})
	in = b.start("b", renaming("sums", renamedSchema))
	b.drained("in")
	stop(t, in)
	if n := len(b.records("out")); n != 41 {
		t.Errorf("%d results, want 41", n)
	}
}
