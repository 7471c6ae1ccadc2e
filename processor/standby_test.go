package processor

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/statestore"
)

// TestWholeEpochsOnly: what a standby has read moves its mark at the end of an epoch only, wherever
// a fetch ends, and whoever else writes between an epoch's records.
func TestWholeEpochsOnly(t *testing.T) {
	const key = "\x02sums\x00\x00k"
	value := []byte{0, 0, 0, 0, 1, 2}
	sb := &standby{r: &restore{schemas: make(map[stateSchema]bool),
		load: statestore.NewLoad(statestore.NewMem(), followWrite)}}
	for offset, c := range []struct {
		key     string
		control bool
		mark    int64
	}{
		{key: statestore.ClaimKey, mark: 1},
		{control: true, mark: 2},
		{key: key, mark: 2},
		{key: key, mark: 2},
		{key: statestore.PositionKey, mark: 5},
		{control: true, mark: 6},
		{key: key, mark: 6},
		{key: statestore.ClaimKey, mark: 6}, // of another instance
		{control: true, mark: 6},
		{key: key, mark: 6},
		{key: statestore.PositionKey, mark: 11},
		{control: true, mark: 12},
	} {
		rec := &kgo.Record{Key: []byte(c.key), Value: value, Offset: int64(offset)}
		if c.control {
			rec.Key = []byte{0, 0, 0, 1}
			rec.Attrs = kgo.NewRecordAttrs(kgo.RecordAttrsOpts{Control: true})
		}
		if err := sb.take(rec); err != nil {
			t.Fatal(err)
		}
		if sb.r.mark.Offset != c.mark {
			t.Fatalf("after offset %d the mark is at %d, want %d", offset, sb.r.mark.Offset, c.mark)
		}
	}
}

// TestTooLongAway: a copy that has read nothing for so long that a deletion may be gone from the
// log takes nothing more, and is made anew.
func TestTooLongAway(t *testing.T) {
	in := &Instance{tombstones: time.Hour}
	f := newStandbys(in)
	for _, c := range []struct {
		away time.Duration
		anew bool
	}{{29 * time.Minute, false}, {31 * time.Minute, true}} {
		sb := &standby{in: in, heard: time.Now().Add(-c.away)}
		if missed := f.missed(sb); missed != c.anew || sb.anew != c.anew {
			t.Errorf("after %v: %v, to be rebuilt: %v", c.away, missed, sb.anew)
		}
		if f.missed(sb) != c.anew {
			t.Errorf("after %v and a fetch it has changed its mind", c.away)
		}
	}
}

// orderly is a store that remembers whether the texts of schemas came before what needs them.
type orderly struct {
	statestore.Store
	early bool
}

func (s *orderly) Apply(changes []statestore.Change, m statestore.Mark) error {
	known, err := statestore.Schemas(s)
	for _, c := range changes {
		if !statestore.Internal(c.Key) {
			s.early = s.early || len(known) == 0
		}
	}
	if err != nil {
		return err
	}
	return s.Store.Apply(changes, m)
}

// TestTextsComeFirst: what a restore or a standby writes is never in the store without the text of
// the schema it is written in, and waits for one that is not known.
func TestTextsComeFirst(t *testing.T) {
	const id = 1
	in := &Instance{bind: &binding{resolver: schemas.NewResolver(nil)},
		cfg: Config{Point: func(string) {}}}
	store := &orderly{Store: statestore.NewMem()}
	r := &restore{in: in, store: store}
	if err := r.begin(followWrite); err != nil {
		t.Fatal(err)
	}
	rec := &kgo.Record{Key: []byte("\x02sums\x00\x00k"), Value: []byte{0, 0, 0, 0, id, 2}}
	if err := r.take(rec); err != nil {
		t.Fatal(err)
	}
	if unknown, err := r.keepTexts(); unknown != id || err != nil {
		t.Fatalf("a text that nobody has: %d, %v", unknown, err)
	}
	if err := in.bind.resolver.Add(id, `"long"`); err != nil {
		t.Fatal(err)
	}
	if err := r.apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	known, err := statestore.Schemas(store)
	if err != nil || len(known) != 1 || known[0] != (statestore.Schema{ID: id, Table: "sums",
		Text: `"long"`}) {
		t.Errorf("%+v, %v", known, err)
	}
	if _, ok, _ := store.Get(rec.Key); !ok || store.early || store.Mark().Offset != 1 {
		t.Errorf("value there: %v, before its text: %v, mark %+v", ok, store.early, store.Mark())
	}
}
