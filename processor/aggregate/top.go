package aggregate

import (
	"cmp"
	"slices"
	"strings"

	"pawl/schemas"
)

// Scored is a key with its score.
type Scored[S Number] struct {
	Key   string `avro:"key"`
	Score S      `avro:"score"`
}

// byScore orders by score descending, then key ascending; not-a-number is below all numbers.
func byScore[S Number](a, b Scored[S]) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Key, b.Key))
}

// Top sums up scores by key, to tell the keys with the largest: exact, since a key that is small
// now may become large, and for that reason as large as the number of its keys.
type Top[S Number] struct {
	Scores []Scored[S] `avro:"scores"` // by key
}

// TopType returns how a Top is written and read.
func TopType[S Number]() schemas.Type[Top[S]] {
	return schemas.Avro[Top[S]](listSchema("Top", "scores", scoredSchema[S]("Scored")))
}

// TopOf adds, for each value, its score to that of its key. A score of 1 counts.
func TopOf[V any, S Number](key func(V) string, score func(V) S) func(Top[S], V) Top[S] {
	return func(t Top[S], v V) Top[S] { return t.Add(key(v), score(v)) }
}

// Add is t with the score of one key raised.
func (t Top[S]) Add(key string, score S) Top[S] {
	at, found := slices.BinarySearchFunc(t.Scores, key, func(s Scored[S], key string) int {
		return strings.Compare(s.Key, key)
	})
	if !found {
		t.Scores = slices.Insert(t.Scores, at, Scored[S]{Key: key})
	}
	t.Scores[at].Score = one(t.Scores[at].Score + score)
	return t
}

// Merge is the Top of both.
func (t Top[S]) Merge(later Top[S]) Top[S] {
	for _, s := range later.Scores {
		t = t.Add(s.Key, s.Score)
	}
	return t
}

// Largest are the n keys with the largest scores, the largest first; those of equal scores stand
// by key.
func (t Top[S]) Largest(n int) []Scored[S] {
	all := slices.SortedFunc(slices.Values(t.Scores), byScore)
	return slices.Clip(all[:max(0, min(n, len(all)))])
}

// TopValues is the n largest single values, the largest first, each with a key to tell whose it
// is; those of equal scores stand by key. A key can stand there more than once.
type TopValues[S Number] struct {
	Values []Scored[S] `avro:"values"`
}

// TopValuesType returns how a TopValues is written and read.
func TopValuesType[S Number]() schemas.Type[TopValues[S]] {
	return schemas.Avro[TopValues[S]](listSchema("TopValues", "values", scoredSchema[S]("Value")))
}

// TopValuesOf keeps the n values with the largest scores.
func TopValuesOf[V any, S Number](n int, key func(V) string,
	score func(V) S) func(TopValues[S], V) TopValues[S] {
	atLeastOne("TopValuesOf", n)
	return func(t TopValues[S], v V) TopValues[S] {
		return t.add(n, Scored[S]{Key: key(v), Score: one(score(v))})
	}
}

// MergeTopValues keeps the n largest of both.
func MergeTopValues[S Number](n int) func(earlier, later TopValues[S]) TopValues[S] {
	atLeastOne("MergeTopValues", n)
	return func(earlier, later TopValues[S]) TopValues[S] {
		for _, s := range later.Values {
			earlier = earlier.add(n, s)
		}
		return earlier
	}
}

func (t TopValues[S]) add(n int, s Scored[S]) TopValues[S] {
	at, _ := slices.BinarySearchFunc(t.Values, s, byScore)
	if at >= n {
		return t
	}
	t.Values = slices.Insert(t.Values, at, s)
	t.Values = t.Values[:min(n, len(t.Values))]
	return t
}

// scoredSchema is the schema of a Scored, under the name it has in an aggregate.
func scoredSchema[S Number](name string) string {
	typ := "long"
	if _, ok := any(S(0)).(float64); ok {
		typ = "double"
	}
	return `{"type": "record", "name": "` + name + `", "namespace": "pawl.aggregate", "fields": [
		{"name": "key", "type": "string"}, {"name": "score", "type": "` + typ + `"}]}`
}
