package aggregate_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pawl/processor/aggregate"
	"pawl/schemas"
)

// sale is what the tests fold.
type sale struct {
	user  string
	price float64
	items int64
}

func price(s sale) float64 { return s.price }
func items(s sale) int64   { return s.items }
func user(s sale) string   { return s.user }

// sales draws values with ties, repetitions, zeros of both signs and a wide range.
func sales(seed uint64, n int) []sale {
	random := rand.New(rand.NewPCG(seed, 7))
	prices := []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1e16, -1e16}
	out := make([]sale, n)
	for i := range out {
		out[i] = sale{user: fmt.Sprintf("u%d", random.IntN(max(1, n/3))),
			price: random.NormFloat64() * 100, items: int64(random.IntN(9)) - 4}
		if random.IntN(4) == 0 {
			out[i].price = prices[random.IntN(len(prices))]
		}
	}
	return out
}

// kind is an aggregate in a form that one test can treat like any other.
type kind struct {
	name string
	// fold folds parts of the input one after the other, with the state written and read back
	// between parts, and returns its bytes.
	fold func(t *testing.T, parts ...[]sale) []byte
	// merge folds parts apart, and merges from the left, or from the right when told to.
	merge func(t *testing.T, fromRight bool, parts ...[]sale) []byte
}

func kindOf[A any](name string, typ schemas.Type[A], add func(A, sale) A,
	merge func(A, A) A) kind {
	folded := func(a A, part []sale) A {
		for _, s := range part {
			a = add(a, s)
		}
		return a
	}
	return kind{
		name: name,
		fold: func(t *testing.T, parts ...[]sale) []byte {
			var a A
			for _, part := range parts {
				a = decode(t, typ, encode(t, typ, folded(a, part)))
			}
			return encode(t, typ, a)
		},
		merge: func(t *testing.T, fromRight bool, parts ...[]sale) []byte {
			var all []A
			for _, part := range parts {
				var none A
				all = append(all, folded(none, part))
			}
			for len(all) > 1 {
				at := 0
				if fromRight {
					at = len(all) - 2
				}
				all = slices.Replace(all, at, at+2, merge(all[at], all[at+1]))
			}
			return encode(t, typ, all[0])
		},
	}
}

func encode[A any](t *testing.T, typ schemas.Type[A], a A) []byte {
	t.Helper()
	if err := typ.Err(); err != nil {
		t.Fatal(err)
	}
	data, err := schemas.NewEncoder(typ, 1).Append(nil, &a)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decode[A any](t *testing.T, typ schemas.Type[A], data []byte) (a A) {
	t.Helper()
	r := schemas.NewResolver(nil)
	if err := r.Add(1, typ.String()); err != nil {
		t.Fatal(err)
	}
	if err := schemas.NewDecoder(typ, r).Decode(data, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// kinds are all aggregates. A float sum is not the same whichever way it is bracketed, so that
// sums of float64 are merged of whole prices only.
func kinds() []kind {
	whole := func(s sale) float64 { return float64(s.items) }
	text := schemas.Avro[string](`"string"`)
	return []kind{
		kindOf("Count", aggregate.CountType(), aggregate.CountOf[sale](), aggregate.Count.Merge),
		kindOf("Stats", aggregate.StatsType(), aggregate.StatsOf(whole), aggregate.Stats.Merge),
		kindOf("IntStats", aggregate.IntStatsType(), aggregate.IntStatsOf(items),
			aggregate.IntStats.Merge),
		kindOf("First", aggregate.FirstType(text), aggregate.FirstOf(5, user),
			aggregate.MergeFirst[string](5)),
		kindOf("Last", aggregate.LastType(text), aggregate.LastOf(5, user),
			aggregate.MergeLast[string](5)),
		kindOf("Distinct", aggregate.DistinctType(), aggregate.DistinctOf(user),
			aggregate.Distinct.Merge),
		kindOf("Top of int64", aggregate.TopType[int64](), aggregate.TopOf(user, items),
			aggregate.Top[int64].Merge),
		kindOf("Top of float64", aggregate.TopType[float64](), aggregate.TopOf(user, whole),
			aggregate.Top[float64].Merge),
		kindOf("TopValues of int64", aggregate.TopValuesType[int64](),
			aggregate.TopValuesOf(5, user, items), aggregate.MergeTopValues[int64](5)),
		kindOf("TopValues of float64", aggregate.TopValuesType[float64](),
			aggregate.TopValuesOf(5, user, price), aggregate.MergeTopValues[float64](5)),
	}
}

// TestBatchingLeavesNoTrace cuts the same input into parts at chance, the state being stored and
// read back between them.
func TestBatchingLeavesNoTrace(t *testing.T) {
	all := append(kinds(), kindOf("Stats of fractions", aggregate.StatsType(),
		aggregate.StatsOf(price), aggregate.Stats.Merge))
	for _, k := range all {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(60) {
				random := rand.New(rand.NewPCG(seed, 1))
				in := sales(seed, 1+random.IntN(2000))
				want := k.fold(t, in)
				if got := k.fold(t, cut(random, in)...); !bytes.Equal(got, want) {
					t.Fatalf("seed %d: %x in parts, %x at once", seed, got, want)
				}
			}
		})
	}
}

// TestMergeLaws: merging the aggregates of parts, bracketed either way, is the aggregate of the
// whole; and one that has seen nothing changes nothing.
func TestMergeLaws(t *testing.T) {
	for _, k := range kinds() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(60) {
				random := rand.New(rand.NewPCG(seed, 2))
				in := sales(seed, 1+random.IntN(2000))
				parts := cut(random, in)
				want := k.fold(t, in)
				for _, fromRight := range []bool{false, true} {
					if got := k.merge(t, fromRight, parts...); !bytes.Equal(got, want) {
						t.Fatalf("seed %d, from right %v: %x merged, %x folded", seed, fromRight,
							got, want)
					}
				}
				before, after := k.merge(t, false, nil, in), k.merge(t, false, in, nil)
				if !bytes.Equal(before, want) || !bytes.Equal(after, want) {
					t.Fatalf("seed %d: an empty one before gives %x, after %x, want %x", seed,
						before, after, want)
				}
			}
		})
	}
}

