package activity_test

import (
	"context"
	"strings"
	"testing"

	"pawl/pipelines/activity"
	"pawl/schemas"
	schema "pawl/schemas/activity"
	"pawl/schemas/record"
	"pawl/statestore"
)

// entry is one key of a changelog with its value.
type entry struct {
	key   statestore.Key
	value []byte
}

// written is v as the engine writes it, with an id of its own.
func written[V any](t *testing.T, r *schemas.Resolver, id int32, typ schemas.Type[V], v V) []byte {
	t.Helper()
	if err := r.Add(id, typ.String()); err != nil {
		t.Fatal(err)
	}
	b, err := schemas.NewEncoder(typ, id).Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func table(name, user string) statestore.Key {
	return statestore.Key(nil).String(name).String(user)
}

// TestCanonical reads one entry of each table, and two that must not be taken for one.
func TestCanonical(t *testing.T) {
	t.Parallel()
	r := schemas.NewResolver(nil)
	sum := written(t, r, 1, schema.SumType(), schema.Sum{EventCount: 2, TotalValue: 0.5})
	batch := written(t, r, 2, schema.BatchType(),
		schema.Batch{FirstTimestamp: 7, LastTimestamp: 6, EventCount: 2, TotalValue: 0.5})
	count := written(t, r, 3, record.CounterType(), record.Counter{N: 102})
	timer := written(t, r, 4, record.TimerType(), record.Timer{At: 99})
	state := make(map[string][]byte)
	for _, e := range []entry{
		{table("per-minute", "ann").Int(60_000), sum},
		{table("five-minutes", "ann").Int(-300_000), sum},
		{table("batches", "ann"), batch},
		{table("batches-count", "ann"), count},
		{table("seen", "a/b").String("c"), timer},
		{table("seen", "a").String("b/c"), timer},
		{statestore.Key(nil).String("timers-per-minute").Int(60_000).String("ann"), timer},
	} {
		state[string(e.key)] = e.value
	}
	got, err := activity.Spec(activity.Config{}).Canonical(context.Background(), state, r, 0)
	if err != nil {
		t.Fatal(err)
	}
	compareState(t, got, map[string]string{
		`per-minute/"ann"/60000`:     "{2 0.5}",
		`five-minutes/"ann"/-300000`: "{2 0.5}",
		`batches/"ann"`:              "{7 6 2 0.5}",
		`batches-count/"ann"`:        "102",
		`seen/"a/b"/"c"`:             "99",
		`seen/"a"/"b/c"`:             "99",
	})
}

// TestCanonicalRefuses what no engine of this pipeline can have written.
func TestCanonicalRefuses(t *testing.T) {
	t.Parallel()
	r := schemas.NewResolver(nil)
	sum := written(t, r, 1, schema.SumType(), schema.Sum{})
	for _, c := range []struct {
		entry
		want string
	}{
		{entry{table("velocity", "ann"), sum}, "no such table"},
		{entry{statestore.Key("x"), sum}, "unknown tag"},
		{entry{nil, sum}, "empty"},
		{entry{table("batches", "ann"), sum}, "IncompatibleSchema"},
		{entry{table("per-minute", "ann").Int(0), sum[:6]}, "DecodeError"},
	} {
		_, err := activity.Spec(activity.Config{}).Canonical(context.Background(),
			map[string][]byte{string(c.key): c.value}, r, 0)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("key %x: %v, want %q", c.key, err, c.want)
		}
	}
}
