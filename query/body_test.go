package query

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"pawl/processor"
	"pawl/schemas/record"
)

// plainly is a body of the same meaning for encoding/json.
func plainly(v any) any {
	switch v := v.(type) {
	case fields:
		plain := map[string]any{}
		for name, one := range v {
			plain[name] = plainly(one)
		}
		return plain
	case transactions:
		type shown struct {
			Timestamp *time.Time `json:"timestamp"`
			Count     int64      `json:"count"`
			Cents     int64      `json:"total_cents"`
		}
		list := []shown{}
		for i := range v {
			one := v[len(v)-1-i]
			list = append(list, shown{timeOf(one.At), one.Count, one.Cents})
		}
		return list
	}
	return v
}

// TestBodiesAreEncodingJSONs compares what writes itself with what encoding/json makes of it.
func TestBodiesAreEncodingJSONs(t *testing.T) {
	at, odd := time.UnixMilli(1_700_000_000_120).UTC(), time.Unix(1, 5).UTC()
	q := &question{shape: Shape{Pipeline: "p<", Instance: `i"`}}
	kept := newStands()
	one := kept.of(q, 3, record.Position{Epoch: 5, Claim: 2, Watermark: 1,
		Inputs: []record.Input{{Topic: "b&", Partition: 3, Offset: 7}, {Topic: "a", Offset: -1}}})
	past := standingOf("p-1", "i", 1, record.Position{Watermark: math.MinInt64})
	past.Checkpoint, past.Created = "id", &odd
	all := fields{"<nil>": nil, "string": "é\u2028<\x01", "bool": true, "int": 1,
		"int64": int64(math.MinInt64), "raw": json.RawMessage(`{"a":[1,2]}`),
		"no raw": json.RawMessage(nil), "time": &at, "odd": &odd, "no time": (*time.Time)(nil),
		"counts": map[string]int64{"b": 1, `a"`: 2}, "no counts": map[string]int64(nil),
		"fields": fields{"z": 1, "a": fields{}}, "rows": []fields{{"b": "x", "a": 1}, {}},
		"empty": []fields{}, "state": processor.TaskRunning, "float": 1e-9, "list": []string{"<"},
		"stands": standings{one, past}, "none": transactions{},
		"transactions": transactions{{At: -1, Count: 1, Cents: 2}, {At: math.MaxInt64},
			{At: at.UnixMilli(), Count: -3, Cents: 4}}}
	for name, v := range all {
		for _, body := range []fields{{name: v, "": 0}, all} {
			got, err := appendBody([]byte(","), body)
			want, wantErr := json.Marshal(plainly(body))
			if err != nil || wantErr != nil || string(got) != ","+string(want) {
				t.Errorf("%s\n%s, %v\nfor\n%s, %v", name, got, err, want, wantErr)
			}
		}
	}
	if _, err := appendBody(nil, fields{"a": []fields{{"b": math.NaN()}}}); err == nil {
		t.Error("what is no JSON is written")
	}
}

// TestStandsAreOfTheirEpoch: what is kept of one epoch is not shown for another, and a place before
// the first commit is never kept.
func TestStandsAreOfTheirEpoch(t *testing.T) {
	kept := newStands()
	q := &question{shape: Shape{Pipeline: "p"}}
	show := func(task int32, claim, epoch, offset int64) string {
		s := kept.of(q, task, record.Position{Claim: claim, Epoch: epoch,
			Inputs: []record.Input{{Topic: "in", Partition: task, Offset: offset}}})
		return fmt.Sprintf("%s %v %s %s", s.Task, s.Offsets, s.append(nil),
			etag([]standing{s}, nil))
	}
	seen := map[string]string{}
	for _, at := range [][4]int64{{0, 0, 0, 5}, {0, 0, 0, 6}, {0, 1, 1, 7}, {1, 1, 1, 8},
		{0, 1, 2, 9}, {0, 2, 2, 10}, {1, 2, 2, 11}} {
		now := show(int32(at[0]), at[1], at[2], at[3])
		if same := show(int32(at[0]), at[1], at[2], at[3]); same != now {
			t.Errorf("%v: %s, then %s", at, now, same)
		}
		if before, ok := seen[now]; ok {
			t.Errorf("%v is shown as %s", at, before)
		}
		seen[now] = fmt.Sprint(at)
	}
}