// cut cuts in into up to six parts, some of them empty.
func cut(random *rand.Rand, in []sale) (parts [][]sale) {
	for range random.IntN(6) {
		n := random.IntN(len(in) + 1)
		parts, in = append(parts, in[:n]), in[n:]
	}
	return append(parts, in)
}

func TestStatsAreThoseOfALoop(t *testing.T) {
	for seed := range uint64(100) {
		in := sales(seed, 1+int(seed)*7)
		add, addInt := aggregate.StatsOf(price), aggregate.IntStatsOf(items)
		var count aggregate.Count
		var got aggregate.Stats
		var gotInt aggregate.IntStats
		want := aggregate.Stats{Min: math.Inf(1), Max: math.Inf(-1)}
		wantInt := aggregate.IntStats{Min: math.MaxInt64, Max: math.MinInt64}
		for _, s := range in {
			count = aggregate.CountOf[sale]()(count, s)
			got, gotInt = add(got, s), addInt(gotInt, s)
			want.Count++
			want.Sum += s.price
			want.Min, want.Max = math.Min(want.Min, s.price), math.Max(want.Max, s.price)
			wantInt.Count++
			wantInt.Sum += s.items
			wantInt.Min, wantInt.Max = min(wantInt.Min, s.items), max(wantInt.Max, s.items)
		}
		if count.Count != int64(len(in)) || got != want || got.Avg() != want.Sum/float64(len(in)) {
			t.Fatalf("seed %d: %+v, %+v, a loop gives %+v", seed, count, got, want)
		}
		if gotInt != wantInt || gotInt.Avg() != float64(wantInt.Sum)/float64(len(in)) {
			t.Fatalf("seed %d: %+v, a loop gives %+v", seed, gotInt, wantInt)
		}
	}
	if none := (aggregate.Stats{}).Avg() + (aggregate.IntStats{}).Avg(); none != 0 {
		t.Errorf("the mean of nothing is %v", none)
	}
}

