package loadgen_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/schemas"
)

// TestDelays draws each kind about as often as its share says, and within its bounds.
func TestDelays(t *testing.T) {
	t.Parallel()
	const draws = 100_000
	for name, c := range map[string]struct {
		loadgen.Delays
		late, straggle, disorder, none float64 // shares
		latest                         int64
	}{
		"all": {loadgen.Delays{Disorder: 0.3, Straggle: 0.2, Late: 0.1,
			MaxOutOfOrderness: 2 * time.Second, Grace: 5 * time.Second}, 0.1, 0.2, 0.3, 0.4,
			7_000 + 1_000 + 60_000},
		"bounds of its own": {loadgen.Delays{Late: 1, MaxOutOfOrderness: time.Second,
			Beyond: 3 * time.Second, Spread: time.Second}, 1, 0, 0, 0, 5_000},
		"none": {loadgen.Delays{Disorder: -1, Straggle: -1, Late: -1, MaxOutOfOrderness: -1,
			Grace: -1}, 0, 0, 0, 1, 0},
	} {
		r := loadgen.NewRand(1, 1)
		disorder := c.MaxOutOfOrderness.Milliseconds()
		grace := c.Grace.Milliseconds()
		var late, straggle, inOrder float64
		for range draws {
			lag, tooLate := c.Draw(r)
			if lag < 0 || lag >= max(c.latest, 1) || tooLate != (lag > disorder+max(grace, 0)) {
				t.Fatalf("%s: lag %d, too late %v", name, lag, tooLate)
			}
			switch {
			case tooLate:
				late++
			case lag > max(disorder, 0):
				straggle++
			case lag == 0:
				inOrder++
			}
		}
		near := func(kind string, n, share float64) {
			if n < draws*share*0.95 || n > draws*share*1.05+draws/500 {
				t.Errorf("%s: %v of %d are %s, want %v of all", name, n, draws, kind, share)
			}
		}
		near("late", late, c.late)
		near("straggling", straggle, c.straggle)
		near("in order", inOrder, c.none)
		near("in disorder", draws-late-straggle-inOrder, c.disorder)
	}
}

// TestPoison makes records that are broken in many ways, and only in one at a time.
func TestPoison(t *testing.T) {
	t.Parallel()
	var slab loadgen.Slab
	r := loadgen.NewRand(1, 1)
	typ := schemas.Avro[int64](`"long"`)
	resolver := schemas.NewResolver(nil)
	if err := errors.Join(resolver.Add(7, typ.String()), resolver.Add(8, `"string"`)); err != nil {
		t.Fatal(err)
	}
	enc, dec := schemas.NewEncoder(typ, 7), schemas.NewDecoder(typ, resolver)
	seen := make(map[string]int)
	const records = 5_000
	for range records {
		value, key := int64(1<<40), "k"
		own := []func(){func() { value = -1 }, func() { key = "own" }}
		rec := slab.Poison(r, own, func() loadgen.Record {
			return loadgen.Record{Key: slab.Bytes(key), Value: loadgen.Encoded(&slab, enc, &value)}
		}, func() []byte { return append(schemas.AppendHeader(nil, 8), 2, 'x') })
		var got int64
		err := dec.Decode(rec.Value, &got)
		kind := fmt.Sprintf("%s %d", rec.Key, got)
		var bad *schemas.DecodeError
		var unknown *schemas.UnknownIDError
		switch {
		case rec.Value == nil:
			kind = string(rec.Key) + " null"
		case errors.As(err, &unknown):
			kind = string(rec.Key) + " unknown"
		case errors.As(err, &bad):
			kind = string(rec.Key) + " " + bad.Kind
		}
		seen[kind]++
	}
	const sound = 1 << 40
	for kind, ways := range map[string]int{"k null": 1, "k unknown": 1, "k DecodeError": 4,
		"k IncompatibleSchema": 1, "k -1": 1, fmt.Sprint("own ", sound): 1,
		fmt.Sprint(" ", sound): 1, fmt.Sprint("kx ", sound): 1} {
		if n := seen[kind]; n < ways*records/11*8/10 || n > ways*records/11*12/10 {
			t.Errorf("%d of %d are %q, which is %d of 11 ways", n, records, kind, ways)
		}
		delete(seen, kind)
	}
	if len(seen) > 0 {
		t.Errorf("what are these: %v", seen)
	}
	if at := loadgen.BeforeEpoch(r); at.UnixMilli() >= 0 {
		t.Errorf("%v is not before the epoch", at)
	}
	if at := loadgen.Future(5, time.Hour); at.UnixMilli() <= 5+time.Hour.Milliseconds() {
		t.Errorf("%v is no absurd time", at)
	}
}

// TestNames are those that users look for in a demo.
func TestNames(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		loadgen.Name("user-", 7, 42):        "user-0000042",
		loadgen.Name("user-", 7, 123456789): "user-123456789",
		loadgen.Name("/article/", 4, 0):     "/article/0000",
		loadgen.ID("t", 37, 12):             "t11-12",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