// TestMergedStats: the later sum is added to the earlier one.
func TestMergedStats(t *testing.T) {
	a := aggregate.Stats{}.Add(0.1).Add(0.2)
	b := aggregate.Stats{}.Add(0.3).Add(-7)
	left, right := 0.1, 0.3
	left += 0.2
	right += -7
	want := aggregate.Stats{Count: 4, Sum: left + right, Min: -7, Max: 0.3}
	if got := a.Merge(b); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestNotANumberIsOne: two different ones leave the same bytes.
func TestNotANumberIsOne(t *testing.T) {
	odd := math.Float64frombits(0xFFF8000000000123)
	of := func(x float64) float64 { return x }
	key := func(float64) string { return "k" }
	same := func(name string, a, b []byte) {
		if !bytes.Equal(a, b) {
			t.Errorf("%s: %x and %x", name, a, b)
		}
	}
	stats := func(x float64) []byte {
		return encode(t, aggregate.StatsType(), aggregate.StatsOf(of)(aggregate.Stats{}, x))
	}
	same("Stats", stats(odd), stats(math.NaN()))
	top := func(x float64) []byte {
		return encode(t, aggregate.TopType[float64](),
			aggregate.TopOf(key, of)(aggregate.Top[float64]{}, x))
	}
	same("Top", top(odd), top(math.NaN()))
	values := func(x float64) []byte {
		return encode(t, aggregate.TopValuesType[float64](),
			aggregate.TopValuesOf(1, key, of)(aggregate.TopValues[float64]{}, x))
	}
	same("TopValues", values(odd), values(math.NaN()))
}

func TestEndsAreThoseOfTheInput(t *testing.T) {
	for n := 1; n < 20; n++ {
		in := sales(uint64(n), 2*n)
		for size := range len(in) + 1 {
			var first aggregate.First[string]
			var last aggregate.Last[string]
			addFirst, addLast := aggregate.FirstOf(n, user), aggregate.LastOf(n, user)
			var all []string
			for _, s := range in[:size] {
				first, last = addFirst(first, s), addLast(last, s)
				all = append(all, s.user)
			}
			k := min(n, size)
			if !slices.Equal(first.Values, all[:k]) || !slices.Equal(last.Values, all[size-k:]) {
				t.Fatalf("n=%d of %v: first %v, last %v", n, all, first.Values, last.Values)
			}
		}
	}
}

func TestTopIsThatOfAMap(t *testing.T) {
	for seed := range uint64(100) {
		in := sales(seed, int(seed)*3)
		add, addValue := aggregate.TopOf(user, items), aggregate.TopValuesOf(4, user, items)
		var got aggregate.Top[int64]
		var gotValues aggregate.TopValues[int64]
		sums := map[string]int64{}
		var values []aggregate.Scored[int64]
		for _, s := range in {
			got, gotValues = add(got, s), addValue(gotValues, s)
			sums[s.user] += s.items
			values = append(values, aggregate.Scored[int64]{Key: s.user, Score: s.items})
		}
		var want []aggregate.Scored[int64]
		for k, n := range sums {
			want = append(want, aggregate.Scored[int64]{Key: k, Score: n})
		}
		order := func(a, b aggregate.Scored[int64]) int {
			return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Key, b.Key))
		}
		slices.SortFunc(want, order)
		slices.SortFunc(values, order)
		for _, n := range []int{-1, 0, 1, 3, len(want), len(want) + 1} {
			k := max(0, min(n, len(want)))
			if largest := got.Largest(n); !slices.Equal(largest, want[:k]) {
				t.Fatalf("seed %d: the largest %d are %v, want %v", seed, n, largest, want[:k])
			}
		}
		if want := values[:min(4, len(values))]; !slices.Equal(gotValues.Values, want) {
			t.Fatalf("seed %d: the largest values are %v, want %v", seed, gotValues.Values, want)
		}
	}
}

// TestKeepingNothingIsRefused where the pipeline is built.
func TestKeepingNothingIsRefused(t *testing.T) {
	for name, build := range map[string]func(){
		"FirstOf":        func() { aggregate.FirstOf(0, user) },
		"MergeFirst":     func() { aggregate.MergeFirst[string](0) },
		"LastOf":         func() { aggregate.LastOf(-1, user) },
		"MergeLast":      func() { aggregate.MergeLast[string](0) },
		"TopValuesOf":    func() { aggregate.TopValuesOf(0, user, items) },
		"MergeTopValues": func() { aggregate.MergeTopValues[int64](0) },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, "aggregate."+name+": n=") {
					t.Errorf("%s: %s", name, got)
				}
			}()
			build()
		}()
	}
}
